package capture

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// step is what a scripted source does next: wait, then hand out a batch.
type step struct {
	wait  time.Duration
	batch Batch
	err   error
}

// script is a source that does its steps. It hands everything out in one
// batch and one arena, which it spoils afterwards, as a ring may.
func script(steps ...step) Source {
	return func(ctx context.Context) iter.Seq2[*Batch, error] {
		return func(yield func(*Batch, error) bool) {
			for _, s := range steps {
				select {
				case <-time.After(s.wait):
				case <-ctx.Done():
					return
				}
				b := s.batch
				b.Arena, b.Packets = slices.Clone(b.Arena), slices.Clone(b.Packets)
				ok := s.err == nil && yield(&b, nil) || s.err != nil && yield(nil, s.err)
				clear(b.Packets)
				clear(b.Arena)
				if !ok {
					return
				}
			}
		}
	}
}

// thenIdle is s, then silence until ctx ends.
func thenIdle(s Source) Source {
	return func(ctx context.Context) iter.Seq2[*Batch, error] {
		return func(yield func(*Batch, error) bool) {
			for b, err := range s(ctx) {
				if !yield(b, err) {
					return
				}
			}
			<-ctx.Done()
		}
	}
}

// frames is a batch of packets that say who sent them and when, for times in
// ns. Until is the last one's.
func frames(who string, times ...int64) Batch {
	var b Batch
	for _, t := range times {
		text := fmt.Sprintf("%s%d", who, t)
		b.Packets = append(b.Packets, Packet{Time: t, Off: uint32(len(b.Arena)), Len: uint32(len(text)), Orig: uint32(len(text))})
		b.Arena = append(b.Arena, text+"--gap--"...)
		b.Until = t
	}
	return b
}

func notes(who string, times ...int64) Batch {
	var b Batch
	for _, t := range times {
		b.Records = append(b.Records, Record{Time: t, Data: fmt.Appendf(nil, "%s%d!", who, t)})
		b.Until = t
	}
	return b
}

func unpromised(b Batch) Batch { b.Until = 0; return b }

// told is what the merged stream said: one word a batch, items joined by +.
type told struct {
	batches []string
	when    []time.Duration // since the start, of each batch
	broken  []string
	until   int64
	last    int64
	next    uint64
}

func (o *told) items() string {
	return strings.ReplaceAll(strings.Join(o.batches, " "), "+", " ")
}

func (o *told) add(b *Batch, start time.Time) {
	var words []string
	for i, p := range b.Packets {
		if i == 0 && b.First != o.next+1 {
			o.broken = append(o.broken, fmt.Sprintf("frame %d follows frame %d", b.First, o.next))
		}
		o.next++
		words = append(words, string(b.Arena[p.Off:p.Off+p.Len]))
		o.see(p.Time)
	}
	for _, r := range b.Records {
		words = append(words, string(r.Data))
		o.see(r.Time)
	}
	o.until = max(o.until, b.Until)
	if len(words) > 0 {
		o.batches = append(o.batches, strings.Join(words, "+"))
		o.when = append(o.when, time.Since(start))
	}
}

func (o *told) see(t int64) {
	if t < o.last || t < o.until {
		o.broken = append(o.broken, fmt.Sprintf("%d came after %d, promised was %d", t, o.last, o.until))
	}
	o.last = max(o.last, t)
}

func merged(ctx context.Context, m *Merger) *told {
	o, start := &told{}, time.Now()
	for b := range m.Run(ctx) {
		o.add(b, start)
	}
	return o
}

func (o *told) wants(t *testing.T, items string) {
	t.Helper()
	if diff := cmp.Diff(items, o.items()); diff != "" {
		t.Error(diff)
	}
	for _, s := range o.broken {
		t.Error(s)
	}
}

