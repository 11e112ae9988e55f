package bpf

import "time"

// The most drops that are told: Burst at once, and Rate a second from then on. A
// flood into a rule that drops it must not cost the host more than the rule does;
// what is beyond is counted.
const (
	Rate  = 500
	Burst = 2000
)

// pace is a token bucket. The zero value is full.
type pace struct {
	spent float64 // tokens
	last  time.Time
}

// allows takes a token, if there is one at that time.
func (p *pace) allows(now time.Time) bool {
	p.spent = max(0, p.spent-now.Sub(p.last).Seconds()*Rate)
	p.last = now
	if p.spent+1 > Burst {
		return false
	}
	p.spent++
	return true
}
