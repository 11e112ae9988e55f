package decode

import (
	"encoding/binary"
	"testing"
)

func TestSynproxyReadsAsNftListsIt(t *testing.T) {
	for _, c := range []struct {
		e    SynproxyExpr
		want string
	}{
		{SynproxyExpr{}, "synproxy"},
		{SynproxyExpr{MSS: 1460, WScale: 7, Flags: SynproxyMSS | SynproxyWScale}, "synproxy mss 1460 wscale 7"},
		{SynproxyExpr{MSS: 9, Flags: SynproxyTimestamp | SynproxySACK}, "synproxy timestamp sack-perm"},
	} {
		if got := c.e.Text(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if does, why := c.e.Fate(); does != EffectAny || why == "" {
			t.Errorf("%s does %v to a packet: %q", c.want, does, why)
		}
	}
}

// TestSynproxyIsRead: NFTA_EXPR_NAME and NFTA_EXPR_DATA as the kernel writes them.
func TestSynproxyIsRead(t *testing.T) {
	attr := func(kind uint16, v ...byte) []byte {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(v)))
		b = append(binary.NativeEndian.AppendUint16(b, kind), v...)
		return append(b, make([]byte, (4-len(b)%4)%4)...)
	}
	data := append(append(attr(1, 0x05, 0xb4), attr(2, 7)...), attr(3, 0, 0, 0, 0x0b)...)
	b := append(attr(1, []byte("synproxy\x00")...), attr(2|0x8000, data...)...)
	got, err := message{order: binary.NativeEndian}.expr(b)
	if err != nil || got != (Expr)(SynproxyExpr{MSS: 1460, WScale: 7, Flags: SynproxyMSS | SynproxyWScale | SynproxyTimestamp}) {
		t.Errorf("got %+v, %v", got, err)
	}
}
