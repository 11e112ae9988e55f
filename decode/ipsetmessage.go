package decode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
)

// Messages and attributes of ipset (linux/netfilter/ipset/ip_set.h).
const (
	ipsetSubsystem = 6 // NFNL_SUBSYS_IPSET

	ipsetCmdList      = 7
	ipsetCmdGetByName = 14 // its answer tells a set's number

	ipsetName     = 2
	ipsetType     = 3
	ipsetRevision = 4
	ipsetFamily   = 5
	ipsetData     = 7
	ipsetADT      = 8
	ipsetIndex    = 11

	ipsetIP       = 1
	ipsetIPTo     = 2
	ipsetCIDR     = 3
	ipsetPort     = 4
	ipsetPortTo   = 5
	ipsetTimeout  = 6
	ipsetProto    = 7
	ipsetFlags    = 8
	ipsetMark     = 10
	ipsetMarkMask = 11
	ipsetBitmask  = 12

	ipsetNetmask  = 20 // of the set
	ipsetElements = 24

	ipsetEther   = 17 // of entries
	ipsetNameOf  = 18
	ipsetIP2     = 20
	ipsetCIDR2   = 21
	ipsetIP2To   = 22
	ipsetIface   = 23
	ipsetComment = 26

	ipsetFlagPhysdev  = 1 << 1
	ipsetFlagNoMatch  = 1 << 2
	ipsetFlagWildcard = 1 << 7
)

// ParseIPSets reads netlink messages as rules.Ruleset of backend "ipset" holds
// them. With an error there may still be sets; those with something damaged in
// them are Absent.
func ParseIPSets(data []byte) ([]IPSet, error) {
	p := ipsetParser{at: map[string]int{}}
	for b := data; len(b) > 0; {
		m, rest, err := nextIPSet(b)
		if err == nil {
			err = p.message(m)
		}
		if err != nil && p.bad == nil {
			p.bad = fmt.Errorf("decode ipset at byte %d: %w", len(data)-len(b), err)
		}
		if rest == nil {
			break
		}
		b = rest
	}
	for i := range p.sets {
		p.sets[i].Absent = !p.listed[i] || p.damaged[i] || p.sets[i].Short() || p.bad != nil && i == len(p.sets)-1
	}
	return p.sets, p.bad
}

type ipsetParser struct {
	sets    []IPSet
	at      map[string]int // by name, in sets
	listed  []bool         // entries came, be it none
	damaged []bool
	bad     error
}

// nextIPSet takes the first message off b; rest is nil if what follows cannot be
// found.
func nextIPSet(b []byte) (m message, rest []byte, err error) {
	if len(b) < netlinkHeader {
		return m, nil, errCut
	}
	m.order = binary.LittleEndian
	if b[4] == ipsetSubsystem && b[5] != ipsetSubsystem {
		m.order = binary.BigEndian
	}
	size := m.order.Uint32(b)
	m.kind = m.order.Uint16(b[4:])
	if size < netlinkHeader+nfgenHeader || uint64(size) > uint64(len(b)) {
		return m, nil, fmt.Errorf("length %d: %w", size, errCut)
	}
	m.body = b[netlinkHeader+nfgenHeader : size]
	return m, b[min(aligned(uint64(size)), uint64(len(b))):], nil
}

// ipsetAttrs are attributes by type. Those with NLA_F_NET_BYTEORDER are in
// network byte order, as all that the kernel sends today; others in the
// machine's.
type ipsetAttrs struct {
	message
	v   [32][]byte
	net [32]bool
	bad error
}

func (m message) ipsetAttrs(b []byte) *ipsetAttrs {
	a := &ipsetAttrs{message: m}
	for len(b) >= 4 {
		size, raw := int(m.order.Uint16(b)), m.order.Uint16(b[2:])
		if size < 4 || size > len(b) {
			a.bad = fmt.Errorf("attribute %d of %d bytes: %w", raw&attributeType, size, errCut)
			break
		}
		if kind := raw & attributeType; int(kind) < len(a.v) {
			a.v[kind], a.net[kind] = b[4:size], raw&netByteOrder != 0
		}
		b = b[min(int(aligned(uint64(size))), len(b)):]
	}
	return a
}

const netByteOrder = 0x4000 // NLA_F_NET_BYTEORDER

func (a *ipsetAttrs) has(kind int) bool { return a.v[kind] != nil }

// number reads a number of one, two or four bytes.
func (a *ipsetAttrs) number(kind int) uint32 {
	v, order := a.v[kind], a.order
	if a.net[kind] {
		order = binary.BigEndian
	}
	switch len(v) {
	case 0:
		if v == nil {
			return 0
		}
	case 1:
		return uint32(v[0])
	case 2:
		return uint32(order.Uint16(v))
	case 4:
		return order.Uint32(v)
	}
	a.fail(fmt.Errorf("number of %d bytes: %w", len(v), errCut))
	return 0
}

func (a *ipsetAttrs) fail(err error) { a.bad = firstOf(a.bad, err) }

