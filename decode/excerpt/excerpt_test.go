package excerpt_test

import (
	"bytes"
	"context"
	"iter"
	"net/netip"
	"reflect"
	"testing"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/decode"
	"dnatrace/decode/excerpt"
	"dnatrace/fixtures"
)

// incidents are recordings of each kind of evidence that a judgement rests on.
var incidents = []string{
	"delivered", "firewall-drop", "firewall-drop-untraced", "no-listener", "listener-on-loopback", "reply-no-route", "reply-filtered",
	"stale-translation", "host-loopback", "mtu-told", "backlog-full", "not-published", "forwarding-disabled", "no-route", "reverse-path-filter",
}

func open(t *testing.T, c fixtures.Case) capture.Source {
	t.Helper()
	src, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// concerning says which request is meant, as one who has its judgement would.
func concerning(i *correlate.Incident) excerpt.Want {
	w := excerpt.Want{Frames: map[uint64]bool{}, Netns: map[string]bool{i.Container: true}, Points: map[string]bool{}, First: i.First.UnixNano(), Last: i.Last.UnixNano()}
	for _, dst := range []string{i.Requested, i.Translated} {
		from, err1 := netip.ParseAddrPort(i.Client)
		to, err2 := netip.ParseAddrPort(dst)
		if err1 == nil && err2 == nil {
			w.Tuples = append(w.Tuples, decode.Tuple{Src: decode.IPFrom(from.Addr()), Dst: decode.IPFrom(to.Addr()), SrcPort: from.Port(), DstPort: to.Port(), Proto: decode.ParseProto(i.Protocol)})
		}
	}
	for _, h := range i.Hops {
		w.Points[h.Point] = true
		if h.Frame != 0 {
			w.Frames[h.Frame] = true
		}
	}
	for _, name := range i.Between {
		w.Points[name] = true
	}
	return w
}

// kept is a stream of so much of another, and what it has.
type kept struct {
	source  capture.Source
	packets int
	longest int
	records int
}

func keep(t *testing.T, c fixtures.Case, want excerpt.Want, extent excerpt.Extent) *kept {
	t.Helper()
	e := excerpt.New(want, extent)
	for b, err := range open(t, c)(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		e.Learn(b)
	}
	e.Seal()
	k := &kept{}
	k.source = func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			for b, err := range open(t, c)(ctx) {
				before := bytes.Clone(b.Arena)
				out := e.Keep(b)
				if !bytes.Equal(before, b.Arena) {
					t.Error("the batch that was excerpted is another now")
				}
				k.packets += len(out.Packets)
				k.records += len(out.Records)
				for _, p := range out.Packets {
					k.longest = max(k.longest, int(p.Len))
				}
				if !yield(out, err) {
					return
				}
			}
		}
	}
	return k
}

// TestAnExcerptIsJudgedAsTheWhole: whatever its extent, and the smallest has the
// least of packets and records.
func TestAnExcerptIsJudgedAsTheWhole(t *testing.T) {
	for _, name := range incidents {
		c, whole := fixtures.Judged(t, name)
		if len(whole.Requests) != 1 {
			t.Fatalf("%s has %d requests", name, len(whole.Requests))
		}
		i := &whole.Requests[0]
		var last *kept
		for extent := excerpt.Concerned; extent <= excerpt.Everything; extent++ {
			k := keep(t, c, concerning(i), extent)
			d, err := judge.Replay(t.Context(), k.source, judge.Options{Keep: -1})
			if err != nil {
				t.Fatal(err)
			}
			if len(d.Requests) != 1 || d.Requests[0].Verdict != i.Verdict || d.Requests[0].Cause != i.Cause || d.Requests[0].Stage != i.Stage || d.Requests[0].Proof != i.Proof {
				t.Errorf("%s, of which is kept %s: %+v, and it was %s/%s/%s, %s", name, extent, d.Requests, i.Verdict, i.Stage, i.Cause, i.Proof)
			}
			if len(d.Requests) == 1 && !reflect.DeepEqual(d.Requests[0].Evidence, i.Evidence) {
				t.Errorf("%s, of which is kept %s, rests on %+v, and rested on %+v", name, extent, d.Requests[0].Evidence, i.Evidence)
			}
			if last != nil && (k.packets < last.packets || k.records < last.records) {
				t.Errorf("%s: %d packets and %d records are %s, and %d and %d less than that", name, k.packets, k.records, extent, last.packets, last.records)
			}
			if extent == excerpt.Concerned && (k.packets == 0 || k.longest > 192) {
				t.Errorf("%s: %d packets are kept, the longest of %d bytes", name, k.packets, k.longest)
			}
			last = k
		}
	}
}

// TestOthersAreLeftOut: a request that nobody asked about is not in the excerpt.
func TestOthersAreLeftOut(t *testing.T) {
	c, whole := fixtures.Judged(t, "firewall-drop")
	want := concerning(&whole.Requests[0])
	want.Frames = map[uint64]bool{}
	for n := range want.Tuples {
		want.Tuples[n].SrcPort++ // another connection of the same client
	}
	k := keep(t, c, want, excerpt.Concerned)
	d, err := judge.Replay(t.Context(), k.source, judge.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Requests) != 0 {
		t.Errorf("%d packets of another request are kept, and judged: %+v", k.packets, d.Requests)
	}
}
