package live

import (
	"cmp"
	"net/netip"
	"slices"

	"dnatrace/capture/ring"
	"dnatrace/capture/target"
)

// want is what the targets stand for now, in ports and addresses.
func (s *Session) want(resolved *target.Resolved) ring.Want {
	w := wanted(resolved)
	w.Echo, w.Neighbours, w.SnapLen = true, true, s.config.SnapLen
	return w
}

// mostPorts is how many ports of an address are told apart; beyond it all of the
// address is wanted.
const mostPorts = 512

func wanted(resolved *target.Resolved) (w ring.Want) {
	var asked []ring.Range
	for _, q := range resolved.Requests {
		asked = append(asked, ranges(q.Proto, q.Port, q.Last)...)
	}
	w.Ports, w.Ranges = spelled(asked)
	var addrs []netip.Addr
	byAddr := map[netip.Addr][]ring.Range{}
	for _, b := range resolved.Backends {
		if b.Port == 0 {
			w.Hosts = append(w.Hosts, b.Addr)
			continue
		}
		if byAddr[b.Addr] == nil {
			addrs = append(addrs, b.Addr)
		}
		byAddr[b.Addr] = append(byAddr[b.Addr], ranges(b.Proto, b.Port, b.Last)...)
	}
	for _, a := range addrs {
		ports, long := spelled(byAddr[a])
		if len(long) > 0 || len(ports) > mostPorts {
			w.Hosts = append(w.Hosts, a)
			continue
		}
		w.Endpoints = append(w.Endpoints, ring.Endpoint{Addr: a, Ports: ports})
	}
	slices.SortFunc(w.Hosts, netip.Addr.Compare)
	w.Hosts = slices.Compact(w.Hosts)
	return w
}

// ranges is a port, or a range of them, of any protocol.
func ranges(proto uint8, first, last uint16) []ring.Range {
	last = max(first, last)
	if proto != 0 {
		return []ring.Range{{Proto: proto, First: first, Last: last}}
	}
	return []ring.Range{{Proto: 6, First: first, Last: last}, {Proto: 17, First: first, Last: last}, {Proto: 132, First: first, Last: last}}
}

// longRange is the number of ports from which on a range is not spelled out. Whoever
// publishes ten thousand ports has the engine list each: they are put together.
const longRange = 64

// spelled puts together ranges that overlap or follow each other, and spells out
// those that are short.
func spelled(all []ring.Range) (ports []ring.Port, long []ring.Range) {
	slices.SortFunc(all, func(a, b ring.Range) int {
		return cmp.Or(cmp.Compare(a.Proto, b.Proto), cmp.Compare(a.First, b.First))
	})
	var joined []ring.Range
	for _, r := range all {
		if n := len(joined); n > 0 && joined[n-1].Proto == r.Proto && int(r.First) <= int(joined[n-1].Last)+1 {
			joined[n-1].Last = max(joined[n-1].Last, r.Last)
			continue
		}
		joined = append(joined, r)
	}
	for _, r := range joined {
		if r.Last-r.First >= longRange {
			long = append(long, r)
			continue
		}
		for p := int(r.First); p <= int(r.Last); p++ {
			ports = append(ports, ring.Port{Proto: r.Proto, Port: uint16(p)})
		}
	}
	return ports, long
}
