package ruletrace

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"dnatrace/capture/ring"
)

// set is one of the table's sets: what is wanted, in the form the rules look it
// up. The keys are what concatenated registers hold: each part in network byte
// order, filled up to four bytes.
type set struct {
	name string
	kind uint32 // as nft numbers the types of keys; the kernel only keeps it
	size int    // bytes of a key
	keys [][]byte
}

// Types of keys (enum datatypes of nft); those of a concatenation are shifted by
// six bits each.
const (
	typeIPv4    = 7
	typeIPv6    = 8
	typeProto   = 12
	typeService = 13

	typePort = typeProto<<6 | typeService
)

// Sets of a table, by position in sets.
const (
	setPorts      = iota // protocol and port
	setEndpoints4        // address, protocol and port
	setEndpoints6
	setHosts4 // everything of these addresses
	setHosts6
	setAddrs4 // ICMP of these: hosts, and the addresses of endpoints
	setAddrs6
	setNumbers // of any port in the sets above: what has none of them is not looked at further
)

// wanted is what the rules look for: what is in the sets, and ranges of ports,
// which are compared.
type wanted struct {
	sets   []set
	ranges []ring.Range
}

// nothing is what no packet is marked for.
func (w wanted) nothing() bool {
	return len(w.ranges) == 0 && !slices.ContainsFunc(w.sets, func(s set) bool { return len(s.keys) > 0 })
}

func (w Want) wanted() wanted { return wanted{sets: w.sets(), ranges: w.Ranges} }

// sets puts what is wanted into sets.
func (w Want) sets() []set {
	s := []set{
		setPorts:      {name: "ports", kind: typePort, size: 8},
		setEndpoints4: {name: "endpoints4", kind: typeIPv4<<12 | typePort, size: 12},
		setEndpoints6: {name: "endpoints6", kind: typeIPv6<<12 | typePort, size: 24},
		setHosts4:     {name: "hosts4", kind: typeIPv4, size: 4},
		setHosts6:     {name: "hosts6", kind: typeIPv6, size: 16},
		setAddrs4:     {name: "addrs4", kind: typeIPv4, size: 4},
		setAddrs6:     {name: "addrs6", kind: typeIPv6, size: 16},
		setNumbers:    {name: "numbers", kind: typeService, size: 2},
	}
	port := func(p ring.Port) []byte {
		s[setNumbers].keys = append(s[setNumbers].keys, binary.BigEndian.AppendUint16(nil, p.Port))
		return portKey(p)
	}
	add := func(v4 int, a netip.Addr, rest []byte) {
		at := v4
		if a = a.Unmap(); a.Is6() {
			at++
		}
		if a.IsValid() {
			s[at].keys = append(s[at].keys, append(a.AsSlice(), rest...))
		}
	}
	for _, p := range w.Ports {
		s[setPorts].keys = append(s[setPorts].keys, port(p))
	}
	for _, e := range w.Endpoints {
		add(setAddrs4, e.Addr, nil)
		for _, p := range e.Ports {
			add(setEndpoints4, e.Addr, port(p))
		}
	}
	for _, a := range w.Hosts {
		add(setHosts4, a, nil)
		add(setAddrs4, a, nil)
	}
	for i := range s {
		slices.SortFunc(s[i].keys, slices.Compare)
		s[i].keys = slices.CompactFunc(s[i].keys, slices.Equal)
	}
	return s
}

func portKey(p ring.Port) []byte {
	k := make([]byte, 8)
	k[0] = p.Proto
	binary.BigEndian.PutUint16(k[4:], p.Port)
	return k
}
