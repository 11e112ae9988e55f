package watch

import (
	"slices"
	"time"

	"dnatrace/correlate"
)

// Observer is told what a Model counts for good, by whoever feeds the Model. What
// it is told is as strangers wrote it, and not fit to be shown.
type Observer struct {
	// Settled is told of each request once, when its judgement is final for the
	// first time, and of each time that a later one says something else.
	Settled func(Settled)
	// Listed is told the rows, each time that the ports are listed anew. They are
	// valid until the Model is fed again.
	Listed func([]*Port)
}

// Settled is a request whose judgement is final.
type Settled struct {
	Port    *Port
	Verdict correlate.Verdict
	Cause   correlate.Cause
	Timing  correlate.Timing

	Again  bool              // it was settled before, as Was; Timing is not news
	Was    correlate.Verdict // if Again
	Failed bool              // that it did not get through was never told

	Incident *correlate.Incident // nil where few words were told of it, or it had to be let go before it was final
}

// How many requests may be told at once and wait for the word that this is final,
// and for how long: many windows. Beyond that, the earliest are settled as they
// stand: who sends a lot may have them forgotten before.
const (
	mostAwaited  = 1 << 13
	awaitedFor   = time.Minute
	awaitedTwice = 2 * mostAwaited
)

// awaited are requests that were told and are not final, by id.
type awaited struct {
	by    map[string]Settled
	order []waiter // by age, and some that do not wait any more
}

// waiter is a request that waits since it was told first.
type waiter struct {
	id    string
	since time.Time // of the stream
}

// Observe has somebody told what is counted. It is for before anything is.
func (m *Model) Observe(o Observer) { m.observer = &o }

// settle tells the observer of a request that was counted as c, and before that as
// was; the zero value if it was not.
func (m *Model) settle(i *correlate.Incident, c *counted, was counted) {
	c.settled, c.as, c.failed = was.settled, was.as, was.failed
	switch s := (Settled{Port: c.port, Verdict: i.Verdict, Cause: i.Cause, Timing: i.Timing, Incident: i}); {
	case !i.Final:
		if !c.settled {
			m.awaited.put(waiter{i.ID, m.now}, s)
			m.overdue()
		}
	case !c.settled:
		m.awaited.take(i.ID)
		c.tell(m, s)
	case c.as != i.Verdict:
		s.Again, s.Was = true, c.as
		c.tell(m, s)
	}
}

// tell tells the observer, and notes what.
func (c *counted) tell(m *Model, s Settled) {
	s.Failed = failed(s.Verdict) && !c.failed
	c.settled, c.as, c.failed = true, s.Verdict, c.failed || s.Failed
	m.observer.Settled(s)
}

// overdue settles those that have waited for too long, or have no place any more.
func (m *Model) overdue() {
	a := &m.awaited
	for len(a.order) > 0 && (len(a.by) > mostAwaited || m.now.Sub(a.order[0].since) > awaitedFor) {
		id := a.order[0].id
		a.order = a.order[1:]
		m.giveUp(id)
	}
}

// giveUp settles a request as it stands, if it waits.
func (m *Model) giveUp(id string) {
	s, waits := m.awaited.take(id)
	if !waits {
		return
	}
	c, known := m.told[id]
	if !known {
		c = counted{port: s.Port}
	}
	if c.tell(m, s); known {
		m.told[id] = c
	}
}

// put has a request wait, as it was told last.
func (a *awaited) put(w waiter, s Settled) {
	if a.by == nil {
		a.by = map[string]Settled{}
	}
	s.Incident = nil // it may be large
	_, waits := a.by[w.id]
	if a.by[w.id] = s; waits {
		return
	}
	if a.order = append(a.order, w); len(a.order) > awaitedTwice {
		a.order = slices.DeleteFunc(a.order, func(w waiter) bool { _, waits := a.by[w.id]; return !waits })
	}
}

func (a *awaited) take(id string) (s Settled, waits bool) {
	s, waits = a.by[id]
	delete(a.by, id)
	return s, waits
}

// Mapping says which row it is: what of the host, or of a container.
type Mapping struct {
	Port      uint16 // of the host, published or not; of the container where Direct; 0 if none was asked for
	Protocol  string
	Container string
	Project   string // compose's
	Service   string
	Direct    bool // a container's own address was asked
	Others    bool // the row of all that had no room
	There     bool // it is published now
}

// Mapping is the row's.
func (p *Port) Mapping() Mapping {
	return Mapping{
		Port: p.hostPort, Protocol: p.protocol, Container: p.container, Project: p.project, Service: p.service,
		Direct: p.direct, Others: p.name == othersName, There: p.there,
	}
}
