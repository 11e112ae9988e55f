package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Messages of nf_tables (enum nf_tables_msg_types,
// linux/netfilter/nf_tables.h).
const (
	nftSubsystem = 10 // NFNL_SUBSYS_NFTABLES

	nftNewTable     = 0
	nftNewChain     = 3
	nftNewRule      = 6
	nftNewSet       = 9
	nftNewSetElem   = 12
	nftNewObject    = 18
	nftNewFlowtable = 22
)

// ParseNFTables reads netlink messages of an nf_tables dump, one after the
// other, as rules.Ruleset of backend "nft" holds them. With an error there may
// still be rules: all but what is in the damaged message, and behind it if its
// length is damaged. The result keeps references to data.
func ParseNFTables(data []byte) (*Rules, error) {
	p := nftParser{rules: &Rules{}, sets: map[setKey]int{}}
	for b := data; len(b) > 0; {
		at := len(data) - len(b)
		m, family, rest, err := nextNFT(b)
		if err != nil {
			p.fail(at, err)
			break
		}
		b = rest
		if at == 0 {
			p.rules.BigEndian = m.order == binary.ByteOrder(binary.BigEndian)
		}
		if err := p.message(m, family); err != nil {
			p.fail(at, err)
		}
	}
	p.finish()
	return p.rules, p.bad
}

// nftParser gathers the objects of a dump.
type nftParser struct {
	rules *Rules
	sets  map[setKey]int // index in rules.Sets
	bad   error          // the first
}

type setKey struct {
	family      Family
	table, name string
}

func (p *nftParser) fail(at int, err error) {
	if p.bad == nil {
		p.bad = fmt.Errorf("decode nf_tables at byte %d: %w", at, err)
	}
}

// nextNFT takes the first message off b.
func nextNFT(b []byte) (m message, f Family, rest []byte, err error) {
	if len(b) < netlinkHeader {
		return m, 0, nil, errCut
	}
	m.order = binary.LittleEndian
	if b[4] == nftSubsystem && b[5] != nftSubsystem { // the upper byte came first
		m.order = binary.BigEndian
	}
	size := m.order.Uint32(b[0:4])
	m.kind = m.order.Uint16(b[4:6])
	if size < netlinkHeader || uint64(size) > uint64(len(b)) {
		return m, 0, nil, fmt.Errorf("length %d: %w", size, errCut)
	}
	rest = b[min(aligned(uint64(size)), uint64(len(b))):]
	body := b[netlinkHeader:size]
	if m.kind>>8 != nftSubsystem {
		return m, 0, rest, nil
	}
	if len(body) < nfgenHeader {
		return m, 0, nil, fmt.Errorf("length %d: %w", size, errCut)
	}
	m.body = body[nfgenHeader:]
	return m, Family(body[0]), rest, nil
}

func (p *nftParser) message(m message, f Family) error {
	if m.kind>>8 != nftSubsystem {
		p.rules.Skipped++
		return nil
	}
	switch m.kind & 0xff {
	case nftNewTable:
		return p.table(m, f)
	case nftNewChain:
		return p.chain(m, f)
	case nftNewRule:
		return p.rule(m, f)
	case nftNewSet:
		return p.set(m, f)
	case nftNewSetElem:
		return p.elements(m, f)
	case nftNewObject:
		return p.object(m, f)
	case nftNewFlowtable:
		return p.flowtable(m, f)
	}
	p.rules.Skipped++
	return nil
}

// finish marks the sets whose elements did not come.
func (p *nftParser) finish() {
	for _, i := range p.sets {
		p.rules.Sets[i].Absent = true
	}
}

// attrs are the attributes of one message or nest, by type. A value of the
// wrong size counts as absent and is noted.
type attrs struct {
	message
	v   [20][]byte // no attribute that is read has a higher number
	bad error
}

// index finds the attributes in b.
func (m message) index(b []byte) (*attrs, error) {
	a := &attrs{message: m}
	err := m.attributes(b, func(kind uint16, v []byte) error {
		if int(kind) < len(a.v) {
			a.v[kind] = v
		}
		return nil
	})
	return a, err
}

func (a *attrs) has(kind int) bool       { return a.v[kind] != nil }
func (a *attrs) string(kind int) string  { return text(a.v[kind]) }
func (a *attrs) uint32(kind int) uint32  { return number(a, kind, be32) }
func (a *attrs) uint8(kind int) uint8    { return number(a, kind, u8) }
func (a *attrs) uint16(kind int) uint16  { return number(a, kind, be16) }
func (a *attrs) uint64(kind int) uint64  { return uint64(number(a, kind, be64)) }
func (a *attrs) bytes(kind int) []byte   { return a.v[kind] }
func (a *attrs) register(kind int) Reg   { return regOf(a.uint32(kind)) }
func (a *attrs) family(kind int) Family  { return Family(a.uint32(kind)) }
func (a *attrs) length(kind int) int     { return int(min(a.uint32(kind), 1<<16)) }
func (a *attrs) flag(kind, bit int) bool { return a.uint32(kind)&uint32(bit) != 0 }

func number[T uint8 | uint16 | uint32 | int64](a *attrs, kind int, read func([]byte) (T, error)) T {
	if a.v[kind] == nil {
		return 0
	}
	n, err := read(a.v[kind])
	if err != nil {
		a.bad = firstOf(a.bad, err)
	}
	return n
}

// numbers are the attributes that are numbers, by type, as UnknownExpr has them.
func (a *attrs) numbers() (all [10]uint32) {
	for kind := range all {
		switch v := a.v[kind]; len(v) {
		case 1:
			all[kind] = uint32(v[0])
		case 4:
			all[kind] = binary.BigEndian.Uint32(v)
		}
	}
	return all
}

// nest indexes the attributes within an attribute; an absent one has none.
func (a *attrs) nest(kind int) *attrs {
	in, err := a.index(a.v[kind])
	if err != nil {
		a.bad = firstOf(a.bad, err)
	}
	return in
}

// list calls f for every element of a list (NFTA_LIST_ELEM).
func (a *attrs) list(kind int, f func(v []byte) error) error {
	return a.attributes(a.v[kind], func(kind uint16, v []byte) error {
		if kind != 1 { // NFTA_LIST_ELEM
			return nil
		}
		return f(v)
	})
}

func firstOf(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

var errNoName = errors.New("message without a name")
