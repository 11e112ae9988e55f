// Package watch keeps what the command of that name shows: for every published
// port what is asked of it, what became of that, how fast, and the last requests.
// A Model is fed with Incidents and with the ports there are, and holds a bounded
// number of bytes whatever strangers send. A View lays it out on a screen of any
// size, as a pure function, and moves about in it key by key.
//
// The package decides nothing about a request. Time is an argument: it reads no
// clock, starts no goroutine and opens nothing. It must not import capture.
package watch

import (
	"net/netip"
	"slices"
	"time"

	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

// Bounds of a Model. What they leave out is counted.
const (
	// DefaultBytes is what requests and kinds of failures may take, by estimate.
	DefaultBytes = 24 << 20

	mostPorts = 2048    // rows in all; a requested port beyond goes to the row of the others
	mostAsked = 256     // of them, of ports that nobody publishes
	mostTold  = 1 << 16 // requests that were not delivered and may be judged again; the oldest are forgotten
)

// othersName is the name of the row of what there was no room for.
const othersName = "others"

// Model is the state of what is watched. It is not safe for concurrent use.
type Model struct {
	bytes int

	began, now time.Time
	target     string
	ports      []*Port
	byPort     map[door][]*Port   // published, by protocol and port of the host
	byAsked    map[string]*Port   // what nobody publishes, by what was asked for
	others     *Port              // what there was no room for; nil while there is
	told       map[string]counted // what was not delivered, by id
	order      []string           // their ids, by age
	forgot     bool               // some are not in it any more

	total    Port // of all ports
	status   correlate.Status
	floods   []correlate.FloodReport // the last ones
	interval interval

	observer *Observer // may be nil
	awaited  awaited   // for its sake
}

// door is what a request knocks at.
type door struct {
	protocol string
	port     uint16
}

// counted says how a request was counted that may be judged again.
type counted struct {
	port    *Port
	kind    *Group // nil: one of port.uncounted
	verdict correlate.Verdict

	settled bool              // the observer was told
	as      correlate.Verdict // what it was told last
	failed  bool              // it was told, at any time, that the request failed
}

// New makes a Model that watches a target as it was given; "" is all published
// ports. Of bytes, 0 is DefaultBytes.
func New(target string, bytes int) *Model {
	if bytes == 0 {
		bytes = DefaultBytes
	}
	return &Model{bytes: bytes, target: target, byPort: map[door][]*Port{}, byAsked: map[string]*Port{}, told: map[string]counted{}, total: Port{name: "all"}}
}

// Advance moves the time of the stream.
func (m *Model) Advance(now time.Time) {
	if m.began.IsZero() && !now.IsZero() {
		m.began = now
	}
	if now.After(m.now) {
		m.now = now
		m.overdue()
	}
}

// Now is the time of the stream.
func (m *Model) Now() time.Time { return m.now }

// Status takes how far the run has come.
func (m *Model) Status(s correlate.Status) { m.status = s }

// Target sets what is watched, as a recording says it.
func (m *Model) Target(s string) { m.target = s }

// Flood takes that a flood is under way.
func (m *Model) Flood(f *correlate.FloodReport) {
	const most = 4
	if m.floods = append(m.floods, *f); len(m.floods) > most {
		m.floods = slices.Delete(m.floods, 0, 1)
	}
}

// Pending reports whether something was judged since the last interval.
func (m *Model) Pending() bool { return m.interval.sum != tally{} }

// Take counts a request, or counts it anew where it was judged before.
func (m *Model) Take(i *correlate.Incident) {
	if m.now.IsZero() {
		m.Advance(i.Last)
	}
	p, was, known := m.counting(i)
	n := news{first: !known, failed: failed(i.Verdict) && !(known && failed(was.verdict))}
	if known {
		p.uncount(was)
		m.total.uncount(was)
	}
	c := p.count(i, m.now, n)
	m.total.tally(i.Verdict, i.Timing, m.now, n)
	m.interval.count(c, was, i.Verdict, i.Timing, n)
	if m.observer != nil {
		m.settle(i, &c, was)
	}
	if known || i.Verdict != correlate.Delivered || !i.Final {
		m.remember(i.ID, c)
	}
}

// remember keeps how a request was counted, final or not: a client that goes on
// trying has it judged once more.
func (m *Model) remember(id string, c counted) {
	if _, had := m.told[id]; !had {
		if len(m.told) >= mostTold {
			m.giveUp(m.order[0])
			delete(m.told, m.order[0])
			m.order, m.forgot = m.order[1:], true
		}
		m.order = append(m.order, id)
	}
	m.told[id] = c
}

// plainEvery is how often a delivery to a port is wanted in full, to be looked at.
const plainEvery = 500 * time.Millisecond

// Plain counts a delivery that is told in few words, unless it is wanted in full:
// then it answers false.
func (m *Model) Plain(r correlate.Plain) bool {
	p := m.published(door{r.Protocol.String(), r.Requested.Port()}, r.Requested.Addr(), "")
	if p == nil || m.now.Sub(p.shown) >= plainEvery {
		return false
	}
	n, c := news{first: true}, counted{port: p, verdict: correlate.Delivered}
	for _, q := range []*Port{p, &m.total} {
		q.tally(correlate.Delivered, r.Timing, m.now, n)
	}
	m.interval.count(c, counted{}, correlate.Delivered, r.Timing, n)
	if m.observer != nil {
		m.observer.Settled(Settled{Port: p, Verdict: correlate.Delivered, Cause: correlate.CauseNone, Timing: r.Timing})
	}
	return true
}

// news is what an incident says that was not known.
type news struct {
	first  bool // the request was not told before
	failed bool // that it failed was not
}

// counting is the port that a request is counted at, and how it was counted
// before, if it was.
func (m *Model) counting(i *correlate.Incident) (p *Port, was counted, known bool) {
	if was, known = m.told[i.ID]; known {
		return was.port, was, true
	}
	p = m.portOf(i)
	if i.Rev <= 1 {
		return p, was, false
	}
	// It was delivered, or is forgotten.
	if m.forgot && i.Verdict != correlate.Delivered {
		return p, counted{port: p, kind: p.groupOf(i), verdict: i.Verdict, settled: true, as: i.Verdict, failed: failed(i.Verdict)}, true
	}
	return p, counted{port: p, verdict: correlate.Delivered, settled: true, as: correlate.Delivered}, true
}

// portOf is the row of a request: that of the mapping it asked for, else one of
// its own.
func (m *Model) portOf(i *correlate.Incident) *Port {
	at, err := netip.ParseAddrPort(i.Requested)
	if err == nil && i.Via != correlate.ViaDirect && i.Cause != correlate.CauseDirectAccess {
		if p := m.published(door{i.Protocol, at.Port()}, at.Addr(), i.Container); p != nil {
			return p
		}
	}
	key := i.Requested + "/" + i.Protocol
	if p := m.byAsked[key]; p != nil {
		return p
	}
	if len(m.byAsked) >= mostAsked || len(m.ports) >= mostPorts {
		if m.others == nil {
			m.others = m.add(&Port{name: othersName, asked: true})
		}
		return m.others
	}
	p := m.add(&Port{name: key, protocol: i.Protocol, container: i.Container, project: i.Project, service: i.Service, hostPort: at.Port(), asked: true,
		direct: i.Via == correlate.ViaDirect || i.Cause == correlate.CauseDirectAccess})
	m.byAsked[key] = p
	return p
}

func (m *Model) add(p *Port) *Port {
	m.ports = append(m.ports, p)
	m.share()
	return p
}

// share divides what requests may take among the ports.
func (m *Model) share() {
	each := m.bytes / max(1, len(m.ports))
	for _, p := range m.ports {
		p.room = each
		p.trim()
	}
}

// published is the row of the mapping that an address and port of the host belong
// to; the container decides where several may.
func (m *Model) published(d door, ip netip.Addr, container string) *Port {
	var found *Port
	for _, p := range m.byPort[d] {
		switch {
		case !p.takes(ip):
			continue
		case p.container == container:
			return p
		case found == nil:
			found = p
		}
	}
	return found
}

// SetPorts takes the ports that there are now. What was counted at one that is
// gone stays.
func (m *Model) SetPorts(list []foresee.Port) {
	m.makeRoom(list)
	for _, p := range m.ports {
		p.there = false
	}
	m.byPort = map[door][]*Port{}
	for k := range list {
		if q := &list[k]; q.HostPort != 0 && (q.Published || q.Asked) {
			m.setPort(q)
		}
	}
	m.ports = slices.DeleteFunc(m.ports, func(p *Port) bool { return !p.there && !p.asked && p.requests() == 0 })
	for _, p := range m.ports {
		if !p.there && !p.asked {
			d := door{p.protocol, p.hostPort}
			m.byPort[d] = append(m.byPort[d], p) // behind those that are there
		}
	}
	m.share()
	if m.observer != nil {
		m.observer.Listed(m.ports)
	}
}

// mapped tells the rows of mappings apart.
type mapped struct {
	door
	container string
}

// makeRoom lets rows of mappings go that are not listed any more, those first that
// were asked the longest time ago, as far as a list has new ones that need the room:
// containers come and go under new names for as long as a run lasts.
func (m *Model) makeRoom(list []foresee.Port) {
	fresh := map[mapped]bool{}
	for k := range list {
		fresh[mapped{door{list[k].Protocol, list[k].HostPort}, list[k].Container}] = true
	}
	var gone []*Port
	for _, p := range m.ports {
		key := mapped{door{p.protocol, p.hostPort}, p.container}
		if !p.asked && !fresh[key] {
			gone = append(gone, p)
		}
		delete(fresh, key)
	}
	excess := min(len(m.ports)+len(fresh)-mostPorts, len(gone))
	if excess <= 0 {
		return
	}
	slices.SortStableFunc(gone, func(a, b *Port) int { return a.at.Compare(b.at) })
	let := map[*Port]bool{}
	for _, p := range gone[:excess] {
		p.there, let[p] = false, true
	}
	m.ports = slices.DeleteFunc(m.ports, func(p *Port) bool { return let[p] })
}

// setPort enters one mapping. Those of one container on several addresses are one
// row.
func (m *Model) setPort(q *foresee.Port) {
	d := door{q.Protocol, q.HostPort}
	i := slices.IndexFunc(m.ports, func(p *Port) bool {
		return !p.asked && p.hostPort == q.HostPort && p.protocol == q.Protocol && p.container == q.Container
	})
	var p *Port
	switch {
	case i >= 0:
		p = m.ports[i]
	case len(m.ports) >= mostPorts:
		return // its requests go to the row of the others
	default:
		p = &Port{protocol: q.Protocol, hostPort: q.HostPort, container: q.Container, project: q.Project, service: q.Service}
		m.ports = append(m.ports, p)
	}
	if !p.there {
		p.addresses = p.addresses[:0]
		m.byPort[d] = append(m.byPort[d], p)
	}
	p.set(q)
}

// Ports are the rows, in no order.
func (m *Model) Ports() []*Port { return m.ports }

// Clone is a copy that what comes later leaves alone. Requests are shared, as they
// never change.
func (m *Model) Clone() *Model {
	c := New(m.target, m.bytes)
	c.began, c.now, c.status = m.began, m.now, m.status
	c.floods = slices.Clone(m.floods)
	for _, p := range m.ports {
		c.ports = append(c.ports, p.clone())
	}
	c.total = *m.total.clone()
	return c
}
