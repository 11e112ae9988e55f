package filter

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// value reads what a qualifier is about.
func (p *parser) value(q qualifier) *Node {
	switch q.addr {
	case "port", "portrange":
		return p.ports(q)
	case "proto":
		return p.protoOf(q)
	}
	if q.proto == "ether" {
		return p.mac(q)
	}
	return p.host(q)
}

var numeral = regexp.MustCompile(`^(0[xX][0-9a-fA-F]+|[0-9]+)$`)

// number takes a number as C writes them.
func (p *parser) number(most uint64) uint64 {
	w := p.next()
	v, err := strconv.ParseUint(w, 0, 32)
	if !numeral.MatchString(w) || err != nil || v > most {
		p.refuse(fmt.Sprintf("a number up to %d is expected", most))
		return 0
	}
	p.take()
	return v
}

// withPorts are the protocols that have ports.
var withPorts = map[string]uint8{"": 0, "tcp": ProtoTCP, "udp": ProtoUDP, "sctp": ProtoSCTP}

func (p *parser) ports(q qualifier) *Node {
	proto, ok := withPorts[q.proto]
	if !ok {
		return p.refused(q.addr, q.proto+" has no ports")
	}
	t := Test{Kind: Ports, Proto: proto, Dir: q.dir}
	if lo, hi, ok := strings.Cut(p.next(), "-"); ok && q.addr == "portrange" {
		a, err := strconv.ParseUint(lo, 10, 16)
		b, err2 := strconv.ParseUint(hi, 10, 16)
		if err != nil || err2 != nil {
			return p.refuse("a range of numbers up to 65535 is expected")
		}
		p.take()
		t.Lo, t.Hi = uint16(min(a, b)), uint16(max(a, b))
		return test(t)
	}
	t.Lo = uint16(p.number(1<<16 - 1))
	t.Hi = t.Lo
	return test(t)
}

// families are the EtherTypes of hosts: the protocols that may qualify one.
var families = map[string]uint16{"": 0, "ip": EtherIPv4, "ip6": EtherIPv6, "arp": EtherARP, "rarp": EtherRARP}

var shortNet = regexp.MustCompile(`^[0-9]+(\.[0-9]+){0,2}$`)

// host reads an address, or that of a network: with a length, a mask, or cut
// after a byte.
func (p *parser) host(q qualifier) *Node {
	family, ok := families[q.proto]
	w := p.next()
	if !ok {
		return p.refused(q.proto, "it has no addresses of its own: write tcp and host, or ip host")
	}
	a, err := netip.ParseAddr(w)
	bits := a.BitLen()
	switch {
	case err == nil && a.Zone() == "":
	case q.addr == "net" && shortNet.MatchString(w):
		if a, err = netip.ParseAddr(w + strings.Repeat(".0", 3-strings.Count(w, "."))); err != nil {
			return p.refuse("it is no network")
		}
		bits = 8 * (1 + strings.Count(w, "."))
	default:
		return p.refuse("an address is expected: names are not looked up")
	}
	if a.Is4() && family == EtherIPv6 || a.Is6() && family != EtherIPv6 && family != 0 {
		return p.refuse("it is no address of " + q.proto)
	}
	p.take()
	mask := p.mask(a, ones(a, bits))
	if a != masked(a, mask) {
		return p.refused(w, "bits are set outside of the network")
	}
	if q.addr != "net" && mask != ones(a, a.BitLen()) {
		return p.refused(w, "it is a network: write net")
	}
	return test(Test{Kind: Host, Ether: family, Dir: q.dir, Addr: a, Mask: mask})
}

// mask reads what may follow the address of a network.
func (p *parser) mask(a, mask netip.Addr) netip.Addr {
	switch {
	case p.accept("/") != "":
		return ones(a, int(p.number(uint64(a.BitLen()))))
	case a.Is4() && p.accept("mask") != "":
		m, err := netip.ParseAddr(p.next())
		if err != nil || !m.Is4() {
			p.refuse("a mask such as 255.255.0.0 is expected")
			return mask
		}
		p.take()
		return m
	}
	return mask
}

// ones is a mask of a's family with so many bits set.
func ones(a netip.Addr, bits int) netip.Addr {
	all := netip.AddrFrom4([4]byte{255, 255, 255, 255})
	if a.Is6() {
		all = netip.AddrFrom16([16]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255})
	}
	prefix, err := all.Prefix(bits)
	if err != nil {
		return all
	}
	return prefix.Addr()
}

// masked is the bits of a that a mask of its family leaves.
func masked(a, mask netip.Addr) netip.Addr {
	if a.Is4() {
		x, m := a.As4(), mask.As4()
		binary.BigEndian.PutUint32(x[:], binary.BigEndian.Uint32(x[:])&binary.BigEndian.Uint32(m[:]))
		return netip.AddrFrom4(x)
	}
	x, m := a.As16(), mask.As16()
	for i := range x {
		x[i] &= m[i]
	}
	return netip.AddrFrom16(x)
}

var macShape = regexp.MustCompile(`^[0-9a-fA-F]{1,2}([:-][0-9a-fA-F]{1,2}){5}$`)

func (p *parser) mac(q qualifier) *Node {
	w := p.next()
	if q.addr == "net" || !macShape.MatchString(w) {
		return p.refuse("an Ethernet address such as 02:42:ac:11:00:02 is expected")
	}
	p.take()
	t := Test{Kind: MAC, Dir: q.dir, Bits: everyBit}
	for i, s := range strings.FieldsFunc(w, func(r rune) bool { return r == ':' || r == '-' }) {
		b, _ := strconv.ParseUint(s, 16, 8) // macShape allows nothing else
		t.MAC[i] = byte(b)
	}
	return test(t)
}

var everyBit = [6]byte{255, 255, 255, 255, 255, 255}
