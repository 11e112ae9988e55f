// Package ruletrace has the kernel say which nf_tables rules the target's
// packets meet: every rule that matches, every chain's end and every policy, in
// the tables of iptables-nft, of nft and of whoever else.
//
// To be traced, packets must be marked. Arm makes a table that marks the first
// packets of the target's conversations, both ways, before any other chain sees
// them, and at a bounded rate. The table belongs to the socket that Arm returns:
// the kernel removes it when that socket is closed, however its holder ends, and
// lets nobody else change it. It is named after the socket, so that several
// programs can trace at once. Nothing else in the ruleset is touched; no
// connection tracking is switched on.
//
// Listen hears the trace, of all programs that have marked packets in that
// namespace. Reading the messages is decode's work. The mark does not survive
// the way through a veth pair: each namespace takes a table of its own.
//
// The package must not import decode, correlate or cmd.
package ruletrace

import (
	"fmt"
	"net/netip"

	"dnatrace/capture/ring"
)

// Want says whose packets are traced: of TCP those with SYN or RST, of other
// protocols all. IPv4 and IPv6 alike.
type Want struct {
	// Ports are traced as destination and as source, whatever the addresses:
	// published ports.
	Ports []ring.Port
	// Ranges are traced as Ports are.
	Ranges []ring.Range
	// Endpoints are traced where address and port are the destination or the
	// source, the containers' side of a translation. ICMP to and from the
	// address is traced as well.
	Endpoints []ring.Endpoint
	// Hosts are addresses of which everything is traced.
	Hosts []netip.Addr
}

// The most packets that are marked for tracing in one namespace, to and from each
// of a few ports and endpoints: Burst at once, and Rate a second from then on. Of
// many, and of hosts, it is the most of all together, TCP apart from the rest. Each
// takes a message for every chain and rule it meets, and a busy server gets
// thousands of requests a second.
const Rate, Burst = 25, 50

// most bounds what is put into a table: beyond it, a trace of everything would
// be meant.
const most = 4096

// mostRanges bounds the ranges: each is a rule that every packet of the host
// meets.
const mostRanges = 32

// Check refuses to trace too much.
func (w Want) Check() error {
	n := len(w.Ports) + len(w.Hosts)
	for _, e := range w.Endpoints {
		n += max(1, len(e.Ports))
	}
	if len(w.Ranges) > mostRanges {
		return fmt.Errorf("trace rules: %d ranges of ports are more than %d", len(w.Ranges), mostRanges)
	}
	if n > most {
		return fmt.Errorf("trace rules: %d ports and addresses are more than %d", n, most)
	}
	return nil
}
