package correlate

import (
	"container/heap"
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

// deadlineHeap holds the few deadlines that were moved; all others sit in
// queues of one delay each, which need no sorting.
type deadlineHeap []deadline

func (h deadlineHeap) Len() int { return len(h) }
func (h deadlineHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].number < h[j].number
}
func (h deadlineHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is for container/heap.
func (h *deadlineHeap) Push(x any) { *h = append(*h, x.(deadline)) }

// Pop is for container/heap.
func (h *deadlineHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// after arms a deadline in a queue whose delay is always the same.
func (t *Tracker) after(q *queue[deadline], delay time.Duration, req uint32) {
	d := deadline{at: t.now + int64(delay), req: req, number: t.requests.at(req).number}
	q.push(d)
	t.due = min(t.due, d.at)
}

// rearm arms a deadline at any time.
func (t *Tracker) rearm(at int64, req uint32) {
	heap.Push(&t.rearmed, deadline{at: at, req: req, number: t.requests.at(req).number})
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

// readAhead is how many deadlines are read ahead of. What is needed of a request
// lies in three places that lead to each other, and was not looked at for a
// while: this way the waits for memory overlap.
const readAhead = 16

// usualLegs is how many legs a request has: before the translation, behind it,
// and in the container.
const usualLegs = 3

// touchNext reads what meeting the next deadlines of a queue will need, once
// for all of them. To let a request go takes the indexes it is found by, too.
func (t *Tracker) touchNext(q *queue[deadline], gone bool) {
	if q.head%readAhead != 0 {
		return
	}
	var requests [readAhead]*reqRecord
	warm, n := uint64(0), min(readAhead, q.size)
	for i := range n {
		requests[i] = t.requests.at(q.peek(i).req)
	}
	var next [readAhead]uint32
	for i, r := range requests[:n] {
		if next[i] = 0; r.number != 0 {
			next[i] = r.client + 1
		}
		if gone {
			warm += t.ends.slots[t.ends.first(r.end)] + t.carried.slots[t.carried.first(r.carried)]
		}
	}
	for range usualLegs {
		for i, leg := range next[:n] {
			if leg == 0 {
				continue
			}
			g := t.legs.slab.at(leg - 1)
			if gone {
				warm += t.legs.index.slots[t.legs.index.first(g.hash)]
			} else {
				warm += uint64(g.seen[1].first) + uint64(g.seen[3].count)
			}
			next[i] = g.next
		}
	}
	t.warm += warm
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
		d = heap.Pop(&t.hurried).(deadline)
	case movedDeadline:
		d = heap.Pop(&t.rearmed).(deadline)
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
