package ruleset

import "dnatrace/decode"

// mostUndone bounds how many entries of sets are named that have to go.
const mostUndone = 8

// undo finds what has to change in sets for a rule that matched not to match, as
// the sets are now: the entries that decide, one after the other as each is gone,
// and what is lacking when there are none left.
func (e *evaluation) undo(l *lookedUp, i decode.XTSet) {
	n := l.ipset
	if n.later != nil {
		n = n.later
	}
	e.without = map[*decode.IPSetEntry]bool{}
	m := e.memberThen(n, i, 0)
	for m.why == "" && m.entry != nil && m.in != i.Not && len(e.without) < mostUndone {
		if len(e.without) > 0 {
			l.also = append(l.also, m)
		}
		e.without[m.entry] = true
		m = e.memberThen(n, i, 0)
	}
	e.without = nil
	switch {
	case m.why != "":
		l.stays = true
	case i.Not && m.entry == nil:
		l.lacks = e.lacked(n, i.IPSetRef)
		l.stays = l.lacks == "" && l.found.entry != nil
	default:
		l.stays = m.in != i.Not
	}
}
