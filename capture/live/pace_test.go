package live

import (
	"errors"
	"testing"
	"time"
)

func TestTheTraceRestsInAFlood(t *testing.T) {
	const few, many = 300, 20_000 // packets in a fifth of a second
	for _, c := range []struct {
		name    string
		packets []uint64 // fifth of a second by fifth of a second
		want    string   // t: traces, -: rests
	}{
		{"what a server usually has is traced", []uint64{few, few, 7_999, few}, "tttt"},
		{"a flood is not", []uint64{few, many, many}, "t--"},
		{"a pause in it is none", []uint64{many, many, few, few, many, many}, "------"},
		{"after it, the trace goes on", []uint64{many, many, few, few, few, few, few, few, few, few, few, few, few}, "----------ttt"},
		{"the next flood is met as the first was", []uint64{many, few, few, few, few, few, few, few, few, few, few, few, many, few}, "----------tt--"},
		{"long after the last packets", []uint64{many, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "----------t"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p pace
			now, got := time.Unix(1_700_000_000, 0), ""
			for _, n := range c.packets {
				was := p.resting
				if changed := p.next(now, n, paceEvery); changed != (p.resting != was) {
					t.Errorf("changed is %v", changed)
				}
				got += map[bool]string{false: "t", true: "-"}[p.resting]
				now = now.Add(paceEvery)
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestAFloodThatGoesOnIsTracedForAMomentNowAndThen(t *testing.T) {
	var p pace
	begin := time.Unix(1_700_000_000, 0)
	if why := p.why(begin); why != "" {
		t.Errorf("before: %s", why)
	}
	traced := 0
	for i := range 5 * 60 {
		p.next(begin.Add(time.Duration(i)*paceEvery), 20_000, paceEvery)
		if !p.resting {
			traced++
		}
	}
	if traced != 5 {
		t.Errorf("%d fifths of a second in a minute are traced, want one in about ten seconds", traced)
	}
	p.end(begin.Add(time.Minute))
	if got, want := p.why(begin.Add(time.Hour)), "rested for 59.0 s while more than 40000 packets a second were captured"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWhatCouldNotBeChangedIsTriedAgain(t *testing.T) {
	var p pace
	now := time.Unix(1_700_000_000, 0)
	p.next(now, 20_000, paceEvery)
	p.did(now, nil)
	now = now.Add(restShort)
	if !p.next(now, 0, paceEvery) || p.resting {
		t.Fatal("the rest is not over")
	}
	p.did(now, errors.New("no"))
	if p.next(now.Add(paceEvery), 0, paceEvery) {
		t.Error("tried again at once")
	}
	if now = now.Add(restShort); !p.next(now, 0, paceEvery) || p.resting {
		t.Error("not tried again")
	}
	p.did(now, nil)
	if p.next(now.Add(restShort), 0, paceEvery) {
		t.Error("tried again after it worked")
	}
}
