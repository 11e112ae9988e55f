// Package changes tells what happened on a host beside its requests: containers
// that come and go, rules, routes, addresses, settings and listeners that are not
// what they were. It compares each state with the one before, and decides nothing.
//
// It is pure: events are its argument, it reads no clock, opens nothing and must
// not import any origin of capture that is live.
package changes

import (
	"fmt"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/decode"
)

// Change is something that happened.
type Change struct {
	Time      int64  // Unix ns
	Lane      string // one of the Lane constants
	Where     string // a container, a namespace, a ring; "" for the host
	Text      string
	Network   string // the engine's network that it happened to; "" for none
	Listed    bool   // the engine's next snapshot says so: there may have been an event before
	Transient bool   // about an interface that comes and goes with a container
}

// Lanes are whose affair a change is.
const (
	LaneEngine  = "engine"
	LaneRules   = "rules"
	LaneHost    = "host"
	LaneSockets = "sockets"
	LaneCapture = "capture"
)

// Log compares what a stream says with what it said before.
type Log struct {
	tell   func(Change)
	engine *engine.Snapshot
	hosts  map[string]*host.State
	rules  map[RuleKey]*decode.Ruleset
	most   int // rulesets that are compared; 0: any number
	parsed int // of them, so far
	rings  map[uint16][]string
}

// RuleKey is one back end in one namespace, or a table of it.
type RuleKey struct{ Netns, Backend, Table string }

// New tells each change as its event is taken. After so many changes rulesets are no
// longer taken apart, which bounds what a long recording costs; 0 is for a stream
// that comes at its own pace.
func New(tell func(Change), most int) *Log {
	return &Log{tell: tell, most: most, hosts: map[string]*host.State{}, rules: map[RuleKey]*decode.Ruleset{}, rings: map[uint16][]string{}}
}

func (l *Log) say(t int64, lane, where, text string) {
	l.change(Change{Time: t, Lane: lane, Where: where, Text: text})
}

func (l *Log) change(c Change) {
	if c.Where == capture.HostNetns {
		c.Where = ""
	}
	l.tell(c)
}

// Event takes what the stream says next.
func (l *Log) Event(e decode.Event) {
	switch e := e.(type) {
	case *decode.Start:
		l.say(e.Started, LaneCapture, "", "recording began: every source armed")
	case *decode.End:
		l.say(e.Ended, LaneCapture, "", "recording ended")
	case *decode.Point:
		l.rings[e.Ring] = append(l.rings[e.Ring], e.Name)
		if e.Since != 0 && e.Gone == 0 && l.engine != nil {
			l.say(max(e.Since, e.Time), LaneCapture, e.Container, "watched from here on: "+e.Name)
		}
	case *decode.Source:
		if e.State != capture.SourceOK {
			l.say(e.Time, LaneCapture, "", strings.TrimSuffix(fmt.Sprintf("source %s %s: %s", e.Name, e.State, e.Why), ": "))
		}
	case *decode.Loss:
		l.say(e.From, LaneCapture, strings.Join(l.rings[e.Ring], ", "), fmt.Sprintf("%d packets lost within %s", e.Lost, time.Duration(e.To-e.From)))
	case *decode.EngineEvent:
		l.engineDid(e)
	case *decode.EngineSnapshot:
		l.engineSaid(e)
	case *decode.HostSample:
		l.hostWas(e)
	case *decode.Ruleset:
		l.rulesWere(e)
	}
}
