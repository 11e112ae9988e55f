package watch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/correlate/stage"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// request is one to a port of the host that was judged at a time.
func request(id int, at time.Time, port string, v correlate.Verdict, cause correlate.Cause) *correlate.Incident {
	return &correlate.Incident{
		ID: strconv.Itoa(id), Rev: 1, Final: true, Protocol: "tcp", Client: fmt.Sprintf("198.51.100.100:%d", 40000+id%20000), Requested: "198.51.100.1:" + port,
		Container: "web", Via: correlate.ViaDNAT, First: at, Last: at, Attempts: 1, Verdict: v, Cause: cause, Timing: correlate.Timing{Connect: 0.0004, FirstByte: 0.002},
	}
}

func again(i *correlate.Incident, v correlate.Verdict, final bool) *correlate.Incident {
	c := *i
	c.Rev, c.Verdict, c.Final, c.Revised = i.Rev+1, v, final, v != i.Verdict
	return &c
}

func published(port uint16, container, ip string) foresee.Port {
	return foresee.Port{Container: container, State: "running", Protocol: "tcp", ContainerPort: 80, Published: true, Asked: true, HostIP: ip, HostPort: port,
		Reachable: foresee.Reach{Outside: "yes"}}
}

func (m *Model) row(t *testing.T, name string) *Port {
	t.Helper()
	for _, p := range m.ports {
		if p.Name() == name {
			return p
		}
	}
	t.Fatalf("there is no row %s", name)
	return nil
}

func TestARequestJudgedAgainIsCountedOnce(t *testing.T) {
	type says struct {
		verdict correlate.Verdict
		final   bool
	}
	for _, c := range []struct {
		name string
		said []says
		want string // by verdict, delivered first
	}{
		{"dropped at once, and still dropped when the window is over", []says{{correlate.Dropped, false}, {correlate.Dropped, true}}, "0 1 dropped"},
		{"dropped at once, and delivered in the end", []says{{correlate.Dropped, false}, {correlate.Delivered, true}}, "1 "},
		{"refused, dropped, and refused again", []says{{correlate.Refused, false}, {correlate.Dropped, false}, {correlate.Refused, true}}, "0 1 refused"},
		{"dropped for good, and once more as the client goes on trying", []says{{correlate.Dropped, false}, {correlate.Dropped, true}, {correlate.Dropped, true}}, "0 1 dropped"},
		{"delivered, and stalled after all", []says{{correlate.Delivered, true}, {correlate.Stalled, true}}, "0 1 stalled"},
		{"undetermined, and then known", []says{{correlate.Undetermined, false}, {correlate.Unanswered, true}}, "0 1 unanswered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := New("", 0)
			m.SetPorts([]foresee.Port{published(8080, "web", "0.0.0.0")})
			m.Advance(noon)
			var i *correlate.Incident
			for _, s := range c.said {
				if i == nil {
					i = request(1, noon, "8080", s.verdict, correlate.CauseUnknown)
					i.Final = s.final
				} else {
					i = again(i, s.verdict, s.final)
				}
				m.Take(i)
			}
			for _, p := range []*Port{m.row(t, "8080/tcp"), &m.total} {
				if got := fmt.Sprintf("%d %s", p.Delivered(), p.ByVerdict()); got != c.want {
					t.Errorf("%s counts %q, want %q", p.Name(), got, c.want)
				}
			}
			p := m.row(t, "8080/tcp")
			inGroups := p.uncounted
			for _, g := range p.Groups() {
				inGroups += g.count
			}
			if want := p.Failed() + p.Undetermined(); inGroups != want {
				t.Errorf("the kinds of failures count %d, want %d", inGroups, want)
			}
			if n := len(p.Requests()); n != 1 {
				t.Errorf("%d requests are held, want one", n)
			}
			if v := m.Interval(); v.Requests != 1 || v.Summary != (&tally{verdicts: p.verdicts}).summary() {
				t.Errorf("the interval counts %d requests as %+v", v.Requests, v.Summary)
			}
		})
	}
}

