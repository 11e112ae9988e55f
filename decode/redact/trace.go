package redact

import "encoding/binary"

// Headers in a trace message (enum nft_trace_attributes).
const (
	traceLink      = 7
	traceNetwork   = 8
	traceTransport = 9
)

// traceSchema is of the other attributes.
var traceSchema = schema{
	1: valueName, 2: valueName, 5: nest(verdictSchema),
	3: number, 4: number, 6: number, 10: number, 11: number, 12: number, 13: number, 14: number, 15: number, 16: number,
	18: number, 19: number, 20: number, 21: number,
	traceLink: later, traceNetwork: later, traceTransport: later,
}

// later leaves a value to what rewrites it afterwards.
func later(context, []byte) {}

// ruleTrace rewrites netlink messages of traced rules in place.
func (r *Redactor) ruleTrace(b []byte) {
	r.messagesOf(b, subsystemNFTables, func(_ uint8, order binary.ByteOrder, attrs []byte) {
		traceSchema.apply(context{Redactor: r, order: order}, attrs)
		r.tracedHeaders(order, attrs)
	})
}

// tracedHeaders rewrites the packet's headers, which come apart: the transport
// header's checksum covers addresses in the network header.
func (r *Redactor) tracedHeaders(order binary.ByteOrder, attrs []byte) {
	var link, network, transport []byte
	eachAttr(order, attrs, func(kind int, v []byte) {
		switch kind {
		case traceLink:
			link = r.onlyOne(link, v)
		case traceNetwork:
			network = r.onlyOne(network, v)
		case traceTransport:
			transport = r.onlyOne(transport, v)
		}
	})
	if len(link) >= 14 {
		r.mac(link[0:6])
		r.mac(link[6:12])
		r.gone("headers of traced packets", link[typesIn(link):])
	} else {
		r.gone("headers of traced packets", link)
	}
	if len(network) >= 28 && network[0]>>4 != 4 && network[0]>>4 != 6 {
		r.arp(network)
		clear(transport)
		return
	}
	whole := append(append([]byte(nil), network...), transport...)
	if n := headerSize(network); n == len(network) {
		r.ip(whole)
		copy(network, whole)
		copy(transport, whole[n:])
		return
	}
	r.ip(network)
	clear(transport)
}

// typesIn is how much of Ethernet's header is addresses, VLAN tags, and an EtherType
// that is known.
func typesIn(link []byte) int {
	for at := 12; at+2 <= len(link); at += 4 {
		switch binary.BigEndian.Uint16(link[at:]) {
		case etherIPv4, etherIPv6, etherARP:
			return at + 2
		case etherVLAN, etherQinQ:
		default:
			return at
		}
	}
	return 12
}

// headerSize is the size of the IP header that b begins with, as far as it can
// be put before a transport header.
func headerSize(b []byte) int {
	switch {
	case len(b) >= 20 && b[0]>>4 == 4:
		return int(b[0]&0xf) * 4
	case len(b) >= 40 && b[0]>>4 == 6:
		return 40
	}
	return -1
}
