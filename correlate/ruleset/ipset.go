package ruleset

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/decode"
)

// ipset is one set of the ipset subsystem, ready for looking up.
type ipset struct {
	*decode.IPSet
	parts   []string                 // of its entries, by its type: "ip", "net", "port", …
	byAddr  map[netip.Prefix][]int   // entries by their first address; nil if they have none
	lengths []int                    // prefix lengths of those, the longest first
	later   *ipset                   // the same set when it was read again; nil if it was not
	gone    bool                     // it was read again, and was not there
	adds    bool                     // a rule adds to it
	deletes bool                     // a rule deletes from it
	known   func(name string) *ipset // other sets of the same reading
}

// ipsets are the sets of a namespace.
type ipsets struct {
	byName  map[string]*ipset
	byIndex map[uint16]*ipset
}

func newIPSets(list []decode.IPSet) ipsets {
	s := ipsets{byName: map[string]*ipset{}, byIndex: map[uint16]*ipset{}}
	for i := range list {
		n := &ipset{IPSet: &list[i], known: func(name string) *ipset { return s.byName[name] }}
		_, parts, _ := strings.Cut(n.Type, ":")
		n.parts = strings.Split(parts, ",")
		n.index()
		s.byName[n.Name] = n
		if n.Indexed {
			s.byIndex[n.Index] = n
		}
	}
	return s
}

// index finds entries by their first address.
func (n *ipset) index() {
	if n.parts[0] != "ip" && n.parts[0] != "net" {
		return
	}
	n.byAddr = make(map[netip.Prefix][]int, len(n.Entries))
	for i := range n.Entries {
		p := n.Entries[i].Addr
		if a, why := n.cut(p.Addr(), 0); why == "" {
			p = netip.PrefixFrom(a, p.Bits())
		}
		n.byAddr[p] = append(n.byAddr[p], i)
		if !slices.Contains(n.lengths, p.Bits()) {
			n.lengths = append(n.lengths, p.Bits())
		}
	}
	slices.SortFunc(n.lengths, func(a, b int) int { return cmp.Compare(b, a) })
}

// linkIPSets makes the sets ready that rules refer to.
func (s *Set) linkIPSets() {
	s.ipsets = newIPSets(s.rules.IPSets)
	if s.rules.IPSetsAfter != nil {
		later := newIPSets(s.rules.IPSetsAfter)
		for name, n := range s.ipsets.byName {
			n.later = later.byName[name]
			// A set that was made anew is not the one that a rule asks by its number.
			n.gone = n.later == nil || n.Indexed && n.later.Indexed && n.Index != n.later.Index
		}
	}
	for i := range s.rules.Rules {
		for _, x := range s.rules.Rules[i].Exprs {
			if t, ok := x.(*decode.XTTarget); ok {
				s.changes(t)
			}
		}
	}
}

// changes notes which sets a target changes.
func (s *Set) changes(t *decode.XTTarget) {
	i, ok := t.Info.(decode.XTSetTarget)
	if !ok && t.Name == "SET" { // which it changes cannot be told
		for _, n := range s.ipsets.byName {
			n.adds, n.deletes = true, true
		}
	}
	if !ok {
		return
	}
	if n := s.ipset(i.Add); n != nil && i.Add.Dim > 0 {
		n.changed(func(n *ipset) { n.adds = true })
	}
	if n := s.ipset(i.Del); n != nil && i.Del.Dim > 0 {
		n.changed(func(n *ipset) { n.deletes = true })
	}
}

// changed marks what a target changes: of a list, its members
// (list_set_kadd in ip_set_list_set.c).
func (n *ipset) changed(mark func(*ipset)) {
	mark(n)
	if n.Type != "list:set" {
		return
	}
	for i := range n.Entries {
		if in := n.known(n.Entries[i].Set); in != nil {
			mark(in)
		}
	}
}

// ipset is the set that a rule refers to; nil if it is not known.
func (s *Set) ipset(r decode.IPSetRef) *ipset {
	if r.Name != "" {
		return s.ipsets.byName[r.Name]
	}
	return s.ipsets.byIndex[r.Index]
}

// ipsetName is the name of the set that a rule refers to; "" if it is not known.
func (s *Set) ipsetName(r decode.IPSetRef) string {
	if n := s.ipset(r); n != nil {
		return n.Name
	}
	return r.Name
}

// ends writes which ends of a packet are looked up.
func ends(r decode.IPSetRef) string {
	words := make([]string, r.Dim)
	for i := range words {
		words[i] = "dst"
		if r.Src&(2<<i) != 0 {
			words[i] = "src"
		}
	}
	return strings.Join(words, ",")
}
