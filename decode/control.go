package decode

import (
	"encoding/json"
	"errors"
	"fmt"

	"dnatrace/capture"
)

// ErrUnknown is wrapped by Control's error for a record whose origin or kind
// this version does not know. Such records are counted, not decoded.
var ErrUnknown = errors.New("unknown record")

// maxControl is the most bytes a record may have: a ruleset or a conntrack dump
// of a large host has tens of megabytes at most.
const maxControl = 256 << 20

// maxNote is the same for records that say one thing: a point, a loss, an event
// of the engine.
const maxNote = 64 << 10

// Control decodes a record other than a packet. Most records are one event, a
// conntrack dump one for each entry, a rule trace one for each step; the order
// is that of the record. Events keep no reference to r.Data. Fields of a JSON
// record that this version does not know are ignored. With an error there may
// still be events: the entries of a dump, or the steps, that are not damaged.
func Control(r capture.Record) ([]Event, error) {
	if most := largest(r); len(r.Data) > most {
		return nil, fmt.Errorf("decode %s %s: %d bytes are more than %d", r.Origin, r.Kind, len(r.Data), most)
	}
	switch r.Origin {
	case capture.OriginConntrack:
		return conntrackRecord(r)
	case capture.OriginRuleTrace:
		return traceRecord(r)
	case capture.OriginDrops:
		return dropRecord(r)
	}
	e, content := eventFor(r)
	if e == nil {
		return nil, unknown(r)
	}
	if err := json.Unmarshal(r.Data, content); err != nil {
		return nil, fmt.Errorf("decode %s %s: %w", r.Origin, r.Kind, err)
	}
	return []Event{e}, nil
}

func largest(r capture.Record) int {
	switch {
	case r.Origin == capture.OriginMeta, r.Origin == capture.OriginPackets, r.Origin == capture.OriginDrops, r.Origin == capture.OriginEngine && r.Kind == capture.KindEvent:
		return maxNote
	}
	return maxControl
}

func unknown(r capture.Record) error {
	return fmt.Errorf("decode %q record of %q: %w", r.Kind, r.Origin, ErrUnknown)
}

// eventFor returns an empty event for a JSON record, and where its JSON goes.
func eventFor(r capture.Record) (e Event, content any) {
	switch r.Origin + " " + r.Kind {
	case capture.OriginMeta + " " + capture.KindStart:
		e := &Start{Time: r.Time}
		return e, &e.Start
	case capture.OriginMeta + " " + capture.KindEnd:
		e := &End{Time: r.Time}
		return e, &e.End
	case capture.OriginMeta + " " + capture.KindSource:
		e := &Source{Time: r.Time}
		return e, &e.SourceState
	case capture.OriginMeta + " " + capture.KindRedacted:
		return &Redacted{Time: r.Time}, &struct{}{}
	case capture.OriginMeta + " " + capture.KindDamage:
		e := &Damage{Time: r.Time}
		return e, &e.Damage
	case capture.OriginPackets + " " + capture.KindPoint:
		e := &Point{Time: r.Time}
		return e, &e.Point
	case capture.OriginPackets + " " + capture.KindLoss:
		e := &Loss{Time: r.Time}
		return e, &e.Loss
	case capture.OriginEngine + " " + capture.KindSnapshot:
		e := &EngineSnapshot{Time: r.Time, Size: len(r.Data)}
		return e, &e.Snapshot
	case capture.OriginEngine + " " + capture.KindEvent:
		e := &EngineEvent{Time: r.Time}
		return e, &e.Event
	case capture.OriginHost + " " + capture.KindSample:
		e := &HostSample{Time: r.Time, Netns: r.Netns, Size: len(r.Data)}
		return e, &e.Sample
	case capture.OriginRules + " " + capture.KindRuleset:
		e := &Ruleset{Time: r.Time, Netns: r.Netns, Size: len(r.Data)}
		return e, &e.Ruleset
	}
	return nil, nil
}