func TestMergedInOrderOfTime(t *testing.T) {
	for _, tc := range []struct {
		name string
		add  map[string][]Batch
		want string
	}{
		{"two rings see the hops of one packet in turn",
			map[string][]Batch{"host": {frames("h", 10, 20, 50)}, "web": {frames("w", 30, 40, 60)}},
			"h10 h20 w30 w40 h50 w60"},
		{"evidence comes before a packet of its time",
			map[string][]Batch{"a": {frames("a", 10, 20)}, "b": {notes("b", 20)}},
			"a10 b20! a20"},
		{"at equal times sources go by name",
			map[string][]Batch{"b": {frames("b", 10, 10, 20)}, "a": {frames("a", 10, 20, 20)}, "c": {frames("c", 10)}},
			"a10 b10 b10 c10 a20 a20 b20"},
		{"one source goes on over several batches",
			map[string][]Batch{"a": {frames("a", 1, 2), frames("a", 3, 4), frames("a", 9)}, "b": {frames("b", 5)}},
			"a1 a2 a3 a4 b5 a9"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for range 20 { // maps add in another order each time
				synctest.Test(t, func(t *testing.T) {
					m := NewMerger(0)
					for name, batches := range tc.add {
						steps := []step{{wait: 0, batch: Batch{Until: 1}}}
						for _, b := range batches {
							steps = append(steps, step{wait: time.Duration(rand.IntN(5)) * time.Millisecond, batch: b})
						}
						m.Add(name, script(steps...))
					}
					merged(t.Context(), m).wants(t, tc.want)
				})
			}
		})
	}
}

func TestALongRunGoesOutWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times, later []int64
		for i := range int64(BatchSize) {
			times, later = append(times, 1+i), append(later, 1000+i)
		}
		m := NewMerger(0)
		m.Add("a", script(step{batch: Batch{Until: 1}}, step{batch: frames("a", times...)}, step{batch: Batch{Until: 2000}}))
		m.Add("b", script(step{batch: Batch{Until: 1}}, step{batch: frames("b", later...)}))
		o := merged(t.Context(), m)
		if len(o.batches) != 2 || o.next != 2*BatchSize {
			t.Errorf("%d packets in %d batches, want %d in 2", o.next, len(o.batches), 2*BatchSize)
		}
	})
}

func TestShortRunsGoOutTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMerger(0)
		var a, b []int64
		for i := range int64(100) {
			a, b = append(a, 10*i+1), append(b, 10*i+5)
		}
		m.Add("a", script(step{batch: Batch{Until: 1}}, step{wait: 1, batch: frames("a", a...)}))
		m.Add("b", script(step{batch: Batch{Until: 1}}, step{wait: 1, batch: frames("b", b...)}))
		o := merged(t.Context(), m)
		if o.next != 200 || len(o.batches) > 2 || len(o.broken) > 0 {
			t.Errorf("%d packets in %d batches, want 200 in one or two: %v", o.next, len(o.batches), o.broken)
		}
	})
}

// within a bubble, the clock starts at midnight UTC 2000-01-01.
func in(d time.Duration) int64 { return time.Now().Add(d).UnixNano() }

func TestASilentSourceIsWaitedForAsLongAsTheLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := NewMerger(100 * time.Millisecond)
		m.Add("conntrack", thenIdle(script()))
		m.Add("host", thenIdle(script(step{wait: 10 * time.Millisecond, batch: frames("", in(10*time.Millisecond))})))
		o := merged(ctx, m)
		if len(o.when) != 1 || o.when[0] < 110*time.Millisecond || o.when[0] > 112*time.Millisecond {
			t.Errorf("a packet of 10 ms went out at %v, want 110 ms", o.when)
		}
	})
}

func TestAnIdleRingThatPromisesHoldsNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMerger(100 * time.Millisecond)
		at := in(10 * time.Millisecond)
		m.Add("web", thenIdle(script(step{wait: 11 * time.Millisecond, batch: Batch{Until: at + 1}})))
		m.Add("host", thenIdle(script(step{wait: 10 * time.Millisecond, batch: frames("", at)})))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		o := merged(ctx, m)
		if len(o.when) != 1 || o.when[0] > 12*time.Millisecond {
			t.Errorf("a packet of 10 ms went out at %v, want 11 ms", o.when)
		}
	})
}

