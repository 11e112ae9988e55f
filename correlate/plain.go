package correlate

import (
	"net/netip"
	"time"

	"dnatrace/decode"
)

// Plain is a request that was translated and delivered, in as few words as may do
// for who counts: nothing of it has to be laid out.
type Plain struct {
	Protocol  decode.Proto
	Client    netip.AddrPort
	Requested netip.AddrPort
	Last      time.Time // of its last try
	Timing    Timing
	Opening   Opening
}

// told tells of a request in few words, and reports whether they suffice.
func (t *Tracker) told(r *reqRecord) bool {
	first := t.legs.slab.at(r.client)
	c, l := first.tuple, t.legs.slab.at(r.last).tuple
	if c.Dst == l.Dst && c.DstPort == l.DstPort {
		return false // whose address it is would have to be looked up
	}
	return t.journal.onPlain(Plain{
		Protocol: c.Proto, Client: netip.AddrPortFrom(c.Src.Addr(), c.SrcPort), Requested: netip.AddrPortFrom(c.Dst.Addr(), c.DstPort),
		Last: unix(r.lastNew), Timing: timingOf(r), Opening: openingOf(first, r.opened),
	})
}
