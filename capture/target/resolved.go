package target

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Resolved is what targets stand for at the time of a snapshot. Lists are
// sorted and without duplicates. Requests and Backends may both be empty (a
// container without a network): then nothing can be selected.
type Resolved struct {
	Targets    []Target
	Requests   []Request
	Backends   []Backend
	Containers []Container

	byPort  map[uint16][]Request
	ranges  []Request                // those of more than one port
	byAddr  map[netip.Addr][]Backend // those with Asked
	foreign map[netip.Addr]bool      // addresses of any container
}

// Request is something clients ask the host for.
type Request struct {
	Proto uint8      // IANA protocol number; 0 is tcp, udp and sctp
	Addr  netip.Addr // invalid: any; unspecified: any of that family
	Port  uint16
	Last  uint16 // the last port of a range; 0 where it is none
	// Loopback is true if the loopback addresses of both families are meant, and no
	// other.
	Loopback bool
	// Anywhere is true for a target that is a number: the port is selected on
	// containers' own addresses too.
	Anywhere bool
}

// Backend is a container's endpoint behind a request.
type Backend struct {
	Proto     uint8 // IANA protocol number; 0 is any
	Addr      netip.Addr
	Port      uint16 // 0 is any, ICMP included
	Last      uint16 // the last port of a range; 0 where it is none
	Container string // id of the container that owns the address
	// Asked is true if the target names the container: requests to the endpoint
	// itself belong to the target then.
	Asked bool
}

// Container is one that the target concerns.
type Container struct {
	ID      string
	Name    string
	Project string
	Service string
	Mode    string
	State   string
	PID     int    // of a process in the namespace: its own, else of the namespace's owner; 0 if none runs
	Owner   string // id of the container that owns the namespace; ID itself unless it shares another's
	// Behind is true if the target names it or a mapping of the target's port
	// leads to it. Otherwise it only declares that port.
	Behind bool
}

// Match reports whether a request, as it was first seen, belongs to the
// target: proto is an IANA protocol number, dst and port what was asked for.
// Protocols without ports have port 0.
func (r *Resolved) Match(proto uint8, dst netip.Addr, port uint16) bool {
	dst = dst.Unmap()
	for _, q := range r.byPort[port] {
		if q.covers(proto, dst) && (q.Anywhere || !r.foreign[dst]) {
			return true
		}
	}
	for _, q := range r.ranges {
		if within(port, q.Port, q.Last) && q.covers(proto, dst) && (q.Anywhere || !r.foreign[dst]) {
			return true
		}
	}
	for _, b := range r.byAddr[dst] {
		if (b.Proto == 0 || b.Proto == proto) && (b.Port == 0 || within(port, b.Port, b.Last)) {
			return true
		}
	}
	return false
}

func (q Request) covers(proto uint8, dst netip.Addr) bool {
	if q.Proto == 0 && proto != tcp && proto != udp && proto != sctp {
		return false
	}
	if q.Loopback && !dst.IsLoopback() {
		return false
	}
	return (q.Proto == 0 || q.Proto == proto) && coversAddr(q.Addr, dst)
}

// coversAddr says whether an address asked for is one that a mapping's host
// address, or a target's, stands for.
func coversAddr(host, dst netip.Addr) bool {
	return !host.IsValid() || host == dst || host.IsUnspecified() && host.Is4() == dst.Is4()
}

// Watch returns the containers whose namespaces are to be watched from inside,
// one for each namespace that is not the host's.
func (r *Resolved) Watch() []Container {
	var all []Container
	seen := map[string]bool{}
	for _, c := range r.Containers {
		if !c.Behind || c.PID == 0 && c.State != "running" || c.Mode == "host" || c.Mode == "none" || seen[c.Owner] {
			continue
		}
		seen[c.Owner] = true
		all = append(all, c)
	}
	return all
}

// settle sorts what was gathered and indexes it.
func (r *Resolved) settle() {
	r.Requests = sortedUnique(r.Requests, compareRequests)
	r.Backends = sortedUnique(r.Backends, compareBackends)
	r.Containers = slices.CompactFunc(sorted(r.Containers, compareContainers),
		func(a, b Container) bool { return a.ID == b.ID }) // Behind comes first
	r.byPort = map[uint16][]Request{}
	for _, q := range r.Requests {
		if q.Last > q.Port {
			r.ranges = append(r.ranges, q)
			continue
		}
		r.byPort[q.Port] = append(r.byPort[q.Port], q)
	}
	r.byAddr = map[netip.Addr][]Backend{}
	for _, b := range r.Backends {
		if b.Asked {
			r.byAddr[b.Addr] = append(r.byAddr[b.Addr], b)
		}
	}
}

func sorted[T any](s []T, compare func(a, b T) int) []T {
	slices.SortFunc(s, compare)
	return s
}

func sortedUnique[T comparable](s []T, compare func(a, b T) int) []T {
	return slices.Compact(sorted(s, compare))
}

func compareRequests(a, b Request) int {
	return cmp.Or(cmp.Compare(a.Port, b.Port), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Proto, b.Proto), a.Addr.Compare(b.Addr),
		compareBools(a.Loopback, b.Loopback), compareBools(a.Anywhere, b.Anywhere))
}

func compareBackends(a, b Backend) int {
	return cmp.Or(a.Addr.Compare(b.Addr), cmp.Compare(a.Port, b.Port), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Proto, b.Proto),
		strings.Compare(a.Container, b.Container), compareBools(a.Asked, b.Asked))
}

func compareContainers(a, b Container) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID), compareBools(a.Behind, b.Behind))
}

// compareBools puts true first.
func compareBools(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
