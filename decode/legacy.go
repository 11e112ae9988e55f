package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Layout of struct ipt_getinfo, ipt_get_entries, ipt_entry and their IPv6 twins
// on 64-bit machines (linux/netfilter_ipv4/ip_tables.h,
// linux/netfilter_ipv6/ip6_tables.h, linux/netfilter/x_tables.h).
const (
	xtTableName   = 32
	legacyInfo    = xtTableName + 13*4
	legacyHeader  = legacyInfo + 40 // ipt_get_entries before its entries
	legacyHooks   = 5
	xtExtHeader   = 32 // struct xt_entry_match, struct xt_entry_target
	xtErrorTarget = "ERROR"
)

// legacyLayout is where the parts of an entry lie.
type legacyLayout struct {
	addr                        int // bytes of an address
	proto, flags, invert        int
	targetOffset, counter, size int
	gotoFlag, knownFlags        byte
}

var (
	legacyIPv4 = legacyLayout{addr: 4, proto: 80, flags: 82, invert: 83, targetOffset: 88, counter: 96, size: 112, gotoFlag: 0x02, knownFlags: 0x02}
	legacyIPv6 = legacyLayout{addr: 16, proto: 128, flags: 131, invert: 132, targetOffset: 140, counter: 152, size: 168, gotoFlag: 0x04, knownFlags: 0x05}
)

// Bits of invflags.
const (
	legacyNotIn    = 0x01
	legacyNotOut   = 0x02
	legacyNotSrc   = 0x08
	legacyNotDst   = 0x10
	legacyNotProto = 0x40
)

// ParseLegacy reads one table of ip_tables or ip6_tables as rules.Ruleset of the
// back ends iptables-legacy and ip6tables-legacy holds it. With an error there may
// still be rules: those ahead of the damage. The result keeps references to data.
func ParseLegacy(data []byte, f Family) (*Rules, error) {
	if len(data) < legacyHeader {
		return &Rules{}, fmt.Errorf("decode iptables-legacy table: %d bytes: %w", len(data), errCut)
	}
	p := legacyParser{family: f, layout: legacyIPv4, order: binary.LittleEndian, entries: data[legacyHeader:]}
	if f == FamilyIPv6 {
		p.layout = legacyIPv6
	}
	if size := data[legacyInfo-4 : legacyInfo]; binary.BigEndian.Uint32(size) == uint32(len(p.entries)) {
		p.order = binary.BigEndian
	}
	p.info(data[:legacyInfo])
	p.rules = &Rules{
		BigEndian: p.order == binary.ByteOrder(binary.BigEndian),
		Tables:    []Table{{Family: f, Name: p.table, Legacy: true}},
	}
	p.index()
	p.read()
	if p.bad != nil {
		p.bad = fmt.Errorf("decode iptables-legacy table %s: %w", p.table, p.bad)
	}
	return p.rules, p.bad
}

type legacyParser struct {
	family    Family
	layout    legacyLayout
	order     binary.ByteOrder
	table     string
	hooks     [legacyHooks]bool
	first     [legacyHooks]int // offsets of the built-in chains' first rules
	policy    [legacyHooks]int // and of their policies
	entries   []byte
	offsets   []int          // of all entries
	heads     map[int]string // chains of users, by the offset of their first rule
	rules     *Rules
	chain     string
	bad       error
	underflow bool // the chain's policy was passed
}

func (p *legacyParser) info(b []byte) {
	p.table = text(b[:xtTableName])
	valid := p.order.Uint32(b[xtTableName:])
	for h := range legacyHooks {
		p.hooks[h] = valid&(1<<h) != 0
		p.first[h] = int(p.order.Uint32(b[xtTableName+4+4*h:]))
		p.policy[h] = int(p.order.Uint32(b[xtTableName+24+4*h:]))
	}
}

// entry is one rule in its table's blob.
type legacyEntry struct {
	b      []byte // the whole entry
	target []byte // struct xt_entry_target and its data
	name   string // of the target
}

func (p *legacyParser) entry(at int) (e legacyEntry, err error) {
	l := p.layout
	if at < 0 || at+l.size > len(p.entries) {
		return e, fmt.Errorf("entry at %d: %w", at, errCut)
	}
	b := p.entries[at:]
	next, target := int(p.order.Uint16(b[l.targetOffset+2:])), int(p.order.Uint16(b[l.targetOffset:]))
	if next > len(b) || target < l.size || target+xtExtHeader > next {
		return e, fmt.Errorf("entry at %d: %w", at, errCut)
	}
	e.b, e.target = b[:next], b[target:next]
	e.name = text(e.target[2:31])
	return e, nil
}

