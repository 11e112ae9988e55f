package probe

import "time"

// tries is how often a SYN without an answer is sent, and again the time between
// two. Datagrams are sent once: a server may do something for each.
const (
	tries = 2
	again = time.Second
)

// more is how long what follows the first bytes of an answer is waited for.
const more = 100 * time.Millisecond

// Phases of a conversation.
const (
	asked    = iota // nothing came back
	open            // the handshake is done
	over            // nothing is waited for any more, a reset was sent if one was due
	unheeded        // every try was made, and nothing came back: something may still
)

// talk is the made-up client's side of one conversation. It knows no clock and
// sends nothing: it returns the IP packets that are to be sent.
type talk struct {
	ask      *Ask
	wait     time.Duration
	phase    int
	isn      uint32
	next     uint32 // sequence number of what is sent next
	expected uint32 // of what is received next; 0 if nothing was
	acked    uint32 // of what the server has confirmed
	id       uint16 // of the next IP packet
	sent     int    // tries made
	due      time.Time
	heard    bool // anything came back
	spoke    bool // a server that has a connection of ours
	answered bool // more than the handshake did
	gone     bool // the server has reset the connection, or never had one
}

func newTalk(a *Ask, wait time.Duration, isn uint32, id uint16) *talk {
	return &talk{ask: a, wait: wait, isn: isn, next: isn + 1, id: id}
}

// begin makes the first try.
func (t *talk) begin(now time.Time) [][]byte { return t.try(now) }

func (t *talk) try(now time.Time) [][]byte {
	t.sent++
	t.due = now.Add(again)
	switch t.ask.Proto {
	case TCP:
		return t.segments(segment{seq: t.isn, flags: syn, options: synOptions(t.ask.Client.Addr().Is4())})
	case UDP:
		return [][]byte{udpPacket(t.ask, t.number())}
	}
	return [][]byte{echoPacket(t.ask, t.number(), uint16(t.sent))}
}

func (t *talk) number() uint16 {
	t.id++
	return t.id
}

func (t *talk) segments(all ...segment) (out [][]byte) {
	for _, s := range all {
		out = append(out, tcpPacket(t.ask, t.number(), s))
	}
	return out
}

// tick does what is due.
func (t *talk) tick(now time.Time) [][]byte {
	if t.settled() || now.Before(t.due) {
		return nil
	}
	switch {
	case t.phase == open && t.answered, t.phase == open && t.sent > 1, t.phase == open && len(t.ask.Data) == 0:
		return t.leave()
	case t.phase == open: // the data was lost, or waits: a client sends it again
		t.sent++
		t.due = now.Add(t.wait)
		return t.segments(t.data())
	case t.heard:
		t.phase = over
	case t.sent < tries && t.ask.Proto != UDP:
		return t.try(now)
	default:
		t.phase = unheeded
	}
	return nil
}

func (t *talk) data() segment {
	return segment{seq: t.isn + 1, ack: t.expected, flags: psh | ack, data: t.ask.Data}
}

// settled reports whether nothing is to be done but to listen.
func (t *talk) settled() bool { return t.phase == over || t.phase == unheeded }

// hear takes what came for the made-up client.
func (t *talk) hear(h heard, now time.Time) [][]byte {
	if !h.quotes && h.from != t.ask.Server {
		return t.stray(h)
	}
	t.heard = true
	if h.flags&ack != 0 && h.ack == t.next {
		t.acked = h.ack
	}
	if h.quotes || t.ask.Proto != TCP {
		t.answered = t.answered || !h.quotes
		t.gone = t.gone || h.quotes && !t.spoke // there is nothing to reset
		if t.phase != over {
			t.phase, t.due = asked, now.Add(more)
		}
		return nil
	}
	if h.flags&rst != 0 {
		t.phase, t.gone = over, true
		return nil
	}
	t.spoke = true
	switch {
	case t.phase == over: // it has not heard of the reset, or not believed it
		return t.refuse(h)
	case h.flags&(syn|ack) == syn|ack:
		return t.shake(h, now)
	case t.phase == open:
		return t.take(h, now)
	}
	return t.refuse(h) // an answer to what we have not said: a connection of before
}

// stray answers what comes from somebody who was not asked as any client's kernel
// does: with a reset. It is no answer.
func (t *talk) stray(h heard) [][]byte {
	if t.ask.Proto != TCP || h.flags&(rst|ack) != ack {
		return nil
	}
	t.spoke = true
	other := *t.ask
	other.Server = h.from
	return [][]byte{tcpPacket(&other, t.number(), segment{seq: h.ack, flags: rst})}
}

// shake takes a SYN-ACK, of which there may be several.
func (t *talk) shake(h heard, now time.Time) [][]byte {
	if h.ack != t.isn+1 {
		return t.refuse(h)
	}
	t.expected = h.seq + 1
	done := segment{seq: t.next, ack: t.expected, flags: ack}
	if t.phase == open {
		return t.segments(done)
	}
	t.phase, t.sent, t.due = open, 1, now.Add(Quiet)
	if h.near {
		t.due = now.Add(quietHost)
	}
	if len(t.ask.Data) == 0 {
		return t.segments(done)
	}
	t.due = now.Add(min(again, t.wait))
	t.next = t.isn + 1 + uint32(len(t.ask.Data))
	done.seq = t.isn + 1
	return t.segments(done, t.data())
}

// take takes a segment of an open connection.
func (t *talk) take(h heard, now time.Time) [][]byte {
	if h.size == 0 && h.flags&fin == 0 {
		return nil
	}
	if h.seq != t.expected { // out of order, or once more
		return t.segments(segment{seq: t.next, ack: t.expected, flags: ack})
	}
	t.expected += h.size
	if h.size > 0 && !t.answered {
		t.answered, t.due = true, now.Add(more)
	}
	if h.flags&fin == 0 {
		return t.segments(segment{seq: t.next, ack: t.expected, flags: ack})
	}
	t.expected++
	return append(t.segments(segment{seq: t.next, ack: t.expected, flags: ack}), t.leave()...)
}

// leave resets the connection.
func (t *talk) leave() [][]byte {
	t.phase = over
	return t.reset()
}

// reset has the server forget the connection, whatever of ours it has received:
// a reset counts only at the very place where the next byte is expected.
func (t *talk) reset() [][]byte {
	if t.ask.Proto != TCP || t.gone {
		return nil
	}
	s := segment{seq: t.next, ack: t.expected, flags: rst}
	if t.expected != 0 {
		s.flags |= ack
	}
	out := t.segments(s)
	if s.seq = t.isn + 1; s.seq != t.next && t.acked != t.next {
		out = append(out, t.segments(s)...)
	}
	return out
}

// refuse resets at the place that the other side asks for.
func (t *talk) refuse(h heard) [][]byte {
	return t.segments(segment{seq: h.ack, flags: rst})
}
