package conntrack

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"dnatrace/capture/ring"
)

// selection picks the entries of a dump that a program of ring.BuildEvents would
// pass as events: the kernel puts no filter of a socket to single entries.
type selection struct {
	all       bool
	ports     map[ring.Port]bool
	ranges    []ring.Range
	endpoints map[endpoint]bool
	hosts     map[netip.Addr]bool
}

type endpoint struct {
	addr netip.Addr
	port ring.Port
}

func newSelection(w ring.Want) selection {
	s := selection{all: w.All, ranges: w.Ranges, ports: map[ring.Port]bool{}, endpoints: map[endpoint]bool{}, hosts: map[netip.Addr]bool{}}
	for _, p := range w.Ports {
		s.ports[p] = true
	}
	for _, e := range w.Endpoints {
		for _, p := range e.Ports {
			s.endpoints[endpoint{e.Addr.Unmap(), p}] = true
		}
	}
	for _, h := range w.Hosts {
		s.hosts[h.Unmap()] = true
	}
	return s
}

// Attributes of an entry (enum ctattr_type, ctattr_tuple, ctattr_ip and
// ctattr_l4proto of linux/netfilter/nfnetlink_conntrack.h).
const (
	ctaTupleOrig  = 1
	ctaTupleReply = 2

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaProtoNum     = 1
	ctaProtoSrcPort = 2
	ctaProtoDstPort = 3

	ctaIPv4Src, ctaIPv4Dst = 1, 2
	ctaIPv6Src, ctaIPv6Dst = 3, 4

	nfgenHeader = 4 // struct nfgenmsg
	attrHeader  = 4 // struct nlattr
	attrType    = 0x3fff
)

// wants reports whether an entry is wanted, by what is behind its nlmsghdr. One
// without ports is, and one that cannot be read.
func (s selection) wants(body []byte) bool {
	if s.all || len(body) < nfgenHeader {
		return true
	}
	attrs := body[nfgenHeader:]
	orig, reply := attribute(attrs, ctaTupleOrig), attribute(attrs, ctaTupleReply)
	asked, askedOK := end(orig, ctaIPv4Dst, ctaIPv6Dst, ctaProtoDstPort)
	client, clientOK := end(orig, ctaIPv4Src, ctaIPv6Src, ctaProtoSrcPort)
	server, serverOK := end(reply, ctaIPv4Src, ctaIPv6Src, ctaProtoSrcPort)
	return !askedOK || !clientOK || !serverOK || s.port(asked.port) || s.port(client.port) ||
		s.has(asked) || s.has(client) || s.has(server)
}

func (s selection) port(p ring.Port) bool {
	return s.ports[p] || slices.ContainsFunc(s.ranges, func(r ring.Range) bool {
		return r.Proto == p.Proto && r.First <= p.Port && p.Port <= r.Last
	})
}

func (s selection) has(e endpoint) bool { return s.hosts[e.addr] || s.endpoints[e] }

// end reads one end of a tuple; false if it has no port or no address.
func end(tuple []byte, v4, v6, port uint16) (e endpoint, ok bool) {
	ip, proto := attribute(tuple, ctaTupleIP), attribute(tuple, ctaTupleProto)
	addr := attribute(ip, v4)
	if addr == nil {
		addr = attribute(ip, v6)
	}
	e.addr, ok = netip.AddrFromSlice(addr)
	number, value := attribute(proto, ctaProtoNum), attribute(proto, port)
	if !ok || len(number) < 1 || len(value) < 2 {
		return e, false
	}
	e.port = ring.Port{Proto: number[0], Port: binary.BigEndian.Uint16(value)}
	return e, true
}

// attribute is the value of the first attribute of a type, nil if there is none.
func attribute(attrs []byte, kind uint16) []byte {
	for len(attrs) >= attrHeader {
		n := int(binary.NativeEndian.Uint16(attrs)) // nla_len
		if n < attrHeader || n > len(attrs) {
			return nil
		}
		if binary.NativeEndian.Uint16(attrs[2:])&attrType == kind {
			return attrs[attrHeader:n]
		}
		attrs = attrs[min(len(attrs), (n+3)&^3):]
	}
	return nil
}
