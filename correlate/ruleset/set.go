// Package ruleset knows what the packet-filter rules of one namespace say: each
// rule's text as its owner would write it, whose rule it is, and what becomes
// of a packet that meets them.
//
// It is pure: rules come from decode or as text, packets from the caller. It must
// not import anything that acts; of capture only the words in capture/rules.
package ruleset

import (
	"cmp"
	"strings"

	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// Set is the rules of one namespace at one time. It is not changed once made,
// and safe for concurrent use.
type Set struct {
	rules   *decode.Rules
	chains  map[chainKey]*chain
	tables  map[tableKey]*table
	sets    map[chainKey]*decode.NamedSet // by name
	hooks   map[hookKey][]*chain          // base chains in the order in which they are called
	numbers map[*decode.Rule]int          // position in its chain, from 1
	swapped *Set                          // the same with legacy tables ahead of nf_tables' of the same priority; nil if there are none such
	ipsets  ipsets
	bridge  string // a table that may drop frames; "" for none
}

type tableKey struct {
	family decode.Family
	name   string
	legacy bool
}

type chainKey struct {
	table tableKey
	name  string
}

type hookKey struct {
	family decode.Family // never inet: its chains are of both
	hook   uint32
}

// table is one table and who made it.
type table struct {
	decode.Table
	iptables bool // it has the shape of iptables' own
	docker   bool // the engine's chains are in it
	owner    programs.Owner
}

// chain is one chain with its rules in order.
type chain struct {
	decode.Chain
	table *table
	rules []*decode.Rule
}

// Backend is what wrote a rule, in the words of the JSON document.
type Backend string

// Backends.
const (
	NFT      Backend = "nft"
	Iptables Backend = "iptables-nft"
	Legacy   Backend = "iptables-legacy" // of IPv6, too
)

// Rule is one rule or policy, as a report names it.
type Rule struct {
	Policy  bool // the base chain's policy, not a rule
	Drop    bool // valid iff Policy
	Backend Backend
	Family  decode.Family
	Table   string // with its family: "ip filter"
	Chain   string
	Handle  uint64 // of the policy's chain, iff Policy; 0 if it is not known, and of legacy tables
	Number  int    // the rule's position in its chain, from 1; 0 iff Policy
	Text    string // without counters
	Comment string // "" for none
	Reject  bool   // it tells the sender
	Owner   programs.Owner
	Counter *decode.Counter // nil if it counts nothing
}

// New makes a set of what was decoded, which must not be changed afterwards.
func New(r *decode.Rules) *Set {
	s := &Set{
		rules:   r,
		chains:  map[chainKey]*chain{},
		tables:  map[tableKey]*table{},
		sets:    map[chainKey]*decode.NamedSet{},
		hooks:   map[hookKey][]*chain{},
		numbers: map[*decode.Rule]int{},
	}
	for i := range r.Tables {
		t := &r.Tables[i]
		s.tables[tableKey{t.Family, t.Name, t.Legacy}] = &table{Table: *t}
	}
	for i := range r.Sets {
		n := &r.Sets[i]
		s.sets[chainKey{tableKey{n.Family, n.Table, false}, n.Name}] = n
	}
	s.link()
	s.linkIPSets()
	for k, t := range s.tables {
		t.iptables = s.isIptables(k)
		t.docker = s.hasDocker(k)
		t.owner = programs.OfTable(k.name)
	}
	s.order(false)
	s.bridge = s.bridgeTable()
	s.swap()
	return s
}

// link puts chains into their tables and rules into their chains.
func (s *Set) link() {
	for i := range s.rules.Chains {
		c := &chain{Chain: s.rules.Chains[i]}
		c.table = s.tableOf(tableKey{c.Family, c.Chain.Table, c.Legacy})
		s.chains[chainKey{tableKey{c.Family, c.Chain.Table, c.Legacy}, c.Name}] = c
	}
	for i := range s.rules.Rules {
		r := &s.rules.Rules[i]
		k := chainKey{tableKey{r.Family, r.Table, r.Legacy}, r.Chain}
		c := s.chains[k]
		if c == nil { // a torn dump
			c = &chain{Chain: decode.Chain{Family: r.Family, Table: r.Table, Name: r.Chain, Legacy: r.Legacy}, table: s.tableOf(k.table)}
			s.chains[k] = c
		}
		c.rules = append(c.rules, r)
		s.numbers[r] = len(c.rules)
	}
}

func (s *Set) tableOf(k tableKey) *table {
	t := s.tables[k]
	if t == nil {
		t = &table{Table: decode.Table{Family: k.family, Name: k.name, Legacy: k.legacy}}
		s.tables[k] = t
	}
	return t
}

// Rule returns the rule with that handle. The family is that of its table, the
// table's name without it.
func (s *Set) Rule(f decode.Family, table, chain string, handle uint64) (Rule, bool) {
	c := s.chains[chainKey{tableKey{f, table, false}, chain}]
	if c == nil {
		return Rule{}, false
	}
	for _, r := range c.rules {
		if r.Handle == handle {
			return s.describe(c, r), true
		}
	}
	return Rule{}, false
}

// Policy returns the policy of a base chain.
func (s *Set) Policy(f decode.Family, table, chain string) (Rule, bool) {
	c := s.chains[chainKey{tableKey{f, table, false}, chain}]
	if c == nil || !c.Base {
		return Rule{}, false
	}
	return s.policy(c), true
}

// Mixed reports whether iptables-legacy and nf_tables both have rules.
func (s *Set) Mixed() bool {
	legacy, nft := false, false
	for i := range s.rules.Rules {
		legacy = legacy || s.rules.Rules[i].Legacy
		nft = nft || !s.rules.Rules[i].Legacy
	}
	return legacy && nft
}

// Rules returns every rule of the set, in the order of the dump.
func (s *Set) Rules() []Rule {
	var all []Rule
	for i := range s.rules.Rules {
		r := &s.rules.Rules[i]
		all = append(all, s.describe(s.chains[chainKey{tableKey{r.Family, r.Table, r.Legacy}, r.Chain}], r))
	}
	return all
}

func (s *Set) describe(c *chain, r *decode.Rule) Rule {
	d := Rule{
		Family:  r.Family,
		Table:   r.Family.String() + " " + r.Table,
		Chain:   r.Chain,
		Handle:  r.Handle,
		Comment: r.Comment,
	}
	for _, e := range r.Exprs {
		switch e := e.(type) {
		case decode.CounterExpr:
			counter := e.Counter
			d.Counter = &counter
		case *decode.XTMatch:
			if info, ok := e.Info.(decode.XTComment); ok {
				d.Comment = info.Text
			}
		case *decode.XTTarget:
			d.Reject = d.Reject || e.Name == "REJECT"
		case decode.RejectExpr:
			d.Reject = true
		}
	}
	d.Number = s.numbers[r]
	d.Backend, d.Text = s.written(c, r)
	d.Owner = cmp.Or(s.ownerBySet(r), ruleOwner(c, r, d))
	return d
}

// written is a rule as its owner would write it.
func (s *Set) written(c *chain, r *decode.Rule) (backend Backend, text string) {
	if strings.HasPrefix(r.Text, "-A ") {
		if c.table.Legacy {
			return Legacy, r.Text
		}
		return Iptables, r.Text
	}
	if backend, text = s.render(c, r); backend == NFT && r.Text != "" {
		return NFT, r.Text
	}
	return backend, text
}

// render writes a rule from its expressions.
func (s *Set) render(c *chain, r *decode.Rule) (backend Backend, text string) {
	clauses := s.read(r)
	if c.table.iptables {
		if text, ok := s.iptablesText(r, clauses); ok {
			return c.table.backend(), text
		}
	}
	return NFT, s.nftText(r, clauses)
}

// backend is whose table it is.
func (t *table) backend() Backend {
	switch {
	case t.Legacy:
		return Legacy
	case t.iptables:
		return Iptables
	}
	return NFT
}

func (s *Set) policy(c *chain) Rule {
	d := Rule{
		Policy:  true,
		Drop:    c.Drop,
		Backend: c.table.backend(),
		Family:  c.Family,
		Table:   c.Family.String() + " " + c.Chain.Table,
		Chain:   c.Name,
		Handle:  c.Handle,
		Counter: c.Counter,
	}
	word := "accept"
	if c.Drop {
		word = "drop"
	}
	d.Text = "type " + c.Type + " hook " + hookName(c.Family, c.Hook) + " priority " + priorityName(c.Family, c.Hook, c.Priority) + "; policy " + word + ";"
	if c.table.iptables {
		d.Text = "-P " + c.Name + " " + strings.ToUpper(word)
	}
	d.Owner = policyOwner(c)
	return d
}
