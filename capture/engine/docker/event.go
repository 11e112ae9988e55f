package docker

import (
	"strings"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"dnatrace/capture/engine"
)

// actions are the events that can change what a verdict rests on.
var actions = map[events.Type][]events.Action{
	events.ContainerEventType: {
		events.ActionCreate, events.ActionStart, events.ActionDie, events.ActionPause, events.ActionUnPause,
		events.ActionRestart, events.ActionStop, events.ActionKill, events.ActionDestroy, events.ActionRename,
		events.ActionHealthStatus,
	},
	events.NetworkEventType: {
		events.ActionConnect, events.ActionDisconnect, events.ActionCreate, events.ActionDestroy,
	},
}

// eventFilter asks the engine to send only these: an exec event would carry a
// command line.
func eventFilter() filters.Args {
	args := filters.NewArgs()
	for typ, as := range actions {
		args.Add("type", string(typ))
		for _, a := range as {
			args.Add("event", string(a))
		}
	}
	return args
}

// fromMessage keeps of an event what a verdict needs; ok is false for events
// that are none of ours.
func fromMessage(m events.Message) (ev engine.Event, ok bool) {
	action, known := plainAction(m.Type, string(m.Action))
	if !known || m.Actor.Attributes[guestLabel] != "" {
		return engine.Event{}, false
	}
	return engine.Event{
		Type: string(m.Type), Action: action, ID: m.Actor.ID,
		Name: m.Actor.Attributes["name"], Container: m.Actor.Attributes["container"],
	}, true
}

// plainAction drops what a health check printed: after the colon only the
// engine's own words are kept.
func plainAction(typ events.Type, action string) (string, bool) {
	base, rest, _ := strings.Cut(action, ":")
	for _, a := range actions[typ] {
		if base != string(a) {
			continue
		}
		switch strings.TrimSpace(rest) {
		case "healthy", "unhealthy", "running":
			return action, true
		}
		return base, true
	}
	return "", false
}