func TestRowsAreWhatIsPublished(t *testing.T) {
	m := New("", 0)
	m.SetPorts([]foresee.Port{
		published(8080, "web", "0.0.0.0"), published(8080, "web", "::"), published(9000, "api", "127.0.0.1"), published(9000, "edge", "198.51.100.1"),
	})
	if got := len(m.ports); got != 3 {
		t.Fatalf("%d rows, want one of web for both families and two of port 9000", got)
	}
	take := func(requested, container string, via correlate.Via) {
		i := request(len(m.told)+1, noon, "1", correlate.Delivered, correlate.CauseNone)
		i.Requested, i.Container, i.Via = requested, container, via
		m.Take(i)
	}
	take("198.51.100.1:8080", "web", correlate.ViaDNAT)
	take("[2001:db8::1]:8080", "web", correlate.ViaProxy)
	take("127.0.0.1:9000", "api", correlate.ViaProxy)
	take("198.51.100.1:9000", "edge", correlate.ViaDNAT)
	take("172.17.0.2:80", "web", correlate.ViaDirect)
	take("198.51.100.1:7", "", "")
	for name, want := range map[string]int{"8080/tcp": 2, "127.0.0.1:9000/tcp": 1, "198.51.100.1:9000/tcp": 1, "172.17.0.2:80/tcp": 1, "198.51.100.1:7/tcp": 1} {
		if got := m.row(t, name).Delivered(); got != want {
			t.Errorf("%s: %d delivered, want %d", name, got, want)
		}
	}
	if s := m.row(t, "172.17.0.2:80/tcp").State(); s != "not published" {
		t.Errorf("a container's own address is %s", s)
	}
	shut := published(8080, "web", "0.0.0.0")
	shut.Reachable.Outside = "no"
	for _, list := range [][]foresee.Port{{shut, published(8080, "web", "::")}, {published(8080, "web", "::"), shut}} {
		m.SetPorts(list)
		if s := m.row(t, "8080/tcp").State(); s != "not reachable from outside" {
			t.Errorf("one of two addresses cannot be reached, and the row says %s", s)
		}
	}
	m.SetPorts([]foresee.Port{published(9000, "edge", "198.51.100.1")})
	if s := m.row(t, "8080/tcp").State(); s != "gone" {
		t.Errorf("web was removed, and its row says %s", s)
	}
	take("198.51.100.1:8080", "", "")
	if got := m.row(t, "8080/tcp").Delivered(); got != 3 {
		t.Errorf("what is asked of a port that is gone is counted elsewhere: %d", got)
	}
}

func TestContainersThatComeAndGoLeaveRoomForRows(t *testing.T) {
	m := New("", 0)
	var last string
	for round := range 30 {
		m.Advance(noon.Add(time.Duration(round) * time.Hour))
		var list []foresee.Port
		for n := range 100 {
			last = fmt.Sprintf("run-%d-%d", round, n)
			list = append(list, published(uint16(10000+n), last, "0.0.0.0"))
		}
		if round > 0 {
			list = append(list, published(8080, "web", "0.0.0.0"))
		}
		m.SetPorts(list)
		for n := range 100 {
			i := request(round*100+n, m.Now(), strconv.Itoa(10000+n), correlate.Delivered, correlate.CauseNone)
			i.Container = fmt.Sprintf("run-%d-%d", round, n)
			m.Take(i)
		}
	}
	if len(m.ports) > mostPorts || m.others != nil {
		t.Errorf("%d rows, with one of others: %v", len(m.ports), m.others != nil)
	}
	has := func(container string) bool {
		return slices.ContainsFunc(m.ports, func(p *Port) bool { return p.container == container })
	}
	if !has(last) || !has("web") || has("run-0-0") || !has("run-12-0") {
		t.Errorf("rows are left of the last: %v, of one that was always there: %v, of the first: %v, of one of the last 2000: %v", has(last), has("web"), has("run-0-0"), has("run-12-0"))
	}
}

func TestMemoryIsBoundedWhateverIsSent(t *testing.T) {
	const bytes = 4 << 20
	m := New("", bytes)
	var list []foresee.Port
	for n := range 200 {
		list = append(list, published(uint16(10000+n), fmt.Sprintf("c%d", n), "0.0.0.0"))
	}
	m.SetPorts(list)
	r := rand.New(rand.NewPCG(1, 2))
	for n := range 100_000 {
		at := noon.Add(time.Duration(n) * time.Millisecond)
		m.Advance(at)
		i := request(n, at, strconv.Itoa(1+r.IntN(65535)), correlate.Verdict(1+r.IntN(7)), correlate.CauseUnknown)
		i.Final = r.IntN(3) == 0
		i.Why = strings.Repeat("x", r.IntN(4096))
		i.Stage = stage.Stage(strconv.Itoa(r.IntN(1000)))
		i.Hops = make([]correlate.Hop, r.IntN(64))
		m.Take(i)
	}
	taken, requests := 0, 0
	for _, p := range m.ports {
		held := 0
		for _, h := range slices.Concat(p.held, p.went) {
			held += h.bytes
		}
		for _, g := range p.groups {
			if g.example != nil {
				held += g.example.bytes
			}
		}
		if held != p.taken {
			t.Fatalf("%s holds %d bytes and says %d", p.Name(), held, p.taken)
		}
		taken += held
		requests += p.requests()
	}
	// What stands for a kind of failure stays in short form.
	if short := mostGroups * 2048 * len(m.ports); taken > bytes+short {
		t.Errorf("%d bytes are held, where %d and %d for the kinds are allowed", taken, bytes, short)
	}
	if len(m.ports) > len(list)+mostAsked+1 {
		t.Errorf("%d rows", len(m.ports))
	}
	if requests != 100_000 || m.total.requests() != requests {
		t.Errorf("%d requests are counted at ports and %d in all, of 100000", requests, m.total.requests())
	}
	if len(m.told) > mostTold || len(m.order) != len(m.told) {
		t.Errorf("%d requests are remembered, %d in order", len(m.told), len(m.order))
	}
}

