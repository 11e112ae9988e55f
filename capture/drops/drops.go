// Package drops has the words for the packets that a kernel threw away, and for
// the reason it gave: those of the tracepoint skb:kfree_skb, in the namespaces
// and on the ports that are watched.
//
// They are read by drops/bpf. The later stages read these types from recordings
// on any OS, so the package must import nothing that acts, nor anything else of
// ours.
package drops

import (
	"net/netip"
	"slices"
)

// Drop is one packet that was thrown away (JSON of KindEvent).
type Drop struct {
	Time     int64  `json:"time"`               // Unix ns: when it was dropped
	Inode    uint64 `json:"inode"`              // of the network namespace
	Link     int    `json:"link,omitempty"`     // index of its interface there; 0 for none, such as a local packet before routing
	Reason   string `json:"reason"`             // without SKB_DROP_REASON_: "NETFILTER_DROP", "IP_RPFILTER"; a number where the kernel has no name for it
	Location string `json:"location,omitempty"` // function that dropped it: "nft_do_chain"; "" if the kernel has no name for it
	Packet   []byte `json:"packet"`             // from the IP header on: headers of the network and the transport layer, no payload
}

// takers are the functions that hand copies of packets to those who listen: packet
// sockets (net/packet/af_packet.c) and raw ones (net/ipv4/raw.c, net/ipv6/raw.c).
var takers = []string{"packet_rcv", "packet_rcv_spkt", "packet_rcv_fanout", "tpacket_rcv", "raw_rcv", "raw_rcv_skb", "rawv6_rcv", "rawv6_rcv_skb"}

// OfCopy reports whether a drop is that of a copy: a capture had no room for it, and
// the packet itself goes on. Kernels before 6.9 give it no reason of its own.
func OfCopy(reason, location string) bool {
	return reason == "PACKET_SOCK_ERROR" || slices.Contains(takers, location)
}

// Want says which drops are of interest.
type Want struct {
	Everything bool         `json:"everything,omitempty"`
	Inodes     []uint64     `json:"inodes"`           // of the network namespaces
	Ports      []uint16     `json:"ports"`            // as source or destination, whatever the protocol
	Ranges     [][2]uint16  `json:"ranges,omitempty"` // of ports, from the first to the last
	Hosts      []netip.Addr `json:"hosts"`            // as source or destination, whatever the port
}

// Most of a kind that a Want may have, but for the ports of ranges; more are left
// out, see Bounded.
const Most = 4096

// Bounded cuts w to what can be watched, and says whether that was less.
func (w Want) Bounded() (Want, bool) {
	cut := len(w.Inodes) > Most || len(w.Ports) > Most || len(w.Ranges) > Most || len(w.Hosts) > Most
	w.Inodes = w.Inodes[:min(len(w.Inodes), Most)]
	w.Ports = w.Ports[:min(len(w.Ports), Most)]
	w.Ranges = w.Ranges[:min(len(w.Ranges), Most)]
	w.Hosts = w.Hosts[:min(len(w.Hosts), Most)]
	return w, cut
}

// AllPorts are those of w, each once, with those of its ranges spelled out.
func (w Want) AllPorts() []uint16 {
	all := slices.Clone(w.Ports)
	for _, r := range w.Ranges {
		for p := int(r[0]); p <= int(r[1]); p++ {
			all = append(all, uint16(p))
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}
