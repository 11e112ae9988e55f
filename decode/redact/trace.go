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
	3: keep, 4: keep, 6: keep, 10: keep, 11: keep, 12: keep, 13: keep, 14: keep, 15: keep, 16: keep,
	18: keep, 19: keep, 20: keep, 21: keep,
	traceLink: keep, traceNetwork: keep, traceTransport: keep,
}

// ruleTrace rewrites netlink messages of traced rules in place.
func (r *Redactor) ruleTrace(b []byte) {
	messagesOf(b, subsystemNFTables, func(_ uint8, order binary.ByteOrder, attrs []byte) {
		traceSchema.apply(context{r, order}, attrs)
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
			link = v
		case traceNetwork:
			network = v
		case traceTransport:
			transport = v
		}
	})
	if len(link) >= 14 {
		r.mac(link[0:6])
		r.mac(link[6:12])
	} else {
		clear(link)
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
