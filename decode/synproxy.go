package decode

import (
	"fmt"
	"strings"
)

func init() {
	readers["synproxy"] = func(a *attrs) Expr {
		return SynproxyExpr{MSS: a.uint16(1), WScale: a.uint8(2), Flags: a.uint32(3)}
	}
}

// SynproxyExpr has the kernel shake hands in the server's stead
// (NFTA_SYNPROXY_* in linux/netfilter/nf_tables.h).
type SynproxyExpr struct {
	MSS    uint16 // bytes; valid iff SynproxyMSS
	WScale uint8  // bits; valid iff SynproxyWScale
	Flags  uint32
}

// Flags of synproxy (NF_SYNPROXY_OPT_* in linux/netfilter/nf_SYNPROXY.h).
const (
	SynproxyMSS       = 0x01
	SynproxyWScale    = 0x02
	SynproxySACK      = 0x04
	SynproxyTimestamp = 0x08
)

func (SynproxyExpr) expr() {}

// Text is the statement as nft lists it.
func (e SynproxyExpr) Text() string {
	var b strings.Builder
	b.WriteString("synproxy")
	if e.Flags&SynproxyMSS != 0 {
		fmt.Fprintf(&b, " mss %d", e.MSS)
	}
	if e.Flags&SynproxyWScale != 0 {
		fmt.Fprintf(&b, " wscale %d", e.WScale)
	}
	if e.Flags&SynproxyTimestamp != 0 {
		b.WriteString(" timestamp")
	}
	if e.Flags&SynproxySACK != 0 {
		b.WriteString(" sack-perm")
	}
	return b.String()
}

// Fate is that the packet is answered here, and goes no further as it is.
func (SynproxyExpr) Fate() (Effect, string) {
	return EffectAny, "it is answered in the server's stead (synproxy)"
}
