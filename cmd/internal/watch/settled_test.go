package watch

import (
	"fmt"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/decode"

	"github.com/google/go-cmp/cmp"
)

// observed has a model tell what it settles, in short.
func observed(m *Model) *[]string {
	var told []string
	m.Observe(Observer{
		Settled: func(s Settled) {
			text := s.Port.Name() + " " + s.Verdict.String()
			if s.Again {
				text += " after " + s.Was.String()
			}
			if s.Failed {
				text += ", a failure"
			}
			told = append(told, text)
		},
		Listed: func([]*Port) {},
	})
	return &told
}

// plainly is a delivery that is told in few words.
func plainly(requested string) correlate.Plain {
	return correlate.Plain{
		Protocol: decode.TCP, Client: netip.MustParseAddrPort("198.51.100.100:40000"), Requested: netip.MustParseAddrPort(requested),
		Last: noon, Timing: correlate.Timing{Connect: 0.0004, FirstByte: 0.002},
	}
}

func TestARequestIsSettledOnce(t *testing.T) {
	type says struct {
		verdict correlate.Verdict
		final   bool
	}
	for _, c := range []struct {
		name string
		said []says
		want []string
	}{
		{"what is told at once and not final is not settled", []says{{correlate.Dropped, false}}, nil},
		{"dropped at once, and still when the window is over", []says{{correlate.Dropped, false}, {correlate.Dropped, true}}, []string{"dropped, a failure"}},
		{"dropped at once, and delivered in the end", []says{{correlate.Dropped, false}, {correlate.Delivered, true}}, []string{"delivered"}},
		{"refused, dropped, and refused again", []says{{correlate.Refused, false}, {correlate.Dropped, false}, {correlate.Refused, true}}, []string{"refused, a failure"}},
		{"for good, and once more as the client goes on trying", []says{{correlate.Dropped, false}, {correlate.Dropped, true}, {correlate.Dropped, false}, {correlate.Dropped, true}}, []string{"dropped, a failure"}},
		{"delivered, and stalled after all", []says{{correlate.Delivered, true}, {correlate.Stalled, true}}, []string{"delivered", "stalled after delivered, a failure"}},
		{"delivered as it seems, and then for good", []says{{correlate.Delivered, false}, {correlate.Delivered, true}}, []string{"delivered"}},
		{"undetermined, and then known", []says{{correlate.Undetermined, true}, {correlate.Unanswered, true}}, []string{"undetermined", "unanswered after undetermined, a failure"}},
		{"stalled, got through, stalled again: one failure", []says{{correlate.Stalled, true}, {correlate.Delivered, true}, {correlate.Stalled, true}},
			[]string{"stalled, a failure", "delivered after stalled", "stalled after delivered"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New("", 0)
			told := observed(m)
			m.SetPorts([]foresee.Port{published(8080, "web", "0.0.0.0")})
			m.Advance(noon)
			i := request(1, noon, "8080", c.said[0].verdict, correlate.CauseUnknown)
			i.Final = c.said[0].final
			m.Take(i)
			for _, s := range c.said[1:] {
				i = again(i, s.verdict, s.final)
				m.Take(i)
			}
			var want []string
			for _, w := range c.want {
				want = append(want, "8080/tcp "+w)
			}
			if d := cmp.Diff(want, *told); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestADeliveryInFewWordsIsSettledAndMayFailLater(t *testing.T) {
	m := New("", 0)
	told := observed(m)
	m.SetPorts([]foresee.Port{published(8080, "web", "0.0.0.0")})
	m.Advance(noon)
	m.Take(request(1, noon, "8080", correlate.Delivered, correlate.CauseNone)) // in full, as it is the first
	if !m.Plain(plainly("198.51.100.1:8080")) {
		t.Fatal("a delivery is wanted in full so soon")
	}
	m.Take(again(request(2, noon, "8080", correlate.Delivered, correlate.CauseNone), correlate.Stalled, true))
	want := []string{"8080/tcp delivered", "8080/tcp delivered", "8080/tcp stalled after delivered, a failure"}
	if d := cmp.Diff(want, *told); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestWhatIsNeverMadeFinalIsSettledInTheEnd(t *testing.T) {
	t.Run("after a while", func(t *testing.T) {
		m := New("", 0)
		told := observed(m)
		i := request(1, noon, "8080", correlate.Dropped, correlate.CauseFirewallDrop)
		i.Final = false
		m.Take(i)
		m.Advance(noon.Add(awaitedFor))
		if len(*told) != 0 {
			t.Errorf("it did not wait: %v", *told)
		}
		m.Advance(noon.Add(awaitedFor + time.Second))
		m.Take(again(i, correlate.Dropped, true))
		if want := []string{"198.51.100.1:8080/tcp dropped, a failure"}; !cmp.Equal(*told, want) {
			t.Errorf("settled are %v, want %v", *told, want)
		}
	})
	t.Run("as many come", func(t *testing.T) {
		m := New("", 0)
		told := observed(m)
		m.SetPorts([]foresee.Port{published(8080, "web", "0.0.0.0")})
		const sent = 3*mostAwaited + 17
		for n := range sent {
			i := request(n, noon, "8080", correlate.Dropped, correlate.CauseFirewallDrop)
			i.Final = n%5 == 0
			m.Take(i)
		}
		if len(m.awaited.by) > mostAwaited || len(m.awaited.order) > awaitedTwice {
			t.Errorf("%d wait, %d in order", len(m.awaited.by), len(m.awaited.order))
		}
		for n := range sent {
			m.Take(again(request(n, noon, "8080", correlate.Dropped, correlate.CauseFirewallDrop), correlate.Dropped, true))
		}
		if len(*told) != sent || len(m.awaited.by) != 0 {
			t.Errorf("%d are settled of %d, %d wait still", len(*told), sent, len(m.awaited.by))
		}
	})
	t.Run("as more fail than are remembered", func(t *testing.T) {
		m := New("", 0)
		settled := map[string]int{}
		m.Observe(Observer{Settled: func(s Settled) { settled[fmt.Sprint(s.Verdict)]++ }, Listed: func([]*Port) {}})
		m.SetPorts([]foresee.Port{published(8080, "web", "0.0.0.0")})
		early := request(0, noon, "8080", correlate.Refused, correlate.CauseNoListener)
		early.Final = false
		m.Take(early)
		for n := range mostTold + 1 {
			m.Take(request(1+n, noon, "8080", correlate.Dropped, correlate.CauseFirewallDrop))
		}
		m.Take(again(early, correlate.Refused, true))
		if settled["refused"] != 1 || settled["dropped"] != mostTold+1 {
			t.Errorf("settled are %v", settled)
		}
	})
}

func TestARowSaysWhatItIsOf(t *testing.T) {
	m := New("", 0)
	q := published(8080, "web", "0.0.0.0")
	q.Project, q.Service = "shop", "frontend"
	m.SetPorts([]foresee.Port{q})
	take := func(id int, requested, container string, via correlate.Via) Mapping {
		i := request(id, noon, "1", correlate.Delivered, correlate.CauseNone)
		i.Requested, i.Container, i.Via, i.Project, i.Service = requested, container, via, "p", "s"
		return m.portOf(i).Mapping()
	}
	for _, c := range []struct {
		name string
		got  Mapping
		want Mapping
	}{
		{"a mapping, with what the engine lists of it", take(1, "198.51.100.1:8080", "web", "dnat"), Mapping{Port: 8080, Protocol: "tcp", Container: "web", Project: "shop", Service: "frontend", There: true}},
		{"a port that nobody publishes", take(2, "198.51.100.1:7", "", ""), Mapping{Port: 7, Protocol: "tcp", Project: "p", Service: "s"}},
		{"a container's own address", take(3, "172.17.0.2:80", "web", "direct"), Mapping{Port: 80, Protocol: "tcp", Container: "web", Project: "p", Service: "s", Direct: true}},
	} {
		if c.got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, c.got, c.want)
		}
	}
	var last Mapping
	for n := range mostAsked + 1 {
		last = take(10+n, "198.51.100.1:"+strconv.Itoa(1000+n), "", "")
	}
	if !last.Others {
		t.Errorf("what there is no room for is %+v", last)
	}
}
