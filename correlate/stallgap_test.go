package correlate

import (
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/decode"
)

// Years pass between two packets of a file that was put together from several:
// an answer that nobody acknowledged is not looked after all that time.
func TestYearsWithoutPacketsCostNothing(t *testing.T) {
	tr := New(Config{})
	tr.Event(&decode.Point{Point: capture.Point{Name: "eth0", Netns: capture.HostNetns, Role: capture.RoleNIC}})
	to := decode.Tuple{Src: decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 100}, Dst: decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 1}, SrcPort: 50110, DstPort: 8080, Proto: decode.TCP}
	packet := func(at time.Duration, tuple decode.Tuple, flags decode.TCPFlags, seq, ack, payload uint32) decode.Packet {
		return decode.Packet{Time: int64(at) + 1e18, Tuple: tuple, Kind: decode.Segment, Flags: flags, Seq: seq, Ack: ack, Payload: payload, Window: 512}
	}
	const year = 365 * 24 * time.Hour
	b := decode.Batch{Packets: []decode.Packet{
		packet(0, to, decode.SYN, 1, 0, 0),
		packet(1, to.Reverse(), decode.SYN|decode.ACK, 100, 2, 0),
		packet(2, to, decode.ACK, 2, 101, 0),
		packet(3, to, decode.ACK|decode.PSH, 2, 101, 10),
		packet(4, to.Reverse(), decode.ACK|decode.PSH, 101, 12, 20),
		packet(20*year, to, decode.ACK|decode.PSH, 9000, 101, 10),
	}}
	done := make(chan *Document)
	go func() {
		tr.Packets(&b)
		done <- tr.Finish()
	}()
	select {
	case d := <-done:
		if d.Summary.Delivered == 0 {
			t.Errorf("got %v", d.Summary)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still at it after ten seconds")
	}
}