func TestARingBehindIsWaitedForBeyondTheLateness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMerger(100 * time.Millisecond)
		early, late := in(time.Millisecond), in(300*time.Millisecond)
		m.Add("web", script(step{batch: Batch{Until: early - 1}}, step{wait: 500 * time.Millisecond, batch: frames("w", early)}))
		m.Add("host", script(step{wait: 300 * time.Millisecond, batch: frames("h", late)}))
		merged(t.Context(), m).wants(t, fmt.Sprintf("w%d h%d", early, late))
		if m.Late() != 0 {
			t.Errorf("%d late", m.Late())
		}
	})
}

func TestARingThatFallsSilentDoesNotStallTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMerger(100 * time.Millisecond)
		m.Add("web", thenIdle(script(step{batch: Batch{Until: 1}})))
		m.Add("host", thenIdle(script(step{wait: time.Millisecond, batch: frames("", in(time.Millisecond))})))
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		o := merged(ctx, m)
		if len(o.when) != 1 || o.when[0] > 1100*time.Millisecond {
			t.Errorf("a packet went out at %v, want about 1 s", o.when)
		}
	})
}

// After a stop, as one by SIGSTOP of the whole process, some source is heard of
// first, and what it says is not the earliest.
func TestAStopOfTheConsumerIsNoSilenceOfTheSources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const stop = 5 * time.Second
		m := NewMerger(0)
		m.Add("host", script(step{batch: frames("h", 2)}, step{wait: stop, batch: frames("h", 4)}))
		m.Add("web", script(step{batch: frames("w", 1)}, step{wait: stop + 50*time.Millisecond, batch: frames("w", 3)}))
		o := &told{}
		for b := range m.Run(t.Context()) {
			if o.add(b, time.Now()); o.last == 1 {
				time.Sleep(stop)
			}
		}
		o.wants(t, "w1 h2 w3 h4")
	})
}

func TestARingThatFellSilentIsNotWaitedForAgainAfterEachStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const every, stop = 50 * time.Millisecond, 150 * time.Millisecond
		m := NewMerger(0)
		m.Add("web", thenIdle(script(step{batch: Batch{Until: 1}})))
		var steps []step
		for i := range time.Duration(100) {
			steps = append(steps, step{wait: every, batch: frames("", in((i+1)*every))})
		}
		m.Add("host", script(steps...))
		ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
		defer cancel()
		var worst time.Duration
		for b := range m.Run(ctx) {
			if n := len(b.Packets); n > 0 && b.First > 40 { // the silence is noticed by then
				worst = max(worst, time.Since(time.Unix(0, b.Packets[0].Time)))
				time.Sleep(stop)
			}
		}
		if worst > time.Second/2 {
			t.Errorf("a packet went out %v after its time", worst)
		}
	})
}

func TestWhatComesTooLateIsPassedOnAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMerger(10 * time.Millisecond)
		m.Add("a", script(step{batch: unpromised(frames("a", 100))}))
		m.Add("b", script(step{wait: time.Second, batch: frames("b", 50, 60, 100)}))
		o := merged(t.Context(), m)
		if o.items() != "a100 b50 b60 b100" || m.Late() != 2 {
			t.Errorf("%s, %d late; want b50 and b60 late", o.items(), m.Late())
		}
	})
}

func TestTimeMovesOnWhileNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := NewMerger(100 * time.Millisecond)
		m.Add("conntrack", thenIdle(script()))
		o := merged(ctx, m)
		if behind := in(0) - o.until; behind > int64(130*time.Millisecond) {
			t.Errorf("the promise is %v behind", time.Duration(behind))
		}
	})
}

func TestASourceThatFailsLeavesARecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMerger(0)
		m.Add("conntrack", script(step{batch: notes("c", 10)}, step{err: errors.New("read conntrack: no buffer space")}))
		m.Add("host", script(step{batch: frames("h", 5)}, step{wait: time.Second, batch: frames("h", 20)}))
		o := merged(t.Context(), m)
		if !strings.Contains(o.items(), `{"name":"conntrack","state":"failed","why":"read conntrack: no buffer space"}`) {
			t.Error("no record of the failure in", o.items())
		}
		if !strings.Contains(o.items(), "h20") {
			t.Error("the other source did not go on:", o.items())
		}
	})
}

func TestASourceAddedLaterIsMerged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMerger(0)
		m.Add("host", script(step{batch: frames("h", 10)}, step{wait: 600 * time.Millisecond, batch: frames("h", 30)}))
		go func() {
			time.Sleep(300 * time.Millisecond)
			m.Add("web", script(step{batch: frames("w", 20)}))
		}()
		merged(t.Context(), m).wants(t, "h10 w20 h30")
	})
}

func TestWhatSourcesStillSayAtTheEndIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parting := func(ctx context.Context) iter.Seq2[*Batch, error] {
			return func(yield func(*Batch, error) bool) {
				<-ctx.Done()
				for i := range int64(1000) {
					b := frames("r", 100+i)
					yield(&b, nil)
				}
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		m := NewMerger(0)
		m.Add("host", parting)
		m.Add("conntrack", thenIdle(script()))
		if o := merged(ctx, m); o.next != 1000 {
			t.Errorf("%d packets of 1000", o.next)
		}
	})
}

func TestAConsumerThatLeavesLeavesNothingBehind(t *testing.T) {
	endless := func(ctx context.Context) iter.Seq2[*Batch, error] {
		return func(yield func(*Batch, error) bool) {
			b := frames("e", 1)
			for ctx.Err() == nil && yield(&b, nil) {
			}
		}
	}
	m := NewMerger(time.Millisecond)
	m.Add("busy", endless)
	m.Add("idle", thenIdle(script()))
	for range m.Run(t.Context()) {
		time.Sleep(10 * time.Millisecond) // the busy source has no room left
		break
	}
	goleak.VerifyNone(t)
}

func TestASlowConsumerMakesSourcesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var handed atomic.Int64
		flood := func(ctx context.Context) iter.Seq2[*Batch, error] {
			return func(yield func(*Batch, error) bool) {
				for range 1000 {
					if b := frames("f", handed.Add(1)); !yield(&b, nil) {
						return
					}
				}
			}
		}
		m := NewMerger(0)
		m.Add("flood", flood)
		got := 0
		for b := range m.Run(t.Context()) {
			if got == 0 {
				time.Sleep(time.Hour)
				if n := handed.Load(); n > feedBatches+1 {
					t.Errorf("%d batches taken from a source nobody reads", n)
				}
			}
			got += len(b.Packets)
		}
		if got != 1000 {
			t.Errorf("%d packets of 1000", got)
		}
	})
}

func TestAnyMixOfSourcesComesOutSorted(t *testing.T) {
	for seed := range uint64(60) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 0))
			m, want := NewMerger(time.Hour), 0
			for i := range 1 + rnd.IntN(5) {
				steps, at := []step{{batch: Batch{Until: 1}}}, int64(1)
				for range rnd.IntN(20) {
					var times []int64
					for range 1 + rnd.IntN(80) {
						at += rnd.Int64N(5)
						times = append(times, at)
					}
					want += len(times)
					make := frames
					if rnd.IntN(4) == 0 {
						make = notes
					}
					steps = append(steps, step{wait: time.Duration(rnd.IntN(100)) * time.Microsecond, batch: make(fmt.Sprint("s", i, "-"), times...)})
				}
				m.Add(fmt.Sprint("s", i), script(steps...))
			}
			o := merged(t.Context(), m)
			if got := len(strings.Fields(o.items())); got != want {
				t.Errorf("seed %d: %d items of %d", seed, got, want)
			}
			for _, s := range o.broken {
				t.Errorf("seed %d: %s", seed, s)
			}
		})
	}
}
