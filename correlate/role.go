package correlate

import (
	"slices"

	"dnatrace/decode"
)

// services are registered ports (above 1023) that servers commonly listen on:
// where no opening was seen, they tell the server's end from a client's, if the
// other end's port is none. Sorted.
var services = []uint16{
	1080, 1194, 1433, 1521, 1701, 1723, 1812, 1813, 1883, 2049, 2181, 2375, 2376, 2377, 2379, 2380,
	3000, 3128, 3260, 3268, 3306, 3389, 3478, 4222, 4369, 4443, 4500, 4646, 4789, 5000, 5044, 5060, 5061, 5222, 5269,
	5353, 5355, 5432, 5601, 5671, 5672, 5683, 5900, 5984, 6379, 6443, 6514, 6667, 6881, 7000, 7001, 7077, 7474, 7687, 7946,
	8000, 8001, 8008, 8080, 8081, 8082, 8083, 8086, 8088, 8089, 8090, 8125, 8200, 8222, 8300, 8301, 8333, 8388, 8443, 8472, 8500, 8600, 8761, 8883, 8888,
	9000, 9001, 9042, 9090, 9091, 9092, 9093, 9100, 9200, 9300, 9418, 9443, 9999, 10000, 10250, 11211, 15672, 25565, 27015, 27017, 28015, 50000, 51820,
}

// isService reports whether a port is a service's: a system port (RFC 6335 §6),
// or one of those known here.
func isService(port uint16) bool {
	if port < 1024 {
		return port != 0
	}
	_, ok := slices.BinarySearch(services, port)
	return ok
}

// fixedPairs are protocols whose clients have a system port too: server, client.
var fixedPairs = [][2]uint16{{67, 68}, {547, 546}}

// side says which end of a packet is the server's.
type side uint8

const (
	sideUnknown side = iota
	sideSource       // the packet is an answer
	sideDestination
)

// serverSide tells the server's end of a packet that opens nothing: from what is
// known or learned of servers, and from ports only where one is a service's and
// the other is not.
func (t *Tracker) serverSide(p *decode.Packet) side {
	switch {
	case p.Kind == decode.EchoReply, p.Kind == decode.Segment && p.Flags&(decode.SYN|decode.ACK) == decode.SYN|decode.ACK:
		return sideSource
	case p.Kind == decode.EchoRequest:
		return sideDestination
	}
	if t.world.known() {
		if s := sideOf(t.world.serves(p.Tuple.Reverse()), t.world.serves(p.Tuple)); s != sideUnknown {
			return s
		}
	}
	known := &t.learned.servers
	if s := sideOf(known.has(&p.Src, p.SrcPort, p.Proto), known.has(&p.Dst, p.DstPort, p.Proto)); s != sideUnknown {
		return s
	}
	for _, pair := range fixedPairs {
		if s := sideOf(p.SrcPort == pair[0] && p.DstPort == pair[1], p.SrcPort == pair[1] && p.DstPort == pair[0]); s != sideUnknown {
			return s
		}
	}
	return sideOf(isService(p.SrcPort), isService(p.DstPort))
}

// clientPorts is the least port that Linux gives clients (ip_local_port_range), above
// most that servers have.
const clientPorts = 32768

// answersUnseen reports whether a datagram, the first of its flow, is likely to answer a
// question that was not captured: it goes to a client's port from one that is none, and
// the capture began a moment ago, or lost packets.
func (t *Tracker) answersUnseen(p *decode.Packet, pt *point) bool {
	if p.SrcPort >= clientPorts || p.DstPort < clientPorts {
		return false
	}
	before := p.Time - int64(t.config.Window)
	return before < t.began || t.journal.lostBetween(pt.Ring, before, p.Time) > 0
}

func sideOf(source, destination bool) side {
	switch {
	case source && !destination:
		return sideSource
	case destination && !source:
		return sideDestination
	}
	return sideUnknown
}
