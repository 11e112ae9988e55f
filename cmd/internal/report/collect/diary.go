package collect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/cmd/internal/report"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// maxHappenings is how many happenings a report tells: those closest to the
// deciding request.
const maxHappenings = 200

// diary notes what happened on the host, by comparing each state with the one
// before.
type diary struct {
	near   int64 // Unix ns of the deciding request
	engine *engine.Snapshot
	hosts  map[string]*host.State
	rules  map[ruleKey]*decode.Ruleset
	parsed int // rulesets compared
	rings  map[uint16][]string
	said   []report.Happening
	left   int
}

// ruleKey is one back end in one namespace.
type ruleKey struct{ netns, backend, table string }

func (d *diary) init(i *correlate.Incident) {
	d.hosts, d.rules, d.rings = map[string]*host.State{}, map[ruleKey]*decode.Ruleset{}, map[uint16][]string{}
	if i != nil {
		d.near = i.First.UnixNano()
	}
}

func (d *diary) say(t int64, lane, where, text string) {
	if where == capture.HostNetns {
		where = ""
	}
	d.said = append(d.said, report.Happening{Time: time.Unix(0, t).UTC(), Lane: lane, Where: where, Text: text})
	if len(d.said) >= 4*maxHappenings {
		d.thin()
	}
}

// thin leaves those closest to the deciding request.
func (d *diary) thin() {
	if len(d.said) <= maxHappenings {
		return
	}
	slices.SortStableFunc(d.said, func(a, b report.Happening) int { return cmp.Compare(d.distance(a), d.distance(b)) })
	d.left += len(d.said) - maxHappenings
	d.said = d.said[:maxHappenings]
}

func (d *diary) distance(h report.Happening) int64 {
	return max(h.Time.UnixNano()-d.near, d.near-h.Time.UnixNano())
}

func (d *diary) event(e decode.Event) {
	switch e := e.(type) {
	case *decode.Start:
		d.say(e.Started, report.LaneCapture, "", "recording began: every source armed")
	case *decode.End:
		d.say(e.Ended, report.LaneCapture, "", "recording ended")
	case *decode.Point:
		d.rings[e.Ring] = append(d.rings[e.Ring], e.Name)
		if e.Since != 0 && d.engine != nil {
			d.say(max(e.Since, e.Time), report.LaneCapture, e.Container, "watched from here on: "+e.Name)
		}
	case *decode.Source:
		if e.State != capture.SourceOK {
			d.say(e.Time, report.LaneCapture, "", strings.TrimSuffix(fmt.Sprintf("source %s %s: %s", e.Name, e.State, e.Why), ": "))
		}
	case *decode.Loss:
		d.say(e.From, report.LaneCapture, strings.Join(d.rings[e.Ring], ", "), fmt.Sprintf("%d packets lost within %s", e.Lost, time.Duration(e.To-e.From)))
	case *decode.EngineEvent:
		d.engineDid(e)
	case *decode.EngineSnapshot:
		d.engineSaid(e)
	case *decode.HostSample:
		d.hostWas(e)
	case *decode.Ruleset:
		d.rulesWere(e)
	}
}

func (d *diary) engineDid(e *decode.EngineEvent) {
	text := e.Type + " " + e.Action
	where := e.Name
	if e.Type == "network" {
		text = "network " + e.Name + ": " + e.Action
		where = d.containerName(e.Container)
	}
	d.say(e.Time, report.LaneEngine, where, text)
}

func (d *diary) containerName(id string) string {
	if d.engine == nil || id == "" {
		return ""
	}
	for i := range d.engine.Containers {
		if d.engine.Containers[i].ID == id {
			return d.engine.Containers[i].Name
		}
	}
	return id[:min(len(id), 12)]
}

func (d *diary) engineSaid(e *decode.EngineSnapshot) {
	was := d.engine
	d.engine = &e.Snapshot
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
			d.say(e.Time, report.LaneEngine, now.Name, "container is there, "+now.State)
		case old.State != now.State:
			d.say(e.Time, report.LaneEngine, now.Name, old.State+" → "+now.State)
		case !slices.Equal(old.Mappings, now.Mappings):
			d.say(e.Time, report.LaneEngine, now.Name, "port mappings changed: "+strings.Join(published(now.Mappings), ", "))
		}
	}
	for i := range was.Containers {
		if c := &was.Containers[i]; before[c.ID] != nil {
			d.say(e.Time, report.LaneEngine, c.Name, "container is gone")
		}
	}
}

// timeline returns what happened and the requests told in full, in order.
func (d *diary) timeline(cases []report.Case) ([]report.Happening, int) {
	d.thin()
	for _, c := range cases {
		d.said = append(d.said, report.Happening{Time: c.Incident.First.UTC(), Lane: report.LaneRequests, Where: "",
			Text: fmt.Sprintf("%s → %s: %s", c.Incident.Client, c.Incident.Requested, c.Incident.Verdict)})
	}
	slices.SortStableFunc(d.said, func(a, b report.Happening) int { return a.Time.Compare(b.Time) })
	return d.said, d.left
}