func TestQuantilesAreAtMostAnEighthTooHigh(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var l latency
	var all []float64
	for range 10_000 {
		s := 2e-6 * float64(uint(1)<<r.IntN(24)) * (1 + r.Float64())
		all = append(all, s)
		l.add(noon, s)
	}
	slices.Sort(all)
	p50, p99 := l.quantiles(noon)
	for _, c := range []struct{ got, want float64 }{{p50, all[len(all)/2]}, {p99, all[len(all)*99/100]}} {
		if c.got < c.want || c.got > c.want*1.126 {
			t.Errorf("a quantile is %g, want %g", c.got, c.want)
		}
	}
	if b := bucketOf(1e9); b != latencyBuckets-1 {
		t.Errorf("thirty years are in bucket %d", b)
	}
}

func TestQuantilesAreOfThePresent(t *testing.T) {
	var l latency
	for n := range 100 {
		l.add(noon.Add(time.Duration(n)*time.Second), 0.5)
	}
	late := noon.Add(10 * time.Minute)
	if p50, _ := l.quantiles(late); p50 < 0.5 || p50 > 0.57 {
		t.Errorf("where nothing is new, what there was is told: got %g", p50)
	}
	l.add(late, 0.001)
	if _, p99 := l.quantiles(late); p99 > 0.002 {
		t.Errorf("ten minutes later, the old ones still count: p99 %g", p99)
	}
}

func TestTheRateIsOfTheLastSeconds(t *testing.T) {
	m := New("", 0)
	for n := range 100 { // ten a second
		at := noon.Add(time.Duration(n) * 100 * time.Millisecond)
		m.Advance(at)
		m.Take(request(n, at, "8080", correlate.Delivered, correlate.CauseNone))
	}
	now := noon.Add(10 * time.Second)
	if got := m.total.history.rate(now, m.began); got != 10 {
		t.Errorf("%g requests a second, want 10", got)
	}
	if got := m.total.history.rate(now.Add(time.Minute), m.began); got != 0 {
		t.Errorf("a minute of silence later: %g a second", got)
	}
	if got := m.total.history.rate(now.Add(time.Hour), m.began); got != 0 {
		t.Errorf("an hour later: %g a second", got)
	}
}

func TestAnIntervalTellsWhatCameInIt(t *testing.T) {
	m := New("", 0)
	m.SetPorts([]foresee.Port{published(8080, "web", "0.0.0.0"), published(9000, "api", "0.0.0.0")})
	m.Advance(noon)
	for n := range 20 {
		m.Take(request(n, noon, "9000", correlate.Delivered, correlate.CauseNone))
	}
	failing := request(20, noon, "8080", correlate.Dropped, correlate.CauseFirewallDrop)
	failing.Final = false
	m.Take(failing)
	m.Advance(noon.Add(10 * time.Second))
	v := m.Interval()
	if got, want := v.Line(nil), "10.0 s: 21 requests: 1 dropped, 20 delivered · 2.1/s · connect p50 0.4 ms p99 0.4 ms · first byte p50 2.0 ms p99 2.0 ms · failing: 8080/tcp web ×1 · 0 packets, 0 lost"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if v.Ports[0].Port != "8080/tcp" || v.Ports[0].Summary.Dropped != 1 || v.Ports[1].Requests != 20 {
		t.Errorf("the ports are %+v", v.Ports)
	}
	m.Take(again(failing, correlate.Dropped, true))
	m.Advance(noon.Add(20 * time.Second))
	if v := m.Interval(); v.Requests != 0 || len(v.Ports) != 0 {
		t.Errorf("that a judgement is final is no request: %+v", v)
	}
}

func TestNamesOfStrangersAreCleanInAnInterval(t *testing.T) {
	m := New("", 0)
	m.SetPorts([]foresee.Port{published(8080, "we\x1b[2Jb", "0.0.0.0")})
	i := request(1, noon, "8080", correlate.Refused, correlate.CauseNoListener)
	i.Container = "we\x1b[2Jb"
	m.Take(i)
	v := m.Interval()
	if s := v.Line(nil); strings.ContainsRune(s, 0x1b) || !strings.Contains(s, `we\x1b[2Jb`) {
		t.Errorf("the line is %q", s)
	}
}
