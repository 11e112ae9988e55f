package ruleset

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// parseListing reads what `nft list ruleset` prints, with and without -a and -s,
// into the expressions that nft makes of it. What is not understood is in the
// rules as unknown.
func parseListing(text []byte) (*decode.Rules, error) {
	p := listParser{text: string(text), rules: &decode.Rules{}}
	c := &listCursor{tokens: listTokens(p.text)}
	for !c.done() {
		switch t := c.next(); {
		case t.kind == listWord && t.text == "table":
			p.table(c)
		case t.kind == listLine || t.kind == listComment || t.kind == listMark && t.text == ";":
		default:
			p.fail(t, "begins no table")
		}
	}
	return p.rules, p.bad
}

type listParser struct {
	text   string
	rules  *decode.Rules
	family decode.Family
	name   string // of the table
	sets   int    // without a name
	bad    error
}

func (p *listParser) fail(t listToken, what string) {
	if p.bad == nil {
		p.bad = fmt.Errorf("parse line %d of nft's list: %q %s", 1+strings.Count(p.text[:min(t.start, len(p.text))], "\n"), t.text, what)
	}
}

var listFamilies = map[string]decode.Family{
	"inet": decode.FamilyInet, "ip": decode.FamilyIPv4, "ip6": decode.FamilyIPv6,
	"arp": decode.FamilyARP, "bridge": decode.FamilyBridge, "netdev": decode.FamilyNetdev,
}

// table reads a table behind its first word.
func (p *listParser) table(c *listCursor) {
	head := c.peek(0)
	p.family = decode.FamilyIPv4
	if f, ok := listFamilies[head.text]; ok && c.peek(1).kind != listMark {
		p.family = f
		c.at++
	}
	p.name = c.next().text
	if !c.word("{") {
		p.fail(head, "is no table")
		return
	}
	p.rules.Tables = append(p.rules.Tables, decode.Table{Family: p.family, Name: p.name, Handle: c.handle()})
	at := len(p.rules.Tables) - 1
	inside := c.block()
	p.declare(&listCursor{tokens: inside.tokens})
	for !inside.done() {
		p.item(inside, at)
	}
}

// declare reads the sets ahead of the rules that name them.
func (p *listParser) declare(c *listCursor) {
	for !c.done() {
		switch t := c.next(); {
		case t.kind == listWord && (t.text == "set" || t.text == "map" || t.text == "meter") && c.peek(1).text == "{":
			p.set(t.text, c)
		case t.kind == listMark && t.text == "{":
			c.block()
		}
	}
}

// handle is the number in a comment "handle N" that comes next.
func (c *listCursor) handle() uint64 {
	if t := c.peek(0); t.kind == listComment {
		c.at++
		n, _ := handleIn(t)
		return n
	}
	return 0
}

// handleIn finds the handle in a comment of nft's. That of a table with an owner
// names the program, too: "handle 4 progname firewalld".
func handleIn(t listToken) (uint64, bool) {
	words := strings.Fields(t.text)
	if len(words) < 2 || words[0] != "handle" {
		return 0, false
	}
	n, err := strconv.ParseUint(words[1], 10, 64)
	return n, err == nil
}

// item reads one thing in a table.
func (p *listParser) item(c *listCursor, table int) {
	t := c.next()
	if t.kind != listWord {
		return
	}
	switch t.text {
	case "chain":
		p.chain(c)
		return
	case "set", "map", "meter": // read before
		for !c.done() && !c.word("{") {
			c.at++
		}
		c.block()
		return
	case "flags":
		s := c.statement()
		p.rules.Tables[table].Dormant = slices.ContainsFunc(s.tokens, func(t listToken) bool { return t.kind == listWord && strings.Contains(t.text, "dormant") })
		return
	case "comment":
		c.statement()
		return
	}
	p.named(t.text, c)
}

