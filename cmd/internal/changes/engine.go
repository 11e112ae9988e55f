package changes

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture/engine"
	"dnatrace/decode"
)

func (l *Log) engineDid(e *decode.EngineEvent) {
	c := Change{Time: e.Time, Lane: LaneEngine, Where: e.Name, Text: e.Type + " " + e.Action}
	if e.Type == "network" {
		c.Where, c.Text, c.Network = l.containerName(e.Container), "network "+e.Name+": "+e.Action, e.Name
	}
	l.change(c)
}

func (l *Log) containerName(id string) string {
	if l.engine == nil || id == "" {
		return ""
	}
	for i := range l.engine.Containers {
		if l.engine.Containers[i].ID == id {
			return l.engine.Containers[i].Name
		}
	}
	return id[:min(len(id), 12)]
}

func (l *Log) engineSaid(e *decode.EngineSnapshot) {
	was := l.engine
	l.engine = &e.Snapshot
	if was == nil {
		return
	}
	before := map[string]*engine.Container{}
	for i := range was.Containers {
		before[was.Containers[i].ID] = &was.Containers[i]
	}
	for i := range e.Containers {
		now := &e.Containers[i]
		old := before[now.ID]
		delete(before, now.ID)
		switch {
		case old == nil:
			l.listed(e.Time, now.Name, "container is there, "+now.State)
		case old.State != now.State:
			l.listed(e.Time, now.Name, old.State+" → "+now.State)
		case !slices.Equal(old.Mappings, now.Mappings):
			l.say(e.Time, LaneEngine, now.Name, "port mappings changed: "+strings.Join(Published(now.Mappings), ", "))
		}
	}
	for i := range was.Containers {
		if c := &was.Containers[i]; before[c.ID] != nil {
			l.listed(e.Time, c.Name, "container is gone")
		}
	}
}

func (l *Log) listed(t int64, container, text string) {
	l.change(Change{Time: t, Lane: LaneEngine, Where: container, Text: text, Listed: true})
}

// Published writes mappings as docker ps does.
func Published(all []engine.Binding) []string {
	var out []string
	for _, b := range all {
		out = append(out, fmt.Sprintf("%s → %d/%s", HostEnd(b), b.Container, b.Proto))
	}
	return out
}

// HostEnd writes where a mapping is published: ADDRESS:PORT, of a range its ends.
func HostEnd(b engine.Binding) string {
	port := fmt.Sprint(b.HostPort)
	if b.HostEnd > b.HostPort {
		port += fmt.Sprintf("-%d", b.HostEnd)
	}
	if b.HostPort == 0 {
		port = "any"
	}
	switch {
	case !b.HostIP.IsValid():
		return "*:" + port
	case b.HostIP.Is6():
		return "[" + b.HostIP.String() + "]:" + port
	}
	return b.HostIP.String() + ":" + port
}
