package ring

import (
	"context"
	"slices"
	"testing"
	"time"

	"dnatrace/capture"
)

func TestAFullRingCountsWhatItLoses(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := host.open(Config{BlockSize: minBlockSize, Blocks: 2, Filter: build(t, Want{Ports: []Port{{protoUDP, 80}}})})
	const sent = 3000
	begin := time.Now().UnixNano()
	send(t, c, "172.17.0.2:80", sent) // nobody reads: two blocks hold some hundreds
	end := time.Now().UnixNano()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := collect(t, ctx, r, func(*watched) {})
	var lost uint64
	for _, l := range w.losses {
		lost += l.Lost
		if l.From >= l.To || l.From > end || l.To < begin {
			t.Errorf("loss %+v is not while it was sent, %d to %d", l, begin, end)
		}
	}
	if got := uint64(len(w.packets)) + lost; lost == 0 || got != 3*sent {
		t.Errorf("%d packets and %d lost, want %d together", len(w.packets), lost, 3*sent)
	}
	if n := len(w.packets); len(w.losses) > 0 && n > 0 && w.losses[0].From > w.packets[n-1].Time {
		t.Errorf("the loss begins after the last packet: %+v", w.losses[0])
	}
	if p, l := r.Stats(); p != uint64(len(w.packets)) || l != lost {
		t.Errorf("Stats %d, %d; want %d, %d", p, l, len(w.packets), lost)
	}
}

func TestASmallRingOutlastsAShortStop(t *testing.T) {
	client, _, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := inner.open(Config{Netns: "web", Filter: build(t, Want{Ports: []Port{{protoUDP, 80}}})})
	start, sent := time.Now(), 0
	for ; time.Since(start) < 250*time.Millisecond; sent++ { // nobody reads
		send(t, c, "172.17.0.2:80", 1)
		time.Sleep(time.Millisecond)
	}
	if n := len(watch(t, r, packets(sent)).packets); n != sent {
		t.Errorf("%d packets of %d", n, sent)
	}
}

func TestThePacketsJustBeforeTheEndAreNotLost(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := host.open(Config{Retire: 200 * time.Millisecond, Filter: build(t, Want{Ports: []Port{{protoUDP, 80}}})})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		time.Sleep(50 * time.Millisecond)
		send(t, c, "172.17.0.2:80", 10)
		cancel()
	}()
	start := time.Now()
	if w := collect(t, ctx, r, func(*watched) {}); len(w.packets) != 30 {
		t.Errorf("%d packets, want 30", len(w.packets))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %v to end", took)
	}
}

func TestAnIdleRingEndsAtOnceAndPromisesMeanwhile(t *testing.T) {
	host := newSpace(t)
	var took []time.Duration
	for range 3 { // a busy machine may take its time, but not each time
		r := host.open(Config{Retire: 250 * time.Millisecond})
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		start := time.Now()
		w := collect(t, ctx, r, func(*watched) {})
		took = append(took, time.Since(start))
		cancel()
		if behind := start.Add(500*time.Millisecond).UnixNano() - w.until; behind > int64(20*time.Millisecond) {
			t.Errorf("the promise is %v behind", time.Duration(behind))
		}
	}
	if slices.Min(took) > 800*time.Millisecond {
		t.Errorf("ended after %v, want 700 ms", took)
	}
}

func TestClosingARingEndsItsSource(t *testing.T) {
	r := newSpace(t).open(Config{})
	time.AfterFunc(50*time.Millisecond, func() { r.Close() })
	collect(t, t.Context(), r, func(*watched) {})
	for _, err := range r.Source()(t.Context()) {
		if err == nil {
			t.Error("a closed ring was read")
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestTimesOfARingAreThoseOfTheSightings(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := host.open(Config{Filter: build(t, Want{Ports: []Port{{protoUDP, 80}}})})
	before := time.Now().UnixNano()
	send(t, c, "172.17.0.2:80", 100)
	after := time.Now().UnixNano()
	w := watch(t, r, packets(300))
	last := before
	for i, p := range w.packets {
		if p.Time < last || p.Time > after {
			t.Fatalf("packet %d is of %d, want %d to %d", i, p.Time, last, after)
		}
		last = p.Time
		if p.Len != 14+20+8+15 || p.Orig != p.Len {
			t.Fatalf("packet %d has %d bytes of %d", i, p.Len, p.Orig)
		}
	}
}

func TestTheSnapLengthCutsWhateverTheFilterSays(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	for name, filter := range map[string][]Instruction{"without a filter": nil, "with a filter": build(t, Want{Ports: []Port{{protoUDP, 80}}})} {
		t.Run(name, func(t *testing.T) {
			r := host.open(Config{SnapLen: 50, Filter: filter})
			send(t, c, "172.17.0.2:80", 1)
			for _, p := range watch(t, r, packets(3)).packets {
				if p.Len > 50 || p.Orig == 57 && p.Len != 50 {
					t.Errorf("%d bytes of %d kept", p.Len, p.Orig)
				}
			}
		})
	}
}

func TestAPacketIsPassedOnSoonAlthoughAnotherRingIsIdle(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	all, prog := new(capture.Points), build(t, Want{Ports: []Port{{protoUDP, 80}}})
	m := capture.NewMerger(0)
	m.Add("host", host.open(Config{Points: all, Filter: prog}).Source())
	m.Add("idle", newSpace(t).open(Config{Points: all, Netns: "idle", Filter: prog}).Source())
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	const sent = 60
	go func() {
		for range sent {
			time.Sleep(17 * time.Millisecond)
			send(t, c, "172.17.0.2:80", 1)
		}
	}()
	var took []time.Duration
	for b := range m.Run(ctx) {
		for _, p := range b.Packets {
			took = append(took, time.Since(time.Unix(0, p.Time)))
		}
		if len(took) == 3*sent {
			cancel()
		}
	}
	slices.Sort(took)
	if len(took) != 3*sent {
		t.Fatalf("%d packets, want %d", len(took), 3*sent)
	}
	median, worst := took[len(took)/2], took[len(took)-1]
	t.Logf("median %v, p95 %v, worst %v", median, took[len(took)*95/100], worst)
	// A machine that stands still for a while may hold packets up, and lets one
	// ring fall behind another; an idle ring would hold up every packet.
	if median > 80*time.Millisecond {
		t.Errorf("median of %v from the sighting to the stream", median)
	}
	if m.Late() != 0 && worst < 500*time.Millisecond {
		t.Errorf("%d late, and none held up for longer than %v", m.Late(), worst)
	}
}
