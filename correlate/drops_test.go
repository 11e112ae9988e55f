package correlate

import (
	"testing"

	"dnatrace/decode"
)

func TestAnOlderHalfOfDropsIsLetGo(t *testing.T) {
	k := New(Config{})
	for i := range dropsKept {
		k.dropped(&decode.Drop{Time: int64(i), At: int64(i), Netns: "host", Quote: decode.Quote{
			Ports: true, Tuple: decode.Tuple{Proto: decode.TCP, SrcPort: uint16(i), DstPort: uint16(i), Src: decode.IP{1}, Dst: decode.IP{2}}}})
		if k.drops.Len() > dropsKept {
			t.Fatalf("%d ends of drops are kept", k.drops.Len())
		}
	}
	last := dropEnd{decode.IP{1}, dropsKept - 1, decode.TCP, request, "host"}
	if k.drops.Get(last) == nil {
		t.Error("the latest drop was let go of")
	}
}
