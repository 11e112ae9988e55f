package ruleset

import (
	"fmt"
	"net/netip"
	"slices"

	"dnatrace/decode"
)

// membership is what a set says of a packet.
type membership struct {
	in      bool
	nomatch bool               // the deciding entry takes the packet out
	entry   *decode.IPSetEntry // that decided; nil if none did
	of      *ipset             // whose entry it is: a member of a list, maybe
	why     string             // why it is not known
}

func unknown(why string) membership { return membership{why: why} }

// matchSet looks the packet up in a set, as xt_set does.
func (e *evaluation) matchSet(i decode.XTSet) (match bool, why string) {
	n := e.set.ipset(i.IPSetRef)
	if n == nil {
		return false, e.set.noIPSet(i.IPSetRef)
	}
	m := e.member(n, i)
	if m.why != "" {
		return false, m.why
	}
	l := lookedUp{ipset: n, not: i.Not, found: m}
	if m.in != i.Not && !i.ReturnNoMatch {
		e.undo(&l, i)
	}
	e.lookups = append(e.lookups, l)
	return m.in != i.Not, ""
}

// noIPSet says why a set is not known.
func (s *Set) noIPSet(r decode.IPSetRef) string {
	switch {
	case s.rules.NoIPSets != "":
		return "ipset could not be read: " + s.rules.NoIPSets
	case r.Name != "":
		return "what is in ipset " + r.Name + " is not known"
	}
	return "what is in the ipset that it refers to is not known"
}

// member looks the packet up in a set as it was and, if it was read again, as it
// became: what no message tells of must be the same in both.
func (e *evaluation) member(n *ipset, i decode.XTSet) membership {
	m := e.memberThen(n, i, 0)
	if m.why != "" {
		return m
	}
	if n.gone {
		return unknown("ipset " + n.Name + " was deleted meanwhile")
	}
	if n.later == nil {
		return e.lasting(n, m)
	}
	after := e.memberThen(n.later, i, 0)
	if after.why != "" {
		return after
	}
	if after.in != m.in || after.nomatch != m.nomatch {
		return unknown("what is in ipset " + n.Name + " changed meanwhile")
	}
	if m.entry != nil && after.entry != nil && (after.of.Name != m.of.Name || after.of.entryText(after.entry) != m.of.entryText(m.entry)) {
		return after // the other entry is not there any more, or is not the one that decides
	}
	return m
}

// lasting doubts an entry that has gone away by itself since it was read.
func (e *evaluation) lasting(n *ipset, m membership) membership {
	if m.entry == nil || m.entry.Timeout == 0 || e.p.Age.Seconds() < float64(m.entry.Timeout) {
		return m
	}
	return unknown(fmt.Sprintf("%s in ipset %s may have gone by then: it had %d s left", m.of.entryText(m.entry), n.Name, m.entry.Timeout))
}

// memberThen looks the packet up in a set as it was read once (ip_set_test in
// net/netfilter/ipset/ip_set_core.c).
func (e *evaluation) memberThen(n *ipset, i decode.XTSet, depth int) membership {
	if i.Dim < len(n.parts) || n.Family != 0 && n.Family != e.family {
		return membership{of: n}
	}
	var m membership
	if n.Type == "list:set" {
		m = e.listed(n, i, depth)
	} else {
		m = e.find(n, i.IPSetRef)
		if i.Counted && m.entry != nil { // else a less specific one may have the packet
			return unknown("the counters of the entries of ipset " + n.Name + " decide")
		}
		if i.ReturnNoMatch && m.entry != nil && slices.Contains(n.parts, "net") {
			m.in = m.nomatch
		}
	}
	return e.steady(n, m)
}

// steady doubts what rules may have changed since the set was read.
func (e *evaluation) steady(n *ipset, m membership) membership {
	switch {
	case m.why != "":
	case n.Absent && n.Count > 0:
		return unknown(fmt.Sprintf("the %d entries of ipset %s were not recorded", n.Count, n.Name))
	case n.Absent:
		return unknown("the entries of ipset " + n.Name + " are not known")
	case n.deletes && m.entry != nil, n.adds && (!m.in || m.nomatch), (n.adds || n.deletes) && n.firstAlone():
		return unknown("rules change what is in ipset " + n.Name)
	}
	return m
}

