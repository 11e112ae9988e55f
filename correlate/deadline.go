package correlate

import (
	"math"
	"time"
)

// deadline asks for request req at event time at, if it is still the one
// numbered number.
type deadline struct {
	at     int64
	req    uint32
	number uint32
}

// deadlineHeap holds the deadlines that were moved, the earliest first; all others
// sit in queues of one delay each, which need no sorting. container/heap would
// allocate for each of them.
type deadlineHeap []deadline

func (d *deadline) before(o *deadline) bool {
	return d.at < o.at || d.at == o.at && d.number < o.number
}

func (h *deadlineHeap) push(d deadline) {
	s := append(*h, d)
	i := len(s) - 1
	for i > 0 {
		up := (i - 1) / 2
		if !d.before(&s[up]) {
			break
		}
		s[i], i = s[up], up
	}
	s[i], *h = d, s
}

// pop takes the earliest; the heap is not empty.
func (h *deadlineHeap) pop() deadline {
	s := *h
	first, last := s[0], s[len(s)-1]
	s = s[:len(s)-1]
	i := 0
	for next := 1; next < len(s); next = 2*i + 1 {
		if next+1 < len(s) && s[next+1].before(&s[next]) {
			next++
		}
		if !s[next].before(&last) {
			break
		}
		s[i], i = s[next], next
	}
	if len(s) > 0 {
		s[i] = last
	}
	*h = s
	return first
}

// after arms a deadline in a queue whose delay is always the same.
func (t *Tracker) after(q *queue[deadline], delay time.Duration, req uint32) {
	d := deadline{at: t.now + int64(delay), req: req, number: t.requests.at(req).number}
	q.push(d)
	t.due = min(t.due, d.at)
}

// rearm arms a deadline at any time.
func (t *Tracker) rearm(at int64, req uint32) {
	t.rearmed.push(deadline{at: at, req: req, number: t.requests.at(req).number})
	t.due = min(t.due, at)
}

// fire meets every deadline before now, in order of time. The clock of what it
// does is the deadline's, so that the outcome does not depend on when the next
// record happens to come.
func (t *Tracker) fire(now int64) {
	for {
		q, at := t.earliest()
		t.due = at
		if at >= now {
			return
		}
		t.now = max(t.now, at)
		t.meet(q)
	}
}

type deadlineKind int

const (
	noDeadline deadlineKind = iota
	settleDeadline
	windowDeadline
	movedDeadline
	hurriedDeadline
	lingerDeadline
	idleDeadline
	orphanDeadline
)

func (t *Tracker) earliest() (deadlineKind, int64) {
	kind, at := noDeadline, int64(math.MaxInt64)
	consider := func(k deadlineKind, q *queue[deadline]) {
		if !q.empty() && q.front().at < at {
			kind, at = k, q.front().at
		}
	}
	consider(settleDeadline, &t.settling)
	consider(windowDeadline, &t.windows)
	consider(lingerDeadline, &t.lingering)
	consider(idleDeadline, &t.idling)
	if len(t.rearmed) > 0 && t.rearmed[0].at < at {
		kind, at = movedDeadline, t.rearmed[0].at
	}
	if len(t.hurried) > 0 && t.hurried[0].at < at {
		kind, at = hurriedDeadline, t.hurried[0].at
	}
	if !t.orphans.empty() && t.orphans.front().at < at {
		kind, at = orphanDeadline, t.orphans.front().at
	}
	return kind, at
}

func (t *Tracker) meet(k deadlineKind) {
	var d deadline
	switch k {
	case settleDeadline:
		t.touchNext(&t.settling, false)
		d = t.settling.pop()
	case windowDeadline:
		t.touchNext(&t.windows, false)
		d = t.windows.pop()
	case lingerDeadline:
		t.touchNext(&t.lingering, true)
		d = t.lingering.pop()
	case idleDeadline:
		t.touchNext(&t.idling, true)
		d = t.idling.pop()
	case hurriedDeadline:
		d = t.hurried.pop()
	case movedDeadline:
		d = t.rearmed.pop()
	case orphanDeadline:
		t.forgetOrphan(t.orphans.pop())
		return
	}
	r := t.requests.at(d.req)
	if r.number != d.number {
		return // closed and forgotten meanwhile
	}
	switch k {
	case settleDeadline, hurriedDeadline:
		t.settled(d.req, r, d.at)
	case lingerDeadline:
		t.forget(d.req)
	case idleDeadline:
		t.idled(d.req, r, d.at)
	default:
		t.windowOver(d.req, r, d.at)
	}
}
