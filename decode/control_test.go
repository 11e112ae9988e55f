package decode_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
	"dnatrace/decode"
)

// control is every JSON record with the event it is.
var control = []struct {
	origin, kind string
	content      any
	want         decode.Event
}{
	{capture.OriginMeta, capture.KindStart, capture.Start{Format: 1, Target: "8080"},
		&decode.Start{Time: 42, Start: capture.Start{Format: 1, Target: "8080"}}},
	{capture.OriginMeta, capture.KindEnd, capture.End{Ended: 9, Packets: 3},
		&decode.End{Time: 42, End: capture.End{Ended: 9, Packets: 3}}},
	{capture.OriginMeta, capture.KindSource, capture.SourceState{Name: "drops", State: capture.SourceAbsent},
		&decode.Source{Time: 42, SourceState: capture.SourceState{Name: "drops", State: capture.SourceAbsent}}},
	{capture.OriginPackets, capture.KindPoint, capture.Point{ID: 3, Name: "eth0", Role: capture.RoleNIC},
		&decode.Point{Time: 42, Point: capture.Point{ID: 3, Name: "eth0", Role: capture.RoleNIC}}},
	{capture.OriginPackets, capture.KindLoss, capture.Loss{Ring: 1, Lost: 7},
		&decode.Loss{Time: 42, Loss: capture.Loss{Ring: 1, Lost: 7}}},
	{capture.OriginEngine, capture.KindSnapshot, engine.Snapshot{Version: "28.5.2"},
		&decode.EngineSnapshot{Time: 42, Snapshot: engine.Snapshot{Version: "28.5.2"}}},
	{capture.OriginEngine, capture.KindEvent, engine.Event{Type: "container", Action: "die"},
		&decode.EngineEvent{Time: 42, Event: engine.Event{Type: "container", Action: "die"}}},
	{capture.OriginHost, capture.KindSample, host.Sample{State: host.State{Inode: 5, Neighbours: []host.Neighbour{{IP: netip.MustParseAddr("172.17.0.2")}}}},
		&decode.HostSample{Time: 42, Netns: "web", Sample: host.Sample{State: host.State{Inode: 5, Neighbours: []host.Neighbour{{IP: netip.MustParseAddr("172.17.0.2")}}}}}},
	{capture.OriginRules, capture.KindRuleset, rules.Ruleset{Backend: "nft", Data: []byte{1, 2}},
		&decode.Ruleset{Time: 42, Netns: "web", Ruleset: rules.Ruleset{Backend: "nft", Data: []byte{1, 2}}}},
}

func TestEveryJSONRecordIsAnEvent(t *testing.T) {
	for _, r := range control {
		data, err := json.Marshal(r.content)
		if err != nil {
			t.Fatal(err)
		}
		// A later version may say more.
		data = append([]byte(`{"of a later version":1,`), data[1:]...)
		got, err := decode.Control(capture.Record{Time: 42, Origin: r.origin, Kind: r.kind, Netns: "web", Data: data})
		if err != nil {
			t.Errorf("%s %s: %v", r.origin, r.kind, err)
		}
		switch want := r.want.(type) {
		case *decode.EngineSnapshot:
			want.Size = len(data)
		case *decode.HostSample:
			want.Size = len(data)
		case *decode.Ruleset:
			want.Size = len(data)
		}
		if diff := cmp.Diff([]decode.Event{r.want}, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
			t.Errorf("%s %s: want (-), got (+):\n%s", r.origin, r.kind, diff)
		}
	}
}

func TestAnUnknownRecordIsCountedNotDecoded(t *testing.T) {
	for _, r := range []capture.Record{
		{Origin: "weather", Kind: capture.KindEvent},
		{Origin: capture.OriginHost, Kind: "dream"},
		{Origin: capture.OriginConntrack, Kind: capture.KindSnapshot},
		{Origin: capture.OriginDrops, Kind: capture.KindSnapshot},
	} {
		if got, err := decode.Control(r); !errors.Is(err, decode.ErrUnknown) || got != nil {
			t.Errorf("%s %s: %v, %v; want ErrUnknown", r.Origin, r.Kind, got, err)
		}
	}
}

func TestABadRecordSaysWhatIsBad(t *testing.T) {
	for data, says := range map[string]string{
		``:               "unexpected end",
		`{"id":70000}`:   "cannot unmarshal number 70000",
		`{"id":1} again`: "after top-level value",
		`{"name":7}`:     "Go struct field",
	} {
		got, err := decode.Control(capture.Record{Origin: capture.OriginPackets, Kind: capture.KindPoint, Data: []byte(data)})
		switch {
		case err == nil || got != nil:
			t.Errorf("%q decoded to %v", data, got)
		case errors.Is(err, decode.ErrUnknown):
			t.Errorf("%q is called unknown, not bad", data)
		case !strings.HasPrefix(err.Error(), "decode packets point: ") || !strings.Contains(err.Error(), says):
			t.Errorf("%q: error %q does not say %q", data, err, says)
		}
	}
}

func TestANoteThatIsTooLongIsBad(t *testing.T) {
	long := []byte(`{"name":"` + strings.Repeat("x", 64<<10) + `"}`)
	if got, err := decode.Control(capture.Record{Origin: capture.OriginPackets, Kind: capture.KindPoint, Data: long}); err == nil {
		t.Errorf("decoded to %v", got)
	}
	if _, err := decode.Control(capture.Record{Origin: capture.OriginHost, Kind: capture.KindSample, Data: long}); err != nil {
		t.Errorf("a sample of a host may be long: %v", err)
	}
}

func FuzzControl(f *testing.F) {
	f.Add(uint8(0), []byte(`{"id":1}`))
	for _, m := range messages {
		f.Add(uint8(len(control)), unhex(m))
		f.Add(uint8(len(control)+1), append(unhex(m), unhex(newPing)...))
	}
	for i, r := range control {
		data, err := json.Marshal(r.content)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), data)
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		r := conntrackRecord(capture.KindEvent, data)
		if int(which) < len(control) {
			r.Origin, r.Kind = control[which].origin, control[which].kind
		} else if which%2 == 1 {
			r.Kind = capture.KindDump
		}
		events, err := decode.Control(r)
		if errors.Is(err, decode.ErrUnknown) {
			t.Errorf("a known record is called unknown: %v", err)
		}
		for _, e := range events {
			if c, ok := e.(*decode.Conntrack); ok && (c.Orig == decode.Tuple{} || c.Reply == decode.Tuple{}) {
				t.Errorf("an entry without tuples: %+v", c)
			}
		}
	})
}
