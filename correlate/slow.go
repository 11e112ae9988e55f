package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dnatrace/decode"
)

// slow is what is worth a note.
const slow = time.Second

// slowness says where the time of a slow handshake, or of a slow answer, went.
func (p *path) slowness(t Timing) []string {
	var notes []string
	if t.Connect > slow.Seconds() {
		notes = append(notes, fmt.Sprintf("slow: the handshake took %.1f s, %s", t.Connect, p.longestHop(p.r.synAck)))
	}
	if t.FirstByte > slow.Seconds() {
		notes = append(notes, fmt.Sprintf("slow: the first byte of the answer took %.1f s, %s", t.FirstByte, p.slowHop()))
	}
	return notes
}

// slowHop says on which side of the server's door the time of an answer went.
// Of a connection, the handshake has gone the same way: what that did not take
// is the server's.
func (p *path) slowHop() string {
	switch {
	case p.tuple.Proto != decode.TCP:
		return p.longestHop(p.r.answered)
	case p.served() == p.client:
		return "behind " + p.clientPoint().Name
	}
	return "most of it inside " + p.name()
}

// longestHop names the two points between which most of the time until end went
// by, one way or the other, or the server between them.
func (p *path) longestHop(end int64) string {
	way := slices.Concat(p.going, p.coming)
	way = slices.DeleteFunc(way, func(s stop) bool { return s.first > end })
	slices.SortStableFunc(way, func(a, b stop) int { return cmp.Compare(a.first, b.first) })
	longest, text := int64(0), "behind "+p.clientPoint().Name
	for i := 1; i < len(way); i++ {
		from, to := way[i-1], way[i]
		if to.first-from.first <= longest {
			continue
		}
		longest = to.first - from.first
		text = fmt.Sprintf("between %s and %s", from.at.Name, to.at.Name)
		if from.way == request && to.way == reply {
			text = "behind " + from.at.Name
			if len(way) > 2 && from.leg != p.client {
				text = "inside " + p.name()
			}
		}
		if from.at == to.at && from.way == to.way {
			text = "at " + from.at.Name
		}
	}
	return strings.TrimSpace(fmt.Sprintf("%.1f s of it %s", float64(longest)/1e9, text))
}
