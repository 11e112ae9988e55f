package correlate_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"dnatrace/correlate"
	"dnatrace/decode"
)

// everyRow are all the stories told in this package. What is promised of the
// stream is promised of each.
func everyRow() []row {
	return slices.Concat(requests, joins, strangers, datagrams, absences, refusals, proxied, elsewhere)
}

func document(d *correlate.Document) string {
	return string(must(json.MarshalIndent(d, "", " ")))
}

// same checks that a way of feeding gives the document that the plain way
// gives, byte for byte.
func same(t *testing.T, r row, f func(st *story) feeding) {
	t.Helper()
	want := document(r.tell().run(feeding{batch: 256}))
	st := r.tell()
	if got := document(st.run(f(st))); got != want {
		t.Errorf("%s:", r.name)
		diff(t, want, got)
	}
}

func TestBatchesDoNotMatter(t *testing.T) {
	for _, r := range everyRow() {
		for _, size := range []int{1, 7} {
			same(t, r, func(*story) feeding { return feeding{batch: size} })
		}
	}
}

func TestAnnouncedTimesDoNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, r := range everyRow() {
		for range 2 {
			same(t, r, func(st *story) feeding {
				f := feeding{batch: 256}
				for range 20 {
					f.advance = append(f.advance, epoch+rng.Int64N(st.end-epoch))
				}
				slices.Sort(f.advance)
				return f
			})
		}
	}
}

func TestOrderWithinTheLatenessDoesNotMatter(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, r := range everyRow() {
		for range 2 {
			for _, size := range []int{1, 7, 256} {
				same(t, r, func(st *story) feeding { return st.shuffled(rng, 50*time.Millisecond, size) })
			}
		}
	}
}

// shuffled deals every line up to a lateness later than it happened. A loss
// takes effect at once, so it stays where it is.
func (st *story) shuffled(rng *rand.Rand, lateness time.Duration, size int) feeding {
	type card struct {
		at int64
		happening
	}
	var cards []card
	for _, l := range st.lines {
		c := card{l.at, l}
		if _, lost := l.event.(*decode.Loss); !lost {
			c.at += rng.Int64N(int64(lateness))
		}
		cards = append(cards, c)
	}
	slices.SortStableFunc(cards, func(a, b card) int { return cmp.Compare(a.at, b.at) })
	f := feeding{batch: size, lateness: lateness}
	for _, c := range cards {
		f.lines = append(f.lines, c.happening)
	}
	return f
}

func TestTheDocumentIsTheSameEveryTime(t *testing.T) {
	for _, r := range everyRow() {
		for range 2 {
			same(t, r, func(*story) feeding { return feeding{batch: 256} })
		}
	}
}

// Memory is bounded whatever comes: requests that never end are let go, the
// oldest first, and counted.
func TestMemoryIsBounded(t *testing.T) {
	const capacity, times = 200, 20
	for _, c := range []struct{ name, line string }{
		{"requests that nobody answers", "eth0 C > H S seq=%d"},
		{"connections that never close", "eth0 C > H S seq=%d\n1.1ms eth0 H > C S. seq=7 ack=8\n"},
		{"exchanges in many legs", "eth0 | docker0 veth1 web:eth0 C > U udp len=%d"},
		{"answers to nothing", "eth0 H > C S. seq=%d ack=1"},
		{"traffic that nobody asked about", "eth0 C > 203.0.113.9:99 S seq=%d in"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := dockerHost()
			s.config.Capacity, s.config.Keep = capacity, 10
			tracker := correlate.New(s.config)
			st := tell(s, "1ms "+fmt.Sprintf(c.line, 1))
			packets := slices.DeleteFunc(st.lines, func(l happening) bool { return l.event != nil })
			st.lines = nil
			at := epoch
			for i := range capacity * times {
				for _, l := range packets {
					at += 1000
					l.at, l.packet.Time, l.packet.Seq = at, at, uint32(i)*1000
					l.otherClient(uint16(i))
					st.lines = append(st.lines, l)
				}
			}
			d := st.feed(tracker, feeding{batch: 256})
			requests, legs := tracker.Slabs()
			if requests > 2*capacity || legs > 12*capacity+4*len(packets) {
				t.Errorf("%d requests and %d legs are held, capacity %d", requests, legs, capacity)
			}
			if n := d.Summary; requests >= capacity && n.Evicted+n.Delivered+n.Dropped+n.Undetermined == 0 {
				t.Errorf("full, and nothing was let go: %+v", n)
			}
			t.Logf("%d requests, %d legs, %+v", requests, legs, d.Summary)
		})
	}
}

// otherClient gives a packet another client.
func (l *happening) otherClient(n uint16) {
	for _, port := range []*uint16{&l.packet.SrcPort, &l.packet.DstPort} {
		if *port == 4000 {
			*port = n
		}
	}
}