// addr reads a nested address.
func (a *ipsetAttrs) addr(kind int) netip.Addr {
	if !a.has(kind) {
		return netip.Addr{}
	}
	in := a.ipsetAttrs(a.v[kind])
	v := in.v[1] // IPSET_ATTR_IPADDR_IPV4
	if v == nil {
		v = in.v[2]
	}
	addr, ok := netip.AddrFromSlice(v)
	if !ok {
		a.fail(fmt.Errorf("address of %d bytes: %w", len(v), errCut))
	}
	return addr
}

// prefix reads an address and how many of its bits count.
func (a *ipsetAttrs) prefix(addr, cidr int) netip.Prefix {
	ip := a.addr(addr)
	if !ip.IsValid() {
		return netip.Prefix{}
	}
	bits := ip.BitLen()
	if a.has(cidr) {
		bits = int(a.number(cidr))
	}
	p := netip.PrefixFrom(ip, bits)
	if !p.IsValid() {
		a.fail(fmt.Errorf("%d bits of %s: %w", bits, ip, errCut))
	}
	return p.Masked()
}

func (p *ipsetParser) message(m message) error {
	switch {
	case m.kind == ipsetSubsystem<<8|ipsetCmdList:
		return p.list(m.ipsetAttrs(m.body))
	case m.kind == ipsetSubsystem<<8|ipsetCmdGetByName:
		return p.index(m.ipsetAttrs(m.body))
	}
	return nil
}

// list adds what one message tells of a set. A long set comes in several
// messages, of which the first has the header.
func (p *ipsetParser) list(a *ipsetAttrs) error {
	name := text(a.v[ipsetName])
	if name == "" {
		return firstOf(a.bad, errNoName)
	}
	i, known := p.at[name]
	if !known {
		i = len(p.sets)
		p.at[name] = i
		p.sets, p.listed, p.damaged = append(p.sets, IPSet{Name: name}), append(p.listed, false), append(p.damaged, false)
	}
	s := &p.sets[i]
	if a.has(ipsetType) {
		s.header(a)
	}
	p.listed[i] = p.listed[i] || a.has(ipsetADT)
	err := p.entries(a, s)
	err = firstOf(a.bad, err)
	p.damaged[i] = p.damaged[i] || err != nil
	return err
}

// header reads what a set is.
func (s *IPSet) header(a *ipsetAttrs) {
	s.Type, s.Revision = text(a.v[ipsetType]), uint8(a.number(ipsetRevision))
	s.Family = Family(a.number(ipsetFamily))
	if a.has(ipsetIndex) {
		s.Index, s.Indexed = uint16(a.number(ipsetIndex)), true
	}
	d := a.ipsetAttrs(a.v[ipsetData])
	s.Netmask = uint8(d.number(ipsetNetmask))
	s.Bitmask = d.addr(ipsetBitmask)
	s.MarkMask = d.number(ipsetMarkMask)
	s.Timeouts = d.has(ipsetTimeout)
	s.Count = d.number(ipsetElements)
	s.First, s.Last = d.addr(ipsetIP), d.addr(ipsetIPTo)
	s.FirstPort, s.LastPort = uint16(d.number(ipsetPort)), uint16(d.number(ipsetPortTo))
	a.fail(d.bad)
}

func (p *ipsetParser) entries(a *ipsetAttrs, s *IPSet) (bad error) {
	err := a.attributes(a.v[ipsetADT], func(kind uint16, v []byte) error {
		if kind != ipsetData {
			return nil
		}
		e := a.ipsetAttrs(v)
		s.Entries = append(s.Entries, e.entry())
		bad = firstOf(bad, e.bad)
		return nil
	})
	return firstOf(bad, err)
}

var errRange = errors.New("an entry is a range, which is not known of any type")

func (a *ipsetAttrs) entry() IPSetEntry {
	flags := a.number(ipsetFlags)
	e := IPSetEntry{
		Addr:     a.prefix(ipsetIP, ipsetCIDR),
		Addr2:    a.prefix(ipsetIP2, ipsetCIDR2),
		Proto:    Proto(a.number(ipsetProto)),
		Port:     uint16(a.number(ipsetPort)),
		Iface:    text(a.v[ipsetIface]),
		Physdev:  flags&ipsetFlagPhysdev != 0,
		Wildcard: flags&ipsetFlagWildcard != 0,
		Mark:     a.number(ipsetMark),
		Set:      text(a.v[ipsetNameOf]),
		NoMatch:  flags&ipsetFlagNoMatch != 0,
		Timeout:  a.number(ipsetTimeout),
		Comment:  text(a.v[ipsetComment]),
	}
	if a.has(ipsetIPTo) || a.has(ipsetIP2To) || a.has(ipsetPortTo) {
		a.fail(errRange)
	}
	if v := a.v[ipsetEther]; len(v) == 6 {
		e.MAC, e.HasMAC = [6]byte(v), true
	}
	return e
}

// index reads the number of a set that the list did not tell.
func (p *ipsetParser) index(a *ipsetAttrs) error {
	if i, ok := p.at[text(a.v[ipsetName])]; ok && a.has(ipsetIndex) {
		p.sets[i].Index, p.sets[i].Indexed = uint16(a.number(ipsetIndex)), true
	}
	return a.bad
}
