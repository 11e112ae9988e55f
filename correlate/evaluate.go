package correlate

import (
	"net/netip"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// evaluated asks the recorded rules what they do with a request's packet, where
// the kernel's own trace is not in evidence. Only what is certain counts, and
// it is inferred all the same: the rules were read before or after.
func (p *path) evaluated(w way, inner bool) (filtering, bool) {
	netns := capture.HostNetns
	if inner {
		netns = p.home
	}
	set, sample := p.t.world.ruleset(netns), p.t.world.host(netns)
	if set == nil || sample == nil {
		return filtering{}, false
	}
	packet, ok := p.packetFor(w, inner, sample)
	if !ok {
		return filtering{}, false
	}
	out := set.Evaluate(packet)
	if !out.Certain() || out.Rule == nil || out.Verdict != ruleset.Dropped && out.Verdict != ruleset.Rejected {
		return filtering{}, false
	}
	f := filtering{at: p.r.lastNew, stage: out.Stage, reject: out.Verdict == ruleset.Rejected}
	f.hit = RuleHit{Kind: "rule", Table: out.Rule.Table, Chain: out.Rule.Chain}
	if out.Rule.Policy {
		f.hit.Kind = "policy"
	}
	rejects := f.reject
	f.fill(*out.Rule)
	f.reject = rejects
	return f, true
}

// packetFor is the packet that meets the rules of a namespace.
func (p *path) packetFor(w way, inner bool, s *host.Sample) (ruleset.Packet, bool) {
	k := ruleset.Packet{Tuple: p.tuple, AddrType: ruleset.LocalAddrs(addresses(s)...), Route: routeNames(s)}
	if p.tuple.Proto == decode.TCP {
		k.TCPFlags = byte(decode.SYN)
	}
	switch {
	case inner:
		k.Tuple, k.IIF = p.served().tuple, linkOf(s, p.served().tuple.Dst.Addr())
		return k, k.IIF != ""
	case w == request:
		k.IIF = bridgeOf(s, p.clientPoint().Name)
		k.Sent = p.t.world.isHost(p.tuple.Src)
		return k, p.clientPoint().Netns == capture.HostNetns
	}
	last := p.lastReply()
	if last == nil || last.at.Netns != capture.HostNetns {
		return k, false
	}
	k.Tuple, k.IIF, k.State = p.served().tuple.Reverse(), last.at.Name, decode.CtEstablished
	if bridge, _ := p.t.world.wayTo(p.home, p.served().tuple.Dst); bridge != "" {
		k.IIF = bridge
	}
	if k.TCPFlags != 0 {
		k.TCPFlags |= byte(decode.ACK)
	}
	k.Flow = &ruleset.Flow{Orig: p.tuple, Reply: p.served().tuple.Reverse(), Status: decode.StatusSeenReply | decode.StatusConfirmed | decode.StatusDstNAT}
	return k, true
}

// lastReply is the last stop of the answer on its way out, or nil.
func (p *path) lastReply() *stop {
	if len(p.coming) == 0 {
		return nil
	}
	return &p.coming[len(p.coming)-1]
}

func addresses(s *host.Sample) []netip.Addr {
	var out []netip.Addr
	for _, a := range s.Addrs {
		out = append(out, a.Prefix.Addr())
	}
	return out
}

// linkOf names the interface that has an address.
func linkOf(s *host.Sample, ip netip.Addr) string {
	for _, a := range s.Addrs {
		if a.Prefix.Addr().Unmap() == ip {
			return linkName(s, a.Link)
		}
	}
	return ""
}

// bridgeOf is the bridge that an interface is a port of, which rules of IP see
// in its stead, or the interface itself.
func bridgeOf(s *host.Sample, name string) string {
	for i := range s.Links {
		if l := &s.Links[i]; l.Name == name && l.Master != 0 {
			return linkName(s, l.Master)
		}
	}
	return name
}

func linkName(s *host.Sample, index int) string {
	for i := range s.Links {
		if s.Links[i].Index == index {
			return s.Links[i].Name
		}
	}
	return ""
}

// routeNames looks up by which interface packets to an address leave.
func routeNames(s *host.Sample) func(netip.Addr) string {
	return func(ip netip.Addr) string {
		if r := routeTo(s, ip.Unmap()); r != nil {
			return linkName(s, r.Link)
		}
		return ""
	}
}
