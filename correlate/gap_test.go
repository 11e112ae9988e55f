package correlate_test

import (
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// TestTimeWithoutPacketsCostsNothing has a connection stand idle over a gap of a
// century, as one wrong timestamp makes. Were it looked at again and again, the
// test would not end.
func TestTimeWithoutPacketsCostsNothing(t *testing.T) {
	tr := correlate.New(correlate.Config{Keep: -1})
	tr.Event(&decode.Point{Point: capture.Point{Name: "eth0", Netns: capture.HostNetns, Role: capture.RoleNIC, Link: 1}})
	ask := decode.Tuple{Src: decode.IPFrom(addr("198.51.100.9")), Dst: decode.IPFrom(addr("198.51.100.1")), SrcPort: 4000, DstPort: 8080, Proto: decode.TCP}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	tr.Packets(&decode.Batch{Packets: []decode.Packet{
		{Time: start, Frame: 1, Kind: decode.Segment, Tuple: ask, Seq: 100, Flags: decode.SYN},
		{Time: start + 1e5, Frame: 2, Kind: decode.Segment, Tuple: ask.Reverse(), Seq: 500, Ack: 101, Flags: decode.SYN | decode.ACK},
		{Time: start + 2e5, Frame: 3, Kind: decode.Segment, Tuple: ask, Seq: 101, Ack: 501, Flags: decode.ACK},
	}})

	tr.Advance(start + int64(100*365*24*time.Hour))

	if d := tr.Finish(); d.Summary.Open != 1 || len(d.Requests) != 0 {
		t.Errorf("%+v with %d requests, want one open", d.Summary, len(d.Requests))
	}
}

func TestAClockThatGoesBackwardsMakesNoNegativeTimes(t *testing.T) {
	tr := correlate.New(correlate.Config{Keep: -1})
	tr.Event(&decode.Point{Point: capture.Point{Name: "eth0", Netns: capture.HostNetns, Role: capture.RoleNIC, Link: 1}})
	ask := decode.Tuple{Src: decode.IPFrom(addr("198.51.100.9")), Dst: decode.IPFrom(addr("198.51.100.1")), SrcPort: 4000, DstPort: 8080, Proto: decode.TCP}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	tr.Packets(&decode.Batch{Packets: []decode.Packet{
		{Time: start, Frame: 1, Kind: decode.Segment, Tuple: ask, Seq: 100, Flags: decode.SYN},
		{Time: start - 1e6, Frame: 2, Kind: decode.Segment, Tuple: ask.Reverse(), Seq: 500, Ack: 101, Flags: decode.SYN | decode.ACK},
		{Time: start - 2e6, Frame: 3, Kind: decode.Segment, Tuple: ask, Seq: 101, Ack: 501, Flags: decode.ACK},
		{Time: start - 3e6, Frame: 4, Kind: decode.Segment, Tuple: ask.Reverse(), Seq: 501, Ack: 101, Payload: 5, Flags: decode.ACK | decode.PSH},
	}})

	d := tr.Finish()
	if len(d.Requests) != 1 {
		t.Fatalf("%d requests, want one", len(d.Requests))
	}
	if got := d.Requests[0].Timing; got.Connect < 0 || got.FirstByte < 0 {
		t.Errorf("%+v", got)
	}
}

func TestASourceOfNoKnownStateIsAbsent(t *testing.T) {
	tr := correlate.New(correlate.Config{})
	tr.Event(&decode.Source{SourceState: capture.SourceState{Name: capture.OriginEngine, State: "o"}})
	for _, s := range tr.Finish().Recording.Sources {
		if s.Name == capture.OriginEngine && (s.State != capture.SourceAbsent || s.Why == "") {
			t.Errorf("%+v, want absent, and why", s)
		}
	}
}