// named reads a stateful object or a flowtable.
func (p *listParser) named(kind string, c *listCursor) {
	if kind == "ct" {
		kind += " " + c.next().text
	}
	name := c.next().text
	if !c.word("{") {
		return
	}
	body := c.block()
	if kind == "flowtable" {
		p.rules.Flowtables = append(p.rules.Flowtables, decode.Flowtable{Family: p.family, Table: p.name, Name: name})
		return
	}
	number := map[string]uint32{"counter": 1, "quota": 2, "ct helper": 3, "limit": 4, "ct timeout": 7, "secmark": 8, "ct expectation": 9, "synproxy": 10}[kind]
	if number == 0 {
		p.fail(body.peek(0), "is in a "+kind+", which is not known")
	}
	p.rules.Objects = append(p.rules.Objects, decode.Object{Family: p.family, Table: p.name, Name: name, Type: number})
}

func (p *listParser) chain(c *listCursor) {
	chain := decode.Chain{Family: p.family, Table: p.name, Name: c.next().text}
	if !c.word("{") {
		p.fail(c.peek(0), "is no chain")
		return
	}
	chain.Handle = c.handle()
	at := len(p.rules.Chains)
	p.rules.Chains = append(p.rules.Chains, chain)
	inside := c.block()
	for !inside.done() {
		s := inside.statement()
		switch first := s.peek(0); {
		case s.done():
		case first.kind == listComment:
		case first.text == "type" && s.peek(2).text == "hook":
			p.hooked(&p.rules.Chains[at], s)
		case first.text == "policy":
			p.rules.Chains[at].Drop = s.peek(1).text == "drop"
		case first.text == "comment" && len(s.tokens) == 2, first.text == "flags" && len(s.tokens) == 2:
		default:
			p.rule(chain.Name, s)
		}
	}
}

// hooked reads type, hook and priority of a base chain.
func (p *listParser) hooked(c *decode.Chain, s *listCursor) {
	s.at = 1
	c.Base, c.Type = true, s.next().text
	s.at++
	name := s.next().text
	hook := slices.Index(hookNames[:], name)
	switch {
	case p.family == decode.FamilyNetdev:
		hook = map[string]int{"egress": 1}[name]
	case p.family == decode.FamilyARP:
		hook = map[string]int{"output": 1}[name]
	}
	if hook < 0 {
		p.fail(s.peek(0), "follows hook "+name+", which is not known")
		hook = 0
	}
	c.Hook = uint32(hook)
	for !s.done() {
		switch t := s.next(); t.text {
		case "device", "devices":
			c.Devices = devices(s)
		case "priority":
			c.Priority = p.priority(s)
		}
	}
}

// devices reads "eth0", or = { "eth0", "eth1" }.
func devices(s *listCursor) []string {
	var names []string
	s.word("=")
	if !s.word("{") {
		return append(names, s.next().text)
	}
	for b := s.block(); !b.done(); {
		if t := b.next(); t.kind != listMark {
			names = append(names, t.text)
		}
	}
	return names
}

var listPriorities = map[string]int32{"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}

var bridgePriorities = map[string]int32{"dstnat": -300, "filter": -200, "out": 100, "srcnat": 300}

// priority reads a number or a name, and what is added to it.
func (p *listParser) priority(s *listCursor) int32 {
	t := s.next()
	names := listPriorities
	if p.family == decode.FamilyBridge {
		names = bridgePriorities
	}
	base, named := names[t.text]
	if !named {
		n, err := strconv.ParseInt(t.text, 10, 32)
		if err != nil {
			p.fail(t, "is no priority")
		}
		return int32(n)
	}
	sign := int32(1)
	switch {
	case s.word("-"):
		sign = -1
	case !s.word("+"):
		return base
	}
	n, _ := strconv.ParseInt(s.next().text, 10, 32)
	return base + sign*int32(n)
}

// iptables reports whether the table has the name of one of iptables' own.
func (p *listParser) iptables() bool {
	_, known := iptablesTables[p.name]
	return known && (p.family == decode.FamilyIPv4 || p.family == decode.FamilyIPv6)
}