// index finds where entries and chains of users begin.
func (p *legacyParser) index() {
	p.heads = map[int]string{}
	for at := 0; at < len(p.entries); {
		e, err := p.entry(at)
		if err != nil {
			p.bad = err
			return
		}
		p.offsets = append(p.offsets, at)
		at += len(e.b)
		if name := p.errorName(e); name != "" && at < len(p.entries) {
			p.heads[at] = name
		}
	}
}

// errorName is the name of the chain that an entry begins, "" for others.
func (p *legacyParser) errorName(e legacyEntry) string {
	if e.name != xtErrorTarget {
		return ""
	}
	return text(e.target[xtExtHeader:])
}

// read makes chains and rules of the entries.
func (p *legacyParser) read() {
	for _, at := range p.offsets {
		e, err := p.entry(at)
		if err != nil {
			return
		}
		p.begin(at)
		next := at + len(e.b)
		switch {
		case p.errorName(e) != "" || p.chain == "":
		case p.isPolicy(at, e):
		case p.underflow:
		case p.endsHere(next) && p.returns(e): // as every chain of users ends
		default:
			p.rule(e, next)
		}
	}
}

// begin starts a chain at an offset, if one begins there.
func (p *legacyParser) begin(at int) {
	for h := range legacyHooks {
		if p.hooks[h] && p.first[h] == at {
			p.chain, p.underflow = legacyHookNames[h], false
			c := Chain{Family: p.family, Table: p.table, Name: p.chain, Legacy: true, Base: true, Hook: uint32(h)}
			c.Type, c.Priority = legacyPlace(p.table, h)
			p.rules.Chains = append(p.rules.Chains, c)
		}
	}
	if name, ok := p.heads[at]; ok {
		p.chain, p.underflow = name, false
		p.rules.Chains = append(p.rules.Chains, Chain{Family: p.family, Table: p.table, Name: name, Legacy: true})
	}
}

var legacyHookNames = [legacyHooks]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}

// legacyPlace is the type and priority of a built-in chain, as of one of
// nf_tables (linux/netfilter_ipv4.h).
func legacyPlace(table string, hook int) (kind string, priority int32) {
	switch {
	case table == "nat" && (hook == HookPrerouting || hook == HookOutput):
		return "nat", -100
	case table == "nat":
		return "nat", 100
	case table == "mangle" && hook == HookOutput:
		return "route", -150
	}
	return "filter", map[string]int32{"raw": -300, "mangle": -150, "security": 50}[table]
}

// isPolicy takes the entry at the end of a built-in chain.
func (p *legacyParser) isPolicy(at int, e legacyEntry) bool {
	for h := range legacyHooks {
		if !p.hooks[h] || p.policy[h] != at || p.chain != legacyHookNames[h] {
			continue
		}
		c := &p.rules.Chains[len(p.rules.Chains)-1]
		v, _ := p.verdict(e)
		c.Drop = v == legacyDrop
		c.Counter = p.counter(e)
		p.underflow = true
		return true
	}
	return false
}

// endsHere reports whether a chain's last entry ends at an offset: another chain
// begins there, or the table's end.
func (p *legacyParser) endsHere(next int) bool {
	e, err := p.entry(next)
	return err == nil && p.errorName(e) != ""
}

// Verdicts of the standard target: others are offsets of entries
// (-NF_DROP - 1 and so on; XT_RETURN is -NF_REPEAT - 1).
const (
	legacyDrop   = -1
	legacyAccept = -2
	legacyQueue  = -4
	legacyReturn = -5
)

func (p *legacyParser) verdict(e legacyEntry) (v int32, ok bool) {
	if e.name != "" || len(e.target) < xtExtHeader+4 {
		return 0, false
	}
	return int32(p.order.Uint32(e.target[xtExtHeader:])), true
}

// returns reports whether an entry is an unconditional return without anything
// else in it, as every chain of users ends with.
func (p *legacyParser) returns(e legacyEntry) bool {
	v, ok := p.verdict(e)
	l := p.layout
	return ok && v == legacyReturn && len(e.b)-len(e.target) == l.size && filledWith(e.b[:l.targetOffset-4], 0)
}

func (p *legacyParser) counter(e legacyEntry) *Counter {
	return &Counter{Packets: p.order.Uint64(e.b[p.layout.counter:]), Bytes: p.order.Uint64(e.b[p.layout.counter+8:])}
}

var errNoChain = errors.New("leads to where no chain begins")
