package correlate

import (
	"fmt"
	"net/netip"

	"dnatrace/capture"
	"dnatrace/correlate/known"
	"dnatrace/decode"
)

// reversePath says that what comes from an address at a link is filtered.
func reversePath(src netip.Addr, in string, how known.Strictness) finding {
	if how == known.Loose {
		return finding{cause: CauseReversePathFilter,
			why: fmt.Sprintf("The host has no way back to %s, and reverse path filtering at %s drops what comes from where none leads.", src, in),
			fix: []string{fmt.Sprintf("ip route add %s/%d via GATEWAY", src, src.BitLen())}}
	}
	return finding{cause: CauseReversePathFilter,
		why: fmt.Sprintf("The host's way back to %s is not through %s, and strict reverse path filtering drops such packets.", src, in),
		fix: []string{fmt.Sprintf("sysctl -w net.ipv4.conf.%s.rp_filter=2", in)}}
}

// checkedAway reports whether the check of the reverse path keeps packets from src
// to dst out at a point, and its counter moved.
func (p *path) checkedAway(in *point, src, dst decode.IP) bool {
	check := p.onHost().ReversePath(in.Name, src.Addr(), dst.Addr())
	if _, ok := check.Get(); !ok {
		p.lack(check.Why())
		return false
	}
	now, old := p.latestHost(), p.earlierHost()
	if now.Undated {
		return true
	}
	return old != nil && now.Counters["TcpExt.IPReversePathFilter"] >= old.Counters["TcpExt.IPReversePathFilter"]+uint64(p.r.attempts)
}

// reversePathAt says that the check at a point drops the request.
func (p *path) reversePathAt(in *point) finding {
	how, _ := p.onHost().Checks(in.Name).Get()
	return reversePath(p.tuple.Src.Addr(), in.Name, how)
}

// strictFact is what checkedAway rests on: of a dump, no counters.
func (p *path) strictFact(link string) string {
	if s := p.sampleThen(capture.HostNetns); s.Undated {
		return fmt.Sprintf("rp_filter is strict at %s, and the way back is another", link)
	}
	return fmt.Sprintf("rp_filter is strict at %s, and IPReversePathFilter grew meanwhile", link)
}