// listed asks the sets of a list, one after the other, until one has the packet
// (list_set_ktest in ip_set_list_set.c).
func (e *evaluation) listed(n *ipset, i decode.XTSet, depth int) membership {
	if depth > 0 { // a list holds no lists
		return unknown("ipset " + n.Name + " is a list within a list")
	}
	for x := range n.Entries {
		in := n.known(n.Entries[x].Set)
		if in == nil {
			return unknown("what is in ipset " + n.Entries[x].Set + " is not known")
		}
		if m := e.memberThen(in, i, depth+1); m.why != "" || m.in {
			if t := n.Entries[x].Timeout; m.why == "" && t != 0 {
				return unknown("ipset " + in.Name + " is a member of " + n.Name + " for some time only")
			}
			return m
		}
	}
	return membership{of: n}
}

// find looks for the most specific entry that holds the packet.
func (e *evaluation) find(n *ipset, r decode.IPSetRef) membership {
	k, why, none := e.keyFor(n, r)
	switch {
	case none:
		return membership{of: n}
	case why != "":
		return unknown(why)
	}
	k.without = e.without
	best, maybe := -1, []int(nil)
	for i := range n.candidates(&k) {
		switch is, sure := n.holds(&n.Entries[i], &k); {
		case !is:
		case !sure:
			maybe = append(maybe, i)
		case best < 0 || n.moreSpecific(i, best):
			best = i
		case n.Entries[i].NoMatch != n.Entries[best].NoMatch && !n.moreSpecific(best, i):
			return unknown("two entries of ipset " + n.Name + " contradict each other")
		}
	}
	m := membership{of: n}
	if best >= 0 {
		m.entry = &n.Entries[best]
		m.nomatch = m.entry.NoMatch
		m.in = !m.nomatch
	}
	for _, i := range maybe {
		if best < 0 || n.Entries[i].NoMatch == m.in {
			return unknown(k.doubt())
		}
	}
	return m
}

// candidates are the entries that may hold a packet. Of hash:net,iface they are
// those of the most specific prefix alone, whatever interface they name: the
// kernel looks no further (mtype_test_cidrs in ip_set_hash_gen.h).
func (n *ipset) candidates(k *key) func(func(int) bool) {
	return func(yield func(int) bool) {
		if n.byAddr == nil {
			for i := range n.Entries {
				if !k.without[&n.Entries[i]] && !yield(i) {
					return
				}
			}
			return
		}
		for _, bits := range n.lengths {
			p, err := k.addr[0].Prefix(bits)
			if err != nil {
				continue
			}
			found := false
			for _, i := range n.byAddr[p] {
				if k.without[&n.Entries[i]] {
					continue
				}
				if found = true; !yield(i) {
					return
				}
			}
			if n.firstAlone() && found {
				return
			}
		}
	}
}

// firstAlone reports whether only entries of the most specific prefix are asked.
func (n *ipset) firstAlone() bool { return n.Type == "hash:net,iface" }

// moreSpecific reports whether entry a is asked ahead of entry b: by the prefix
// length of the first address, then of the second (ip_set_hash_gen.h).
func (n *ipset) moreSpecific(a, b int) bool {
	x, y := &n.Entries[a], &n.Entries[b]
	if x.Addr.Bits() != y.Addr.Bits() {
		return x.Addr.Bits() > y.Addr.Bits()
	}
	return x.Addr2.Bits() > y.Addr2.Bits()
}

// addressAt is an entry's first or second address, from 0.
func addressAt(x *decode.IPSetEntry, n int) netip.Prefix {
	if n == 1 {
		return x.Addr2
	}
	return x.Addr
}

// holds reports whether an entry holds a packet, and whether that is sure.
func (n *ipset) holds(x *decode.IPSetEntry, k *key) (is, sure bool) {
	sure = true
	addrs := 0
	for _, part := range n.parts {
		switch part {
		case "ip", "net":
			if !addressAt(x, addrs).Contains(k.addr[addrs]) {
				return false, true
			}
			addrs++
		case "port":
			if x.Port != k.port || n.Type != "bitmap:port" && x.Proto != k.proto {
				return false, true
			}
		case "mark":
			if x.Mark != k.mark {
				return false, true
			}
		case "mac":
			sure = sure && n.Type == "bitmap:ip,mac" && !x.HasMAC && k.unknown["mac"] == ""
		case "iface":
			if x.Physdev {
				sure = false
			} else if x.Iface != k.iface && !(x.Wildcard && len(k.iface) >= len(x.Iface) && k.iface[:len(x.Iface)] == x.Iface) {
				return false, true
			}
		}
	}
	return true, sure
}
