package otlp

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"dnatrace/correlate"
)

// traffic is what a host with some ports judges, a request at a time.
type traffic struct {
	r     *rand.Rand
	at    time.Time
	every time.Duration
	n     uint32
	fails int // one in so many
}

// next is a request of a client of its own to one of 20 ports, with the hops and words
// that such have.
func (t *traffic) next() *correlate.Incident {
	t.n++
	t.at = t.at.Add(t.every)
	i := answered(t.n)
	if int(t.n)%t.fails == 0 {
		i = dropped(t.n)
		i.Blind = []string{"nothing of the namespace of web is watched from inside"}
	}
	port := 8000 + t.r.IntN(20)
	o := began(t.r.Uint32())
	o.Stamp, o.At = t.r.Uint32(), t.at
	i.Openings = []correlate.Opening{o}
	i.First, i.Last = t.at, t.at.Add(time.Duration(t.r.IntN(5_000_000)))
	i.Client = fmt.Sprintf("203.0.113.%d:%d", t.r.IntN(254)+1, 1024+t.r.IntN(60_000))
	i.Requested, i.Container = fmt.Sprintf("198.51.100.1:%d", port), fmt.Sprintf("shop-web-%d", port)
	for k := range i.Hops {
		i.Hops[k].Time = t.at.Add(time.Duration(k*20_000 + t.r.IntN(20_000)))
	}
	answer := i.Hops[0]
	answer.Direction, answer.Kind, answer.Detail = "reply", correlate.HopAnswered, "200 bytes"
	if i.Verdict == correlate.Delivered {
		i.Hops = append(i.Hops, i.Hops[0], answer, answer)
	}
	return i
}

// A host that judges 1,000 requests a second, of which one in a hundred fails, sends at
// most 30 kB a second, with what is sent by default: docs/SCALE.md has the figures.
func TestWhatAHostSendsASecondIsBounded(t *testing.T) {
	hasten(t)
	gather = time.Second
	var b inbox
	url, _ := listening(t, &b, "http", "")
	e := start(t, Config{Endpoint: url, OneIn: 100, Waits: true})
	const seconds, rate = 30, 1000
	tr := traffic{r: rand.New(rand.NewPCG(1, 2)), at: noon, every: time.Second / rate, fails: 100}
	sent := 0
	for range seconds {
		for range rate {
			i := tr.next()
			if e.Sends(i) {
				sent++
			}
			e.Take(i)
		}
		until(t, "it is sent", func() bool { return e.Counts().Waiting == 0 }) // a second's worth at a time, as a live host has it
	}
	e.end()
	b.mu.Lock()
	defer b.mu.Unlock()
	a := float64(b.bytes) / seconds
	t.Logf("%d of %d requests are sent, in %d calls: %.0f bytes a second, %.0f a request that is sent", sent, seconds*rate, b.calls, a, float64(b.bytes)/float64(sent))
	if a > 30_000 {
		t.Errorf("%.0f bytes a second", a)
	}
}

// BenchmarkDelivery is what a delivery costs that is not sent: its name has to be known
// for that.
func BenchmarkDelivery(b *testing.B) {
	var in inbox
	url, _ := listening(b, &in, "http", "")
	e := start(b, Config{Endpoint: url, OneIn: 1 << 30})
	o := began(1)
	b.ReportAllocs()
	for k := 0; b.Loop(); k++ {
		o.Number = uint32(k)
		if e.Wants(o) {
			b.Fatal("one in 2³⁰ comes soon")
		}
	}
}
