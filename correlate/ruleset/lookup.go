package ruleset

import (
	"strings"

	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// Lookup is what a rule that matched asked a set: one of ipset, or a named one of
// nf_tables.
type Lookup struct {
	IPSet bool
	// Table is the table of nf_tables that the set is in, with its family: "ip
	// filter". Valid iff not IPSet.
	Table string
	Set   string // name: of a list of sets, that of the one that had the packet
	List  string // the list that Set is a member of; "" for none
	// Entry is the entry that decided, as ipset or nft takes it; "" if none did.
	Entry   string
	NoMatch bool   // the entry takes the packet out of the set
	Timeout uint32 // seconds that the entry had left when it was read; 0: it stays
	// Also are the entries of ipsets that decide the same when Entry is gone, in
	// order.
	Also []Lookup
	// Stays says that the rule matches all the same when all of these are gone.
	Stays bool
	// Lacks is the entry that the packet would be in the set with, as ipset or nft
	// takes it; "" if there is one, or it cannot be told. With an Entry, that
	// one is an exception, which is no less one when it is gone.
	Lacks string
	// Passing says that what Lacks names goes away by itself when it is added,
	// unless ipset is told that it is to stay.
	Passing bool
	Not     bool           // the rule is about what is not in the set
	Owner   programs.Owner // of an ipset by its name, of another by its table's; "" if that does not tell
}

// lookedUp is a lookup before it is put into words, which few are.
type lookedUp struct {
	not bool

	ipset *ipset // nil for a set of nf_tables
	found membership
	also  []membership // that decide when found is gone
	stays bool         // it matches without all of them
	lacks string

	expr    decode.LookupExpr
	set     *decode.NamedSet
	element *decode.Element // nil for none
	key     []byte
}

// lookups puts what a rule asked into words.
func (s *Set) lookups(r *decode.Rule, asked []lookedUp) []Lookup {
	var out []Lookup
	for _, a := range asked {
		if a.ipset != nil {
			out = append(out, a.inIPSet())
		} else if l, ok := s.inNFT(r, a); ok {
			out = append(out, l)
		}
	}
	return out
}

func (a *lookedUp) inIPSet() Lookup {
	l := a.byEntry(a.found)
	l.Lacks, l.Stays = a.lacks, a.stays
	l.Passing = a.lacks != "" && a.ipset.Timeouts
	for _, m := range a.also {
		l.Also = append(l.Also, a.byEntry(m))
	}
	return l
}

// byEntry tells of one entry, if there is one.
func (a *lookedUp) byEntry(m membership) Lookup {
	l := Lookup{IPSet: true, Set: a.ipset.Name, Not: a.not, Owner: programs.OfSet(a.ipset.Name)}
	if m.entry == nil {
		return l
	}
	if m.of.Name != l.Set {
		l.Set, l.List = m.of.Name, l.Set
	}
	l.Entry, l.NoMatch, l.Timeout = m.of.entryText(m.entry), m.entry.NoMatch, m.entry.Timeout
	return l
}

// inNFT tells of a named set. What is in a set without a name is part of its
// rule.
func (s *Set) inNFT(r *decode.Rule, a lookedUp) (Lookup, bool) {
	if a.set.Flags&(decode.SetAnonymous|decode.SetMap) != 0 {
		return Lookup{}, false
	}
	l := Lookup{Table: r.Family.String() + " " + r.Table, Set: a.set.Name, Not: a.not, Owner: programs.OfTable(r.Table)}
	key := interval{from: a.key, to: a.key, element: &decode.Element{}}
	if a.element == nil {
		l.Lacks = s.elementText(r, a.expr, key)
		return l, l.Lacks != ""
	}
	for _, iv := range intervals(a.set) {
		if iv.element == a.element {
			key = iv
		}
	}
	l.Entry = s.elementText(r, a.expr, key)
	return l, l.Entry != ""
}

// elementText writes an element by what the rule looks up in its set; "" if that
// is not known.
func (s *Set) elementText(r *decode.Rule, x decode.LookupExpr, iv interval) string {
	for _, c := range s.read(r) {
		if e, ok := c.stmt.(decode.LookupExpr); !ok || e != x || c.kind != lookupClause {
			continue
		}
		w := nftWriter{order: s.rules.Order(), family: r.Family}
		kinds := make([]kind, len(c.left))
		for i, o := range c.left {
			_, kinds[i] = w.operand(o)
		}
		if t := w.interval(kinds, c.left, iv); !strings.Contains(t, "0x") {
			return t
		}
	}
	return ""
}

// Lookups are what a rule asked named sets about a packet that it is known to
// have matched: nil if it asked none, or if it cannot be told.
func (s *Set) Lookups(f decode.Family, table, chain string, handle uint64, p Packet) []Lookup {
	c := s.chains[chainKey{tableKey{f, table, false}, chain}]
	if c == nil {
		return nil
	}
	for _, r := range c.rules {
		if r.Handle != handle {
			continue
		}
		m := newMachine(s, p, nil)
		m.iif, m.iifIndex, m.hasIIF = p.IIF, p.IIFIndex, true
		m.oif, m.oifIndex, m.hasOIF = p.OIF, p.OIFIndex, true
		m.root = c
		if _, matched := m.rules(c, r); !matched {
			return nil
		}
		return s.lookups(r, m.lookups)
	}
	return nil
}
