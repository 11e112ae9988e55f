package correlate

import (
	"testing"

	"dnatrace/capture"
	"dnatrace/decode"
)

// What hosts carry for each other's containers is evidence: whose request it is
// cannot be known where the container is not.
func TestAPacketInsideATunnelIsNoRequestByItself(t *testing.T) {
	for _, c := range []struct {
		name     string
		tunneled bool
		want     int
	}{{"a packet of its own is", false, 1}, {"inside a tunnel it is not", true, 0}} {
		tr := New(Config{})
		tr.Event(&decode.Point{Point: capture.Point{Name: "eth0", Netns: capture.HostNetns, Role: capture.RoleNIC}})
		tr.Packets(&decode.Batch{Packets: []decode.Packet{{
			Time: 1e18, Kind: decode.Segment, Flags: decode.SYN, Dir: capture.DirIn, Tunneled: c.tunneled,
			Tuple: decode.Tuple{Src: decode.IP{10: 0xff, 11: 0xff, 12: 10, 15: 5}, Dst: decode.IP{10: 0xff, 11: 0xff, 12: 10, 15: 6}, SrcPort: 50110, DstPort: 80, Proto: decode.TCP},
		}}})
		if got := tr.Finish().Summary.Open; got != c.want {
			t.Errorf("%s: %d requests", c.name, got)
		}
	}
}
