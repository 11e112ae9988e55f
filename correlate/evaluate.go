package correlate

import (
	"strconv"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate/known"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// evaluated asks the recorded rules what they do with a request's packet, where
// the kernel's own trace is not in evidence. Only a rule that decides with
// certainty, and was there when the packet came, counts; it is inferred all the same.
func (p *path) evaluated(w way, inner bool) (filtering, bool) {
	f := filtering{at: p.r.opened, way: w}
	was, out, ok := p.ruledThroughout(w, inner)
	until := p.now
	if !ok {
		d := p.lastDrop(w, inner)
		if d == nil || d.Reason != netfilterDrop {
			return filtering{}, false
		}
		f.at, until = d.At, p.rulesReadAfter(d.At, inner)
		if out, ok = p.ruledAbout(w, inner, d.At, until); !ok {
			return filtering{}, false
		}
		was = out
	}
	f.stage, f.to = out.Stage, out.Tuple
	f.hit = RuleHit{Kind: "rule", Table: out.Rule.Table, Chain: out.Rule.Chain}
	if out.Rule.Policy {
		f.hit.Kind = "policy"
	}
	f.fill(*out.Rule)
	f.leaves, f.mark = out.OIF, out.Mark
	if out.Translation != nil {
		f.by = HitOf(*out.Translation)
	}
	f.lookups = out.Lookups()
	f.reject = out.Verdict == ruleset.Rejected
	if r := p.unheard(out, until); r != nil && !inner {
		f.unheard = HitOf(*r)
	}
	f.moved = p.counted(was.Rule, out.Rule)
	f.proven = f.moved != nil
	if set := p.t.world.ruleset(p.netns(inner), until); set != nil {
		f.mixed = set.Mixed()
	}
	return f, true
}

// ruledThroughout is what the rules do with a packet, as they were when the request
// came and as they are now: the same one has to stop it.
func (p *path) ruledThroughout(w way, inner bool) (was, is ruleset.Outcome, ok bool) {
	if is, ok = p.evaluate(w, inner, p.now); !ok || !stops(is) {
		return was, is, false
	}
	was, ok = p.evaluate(w, inner, p.r.opened)
	return was, is, ok && stops(was) && sameRule(was.Rule, is.Rule)
}

// ruledAbout is what stopped a packet of which the kernel says that a rule dropped it:
// by the rules as they were read before, or as they were read next. If both have one
// that does, it has to be the same. A rule that only one of them has came in between,
// or went: no other was there.
func (p *path) ruledAbout(w way, inner bool, at, next int64) (ruleset.Outcome, bool) {
	before, ok := p.evaluate(w, inner, at)
	if !ok {
		return before, false
	}
	after, ok := p.evaluate(w, inner, next)
	if !ok || stops(before) && stops(after) && !sameRule(before.Rule, after.Rule) {
		return after, false
	}
	if stops(before) {
		return before, before.Verdict == ruleset.Dropped
	}
	return after, stops(after) && after.Verdict == ruleset.Dropped
}

// stops reports whether it is a rule, or a policy, that ends a packet's way.
func stops(out ruleset.Outcome) bool {
	return out.Rule != nil && (out.Verdict == ruleset.Dropped || out.Verdict == ruleset.Rejected)
}

func sameRule(a, b *ruleset.Rule) bool {
	return a.Text == b.Text && a.Chain == b.Chain && a.Table == b.Table
}

// rulesReadAfter is when the rules of a namespace were read next after a time, and had
// changed: Unix ns; now if they were not.
func (p *path) rulesReadAfter(at int64, inner bool) int64 {
	next := p.now
	for k, versions := range p.t.world.rules {
		if k.netns != p.netns(inner) {
			continue
		}
		if v := after(versions, at); v != nil {
			next = min(next, v.time)
		}
	}
	return next
}

// counted is the counter of a rule of iptables-legacy, which cannot be traced,
// before and after, if it rose by exactly the attempts of the request; else nil.
func (p *path) counted(was, is *ruleset.Rule) *[2]uint64 {
	if is.Backend != ruleset.Legacy || was.Counter == nil || is.Counter == nil || was.Number != is.Number ||
		is.Counter.Packets-was.Counter.Packets != uint64(max(1, p.r.attempts)) {
		return nil
	}
	return &[2]uint64{was.Counter.Packets, is.Counter.Packets}
}

// netns is the namespace whose rules are asked: the host's, or the container's.
func (p *path) netns(inner bool) string {
	if inner {
		return p.home
	}
	return capture.HostNetns
}

// evaluate follows a packet through the rules as they were at a time. False
// where that cannot be told: rules or state not in evidence, an outcome that
// depends on what is not known, or packets that are known to have got further.
func (p *path) evaluate(w way, inner bool, at int64) (ruleset.Outcome, bool) {
	netns := p.netns(inner)
	set, n := p.t.world.ruleset(netns, at), p.namespace(netns)
	through := !inner && w == request && p.gotThrough()
	if set == nil || !n.InEvidence() || through && (p.inside != nil || p.entered()) || p.rulesLack(netns) != "" {
		return ruleset.Outcome{}, false
	}
	packet, ok := p.packetFor(w, inner, n)
	if !ok {
		return ruleset.Outcome{}, false
	}
	out := set.Evaluate(packet)
	if through && !stoppedOnBridge(out) {
		return ruleset.Outcome{}, false
	}
	return out, out.Certain()
}

// stoppedOnBridge reports whether a bridge drops what has passed the rules of IP,
// on its way out.
func stoppedOnBridge(out ruleset.Outcome) bool {
	return out.Stage == stage.Bridge && out.Steps[len(out.Steps)-1].Leaving
}

// evaluatedTranslation is the rule that sends the request where it was seen to
// go, by the rules as they were when it came.
func (p *path) evaluatedTranslation() (RuleHit, bool) {
	to, hit, ok := p.ruledTranslation()
	if !ok || to.DstEnd() != p.translated() {
		return RuleHit{}, false
	}
	return hit, true
}

// ruledTranslation is where the rules, as they were when the request came, send
// it, and the rule that does. Only one that is certain counts.
func (p *path) ruledTranslation() (decode.Tuple, RuleHit, bool) {
	out, ok := p.ruled()
	if !ok || out.Translation == nil {
		return decode.Tuple{}, RuleHit{}, false
	}
	return out.Tuple, *HitOf(*out.Translation), true
}

// ruled is what the rules, as they were when the request came, do with it. False where
// that cannot be told.
func (p *path) ruled() (ruleset.Outcome, bool) {
	set, n := p.t.world.ruleset(capture.HostNetns, p.r.opened), p.namespace(capture.HostNetns)
	if set == nil || !n.InEvidence() || p.rulesLack(capture.HostNetns) != "" {
		return ruleset.Outcome{}, false
	}
	packet, ok := p.packetFor(request, false, n)
	if !ok {
		return ruleset.Outcome{}, false
	}
	out := set.Evaluate(packet)
	return out, out.Sure != ruleset.Unclear
}

// gotThrough reports whether the request is known to have passed the host's
// rules: it was seen behind them, or its entry was confirmed, which happens at
// their end (nf_conntrack_confirm).
func (p *path) gotThrough() bool {
	return p.inner != nil || p.inside != nil || p.x.conntrack != nil
}

// surelyPassed reports whether it is known that no rule of the host stopped the
// request.
func (p *path) surelyPassed() bool {
	if p.lastPassage(request, false) != nil || p.x.conntrack != nil {
		return true // a drop was found before
	}
	if p.rulesLack(capture.HostNetns) != "" {
		return false
	}
	if !p.t.world.hasRules(capture.HostNetns) {
		return true
	}
	out, ok := p.evaluate(request, false, p.now)
	return ok && out.Verdict == ruleset.Passed
}

// passed reports whether the kernel's trace, or the recorded rules, say that no
// rule of the host stopped the request.
func (p *path) passed() bool {
	if p.lastPassage(request, false) != nil {
		return true // a drop was found before
	}
	out, ok := p.evaluate(request, false, p.now)
	return ok && out.Verdict == ruleset.Passed
}

// packetFor is the packet that meets the rules of a namespace.
func (p *path) packetFor(w way, inner bool, n known.Namespace) (k ruleset.Packet, ok bool) {
	defer func() { p.t.world.terrain(n, &k) }()
	s := n.State()
	k = ruleset.Packet{Tuple: p.tuple, Age: p.age(p.netns(inner), p.now)}
	if p.tuple.Proto == decode.TCP {
		k.TCPFlags = byte(decode.SYN)
	}
	k.ICMP = echo(p.tuple.Proto, w)
	switch {
	case inner:
		k.Tuple, k.IIF = p.served().tuple, s.LinkWith(p.served().tuple.Dst.Addr())
		return k, k.IIF != ""
	case w == request:
		last := p.lastBefore()
		if !comesBy(&k, s, last) {
			return k, false
		}
		k.Sent = p.t.world.isHost(p.tuple.Src)
		oif, _ := n.Leaves(known.Lookup{Src: p.tuple.Src.Addr(), Dst: p.tuple.Dst.Addr(), IIF: k.IIF}).Get()
		bridged := !k.Sent && isBridge(s.LinkNamed(k.IIF)) && oif == k.IIF
		return k, last.Netns == capture.HostNetns && (named(last) || last.Role == capture.RoleNIC) && (!bridged || n.BridgesCallRules(familyOf(p.tuple.Dst.Is4())).Is() || !k.Above && !p.entered())
	}
	last := p.lastReply()
	if last == nil || last.at.Netns != capture.HostNetns || !named(last.at) {
		return k, false
	}
	k.Tuple, k.State = p.served().tuple.Reverse(), decode.CtEstablished
	placed := comesBy(&k, s, last.at)
	if bridge, _ := p.t.world.wayTo(p.home, p.served().tuple.Dst); bridge != "" && bridge != k.IIF {
		k.IIF, k.Port, k.Above, placed = bridge, ruleset.Port{}, true, true // seen behind it
	}
	if !placed {
		return k, false
	}
	if k.TCPFlags != 0 {
		k.TCPFlags |= byte(decode.ACK)
	}
	k.Flow = &ruleset.Flow{Orig: p.tuple, Reply: p.served().tuple.Reverse(), Status: decode.StatusSeenReply | decode.StatusConfirmed | decode.StatusDstNAT}
	return k, true
}

// named reports whether a point's name is that of its interface, which rules match. Of
// a capture of all interfaces the numbers alone may be known.
func named(pt *point) bool { return pt.Index == 0 || pt.Name != "if"+strconv.Itoa(pt.Index) }

// echo is the kind of an echo request or its reply (RFC 792, RFC 4443 §4), nil
// for other protocols.
func echo(proto decode.Proto, w way) *ruleset.ICMP {
	switch {
	case proto == decode.ICMP && w == request:
		return &ruleset.ICMP{Type: 8}
	case proto == decode.ICMP:
		return &ruleset.ICMP{}
	case proto == decode.ICMPv6 && w == request:
		return &ruleset.ICMP{Type: 128}
	case proto == decode.ICMPv6:
		return &ruleset.ICMP{Type: 129}
	}
	return nil
}

// lastBefore is the innermost interface of the host that saw the request before
// translation: a VLAN's, where its parent saw it first.
func (p *path) lastBefore() *point {
	at := p.clientPoint()
	for _, s := range p.going {
		if s.leg == p.client && s.at.Netns == capture.HostNetns {
			at = s.at
		}
	}
	return at
}

// lastReply is the last stop of the answer on its way out, before the client's own
// point, or nil.
func (p *path) lastReply() *stop {
	back := p.replies()
	if len(back) == 0 {
		return nil
	}
	return &back[len(back)-1]
}

// bridgeOf is the bridge that an interface is a port of, which rules of IP see
// in its stead, or the interface itself.
func bridgeOf(s *host.State, name string) string {
	if l := s.LinkNamed(name); l != nil && l.Master != 0 {
		return s.LinkName(l.Master)
	}
	return name
}

// comesBy has a packet come in where it was last seen: at a bridge, which rules
// of IP see in the stead of its ports, or at one of those. It is false where that is a
// container's door, and of which bridge is not in evidence.
func comesBy(k *ruleset.Packet, s *host.State, seen *point) bool {
	k.IIF = bridgeOf(s, seen.Name)
	if k.Above = k.IIF == seen.Name; k.Above {
		return seen.Role != capture.RoleVeth || s.LinkNamed(seen.Name) != nil
	}
	k.Port = ruleset.Port{Name: seen.Name, Index: uint32(s.LinkNamed(seen.Name).Index)}
	return true
}

func isBridge(l *host.Link) bool { return l != nil && l.Kind == "bridge" }
