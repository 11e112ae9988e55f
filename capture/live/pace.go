package live

import (
	"fmt"
	"time"
)

// pace says when the rule trace rests. As long as packets can be marked, every
// chain that a packet meets costs the kernel more, marked or not, on the whole
// machine (nft_trace_init, net/netfilter/nf_tables_trace.c): 4 to 8 % of what a
// datagram takes. In a flood nearly no packet is marked for that, as few are a
// second. So the trace rests while one goes on, but for a moment now and then.
// The zero value traces.
type pace struct {
	resting bool
	since   time.Time     // when it began to
	rested  time.Duration // before that
	failed  time.Time     // when the traces could last not be changed; zero if they could
}

// The trace rests for restLong while more than flood packets a second are
// captured, and for restShort at least, as each change of rules disturbs whoever
// is reading them.
const (
	flood     = 40_000
	paceEvery = 200 * time.Millisecond
	restShort = 2 * time.Second
	restLong  = 10 * time.Second
)

// next takes how many packets were captured since the last call, paceEvery ago or
// longer, and reports whether the traces are to be changed: to rest from now on,
// to go on, or once more, as they could not be changed before.
func (p *pace) next(now time.Time, packets uint64, took time.Duration) (changed bool) {
	again := !p.failed.IsZero() && now.Sub(p.failed) >= restShort
	busy := float64(packets) > flood*took.Seconds()
	switch rest := now.Sub(p.since); {
	case !p.resting && busy:
		p.resting, p.since = true, now
		return true
	case p.resting && (rest >= restLong || rest >= restShort && !busy):
		p.end(now)
		return true
	}
	return again
}

// did notes whether the traces could be changed.
func (p *pace) did(now time.Time, err error) {
	p.failed = time.Time{}
	if err != nil {
		p.failed = now
	}
}

// end ends a rest.
func (p *pace) end(now time.Time) {
	p.rested, p.resting = p.restedUntil(now), false
}

func (p *pace) restedUntil(now time.Time) time.Duration {
	if p.resting {
		return p.rested + now.Sub(p.since)
	}
	return p.rested
}

// why tells of the rest there has been; "" of none.
func (p *pace) why(now time.Time) string {
	if p.rested == 0 && !p.resting {
		return ""
	}
	return fmt.Sprintf("rested for %.1f s while more than %d packets a second were captured", p.restedUntil(now).Seconds(), flood)
}
