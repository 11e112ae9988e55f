package metrics

import (
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/cmd/internal/watch"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// request is one to a port of the host that was judged for good.
func request(id int, port, container string, v correlate.Verdict, cause correlate.Cause) *correlate.Incident {
	return &correlate.Incident{
		ID: strconv.Itoa(id), Rev: 1, Final: true, Protocol: "tcp", Client: "198.51.100.100:50000", Requested: "198.51.100.1:" + port,
		Container: container, Via: "dnat", First: noon, Last: noon, Attempts: 1, Verdict: v, Cause: cause, Timing: correlate.Timing{Connect: 0.0004, FirstByte: 0.002},
	}
}

func published(port uint16, container string) foresee.Port {
	return foresee.Port{Container: container, Project: "shop", Service: container, State: "running", Protocol: "tcp", ContainerPort: 80, Published: true, Asked: true, HostIP: "0.0.0.0", HostPort: port}
}

// fed are metrics with the Model that feeds them.
func fed(ports ...foresee.Port) (*Metrics, *watch.Model) {
	m, w := New("v1", []string{"packets", "drops"}), watch.New("", 0)
	w.Observe(m.Observer())
	w.SetPorts(ports)
	m.Advance(noon)
	w.Advance(noon)
	return m, w
}

// scraped is what is served, as a scraper asks for it that can read exemplars.
func scraped(t *testing.T, m *Metrics, accept string) string {
	t.Helper()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", accept)
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, r)
	if rec.Code != 200 {
		t.Fatalf("GET /metrics: %d: %s", rec.Code, rec.Body)
	}
	return rec.Body.String()
}

const (
	textFormat  = "text/plain;version=0.0.4"
	openMetrics = "application/openmetrics-text;version=1.0.0"
	protobuf    = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

// samples are the lines of some metrics of ours, in order.
func samples(text string, names ...string) (out []string) {
	for line := range strings.Lines(text) {
		for _, n := range names {
			if strings.HasPrefix(line, n+"{") || strings.HasPrefix(line, n+" ") {
				out = append(out, strings.TrimSpace(line))
			}
		}
	}
	return out
}

func TestRequestsAreCountedByWhatBecameOfThem(t *testing.T) {
	m, w := fed(published(8080, "web"), published(5432, "db"))
	w.Take(request(1, "8080", "web", correlate.Delivered, correlate.CauseNone))
	w.Take(request(2, "8080", "", correlate.Dropped, correlate.CauseFirewallDrop)) // whose it would have been was not seen
	at := request(3, "8080", "web", correlate.Dropped, correlate.CauseFirewallDrop)
	at.Final = false
	w.Take(at)
	stalled := request(1, "8080", "web", correlate.Stalled, correlate.CauseMTU)
	stalled.Rev = 2
	w.Take(stalled)
	want := []string{
		`dnatrace_failures_total{container="db",port="5432",project="shop",protocol="tcp",service="db"} 0`,
		`dnatrace_failures_total{container="web",port="8080",project="shop",protocol="tcp",service="web"} 2`,
		`dnatrace_requests_revised_total{verdict="stalled",was="delivered"} 1`,
		`dnatrace_requests_total{cause="firewall-drop",container="web",port="8080",project="shop",protocol="tcp",service="web",verdict="dropped"} 1`,
		`dnatrace_requests_total{cause="none",container="db",port="5432",project="shop",protocol="tcp",service="db",verdict="delivered"} 0`,
		`dnatrace_requests_total{cause="none",container="web",port="8080",project="shop",protocol="tcp",service="web",verdict="delivered"} 1`,
	}
	if d := cmp.Diff(want, samples(scraped(t, m, textFormat), "dnatrace_requests_total", "dnatrace_failures_total", "dnatrace_requests_revised_total")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestASampleLeadsToARequest(t *testing.T) {
	m, w := fed(published(8080, "web"))
	w.Take(request(7, "8080", "web", correlate.Dropped, correlate.CauseFirewallDrop))
	out := scraped(t, m, openMetrics)
	for _, want := range []string{`dnatrace_failures_total{container="web",port="8080",project="shop",protocol="tcp",service="web"} 1.0 # {request_id="7"} 1.0`, `dnatrace_connect_seconds_bucket{container="web",port="8080",project="shop",protocol="tcp",service="web",le="0.0005"} 1 # {request_id="7"} 0.0004`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
}

func TestFewOfManyAreLedTo(t *testing.T) {
	m, w := fed(published(8080, "web"))
	led := map[string]bool{}
	for n := range 1000 { // in ten seconds
		i := request(n, "8080", "web", correlate.Delivered, correlate.CauseNone)
		i.Last = noon.Add(time.Duration(n) * 10 * time.Millisecond)
		i.Hops = []correlate.Hop{{Time: noon, Point: "a", Direction: "request", Frame: 1}, {Time: noon.Add(time.Millisecond), Point: "b", Direction: "request", Frame: 2}}
		if n%100 == 50 {
			i.Verdict, i.Cause, i.Hops = correlate.Dropped, correlate.CauseFirewallDrop, nil
		}
		w.Take(i)
		for _, e := range regexp.MustCompile(`request_id="(\d+)"`).FindAllStringSubmatch(scraped(t, m, openMetrics), -1) {
			led[e[1]] = true
		}
	}
	if !led["0"] || !led["50"] || len(led) > 31 {
		t.Errorf("%d requests are led to, the first delivery among them: %v, the first failure: %v", len(led), led["0"], led["50"])
	}
	want := []string{`dnatrace_hop_seconds_count{direction="request",from="other",to="other"} 20`}
	if d := cmp.Diff(want, samples(scraped(t, m, textFormat), "dnatrace_hop_seconds_count")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestTimesAreServedInClassicAndNativeBuckets(t *testing.T) {
	m, w := fed(published(8080, "web"))
	w.Take(request(1, "8080", "web", correlate.Delivered, correlate.CauseNone))
	if got := samples(scraped(t, m, textFormat), "dnatrace_first_byte_seconds_sum"); len(got) != 1 || !strings.HasSuffix(got[0], " 0.002") {
		t.Errorf("first byte: %v", got)
	}
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "dnatrace_first_byte_seconds" {
			continue
		}
		h := f.GetMetric()[0].GetHistogram()
		if h.GetSchema() != 3 || len(h.GetPositiveSpan()) != 1 || len(h.GetBucket()) != len(requestBounds) {
			t.Errorf("schema %d, %d spans, %d classic buckets", h.GetSchema(), len(h.GetPositiveSpan()), len(h.GetBucket()))
		}
	}
}

func TestHopsAreMeasuredByTheRolesOfTheirPoints(t *testing.T) {
	m, w := fed(published(8080, "web"))
	for name, role := range map[string]string{"eth0": "nic", "docker0": "bridge", "veth12": "veth", "web:eth0": "container"} {
		m.Point(name, role)
	}
	i := request(1, "8080", "web", correlate.Delivered, correlate.CauseNone)
	hop := func(us int, point, direction string, frame uint64) {
		i.Hops = append(i.Hops, correlate.Hop{Time: noon.Add(time.Duration(us) * time.Microsecond), Point: point, Direction: direction, Frame: frame})
	}
	hop(0, "eth0", "request", 1)
	hop(10, "nat PREROUTING", "request", 0)
	hop(20, "docker0", "request", 2)
	hop(30, "veth12", "request", 3)
	hop(40, "unheard", "request", 4)
	hop(90, "web:eth0", "reply", 5)
	hop(99, "veth12", "reply", 6)
	hop(9000, "veth12", "request", 9) // a later packet
	w.Take(i)
	i = request(2, "8080", "web", correlate.Dropped, correlate.CauseFirewallDrop)
	hop(0, "eth0", "request", 10)
	hop(5, "docker0", "request", 11)
	w.Take(i)
	want := []string{
		`dnatrace_hop_seconds_count{direction="reply",from="container",to="veth"} 1`,
		`dnatrace_hop_seconds_count{direction="request",from="bridge",to="veth"} 1`,
		`dnatrace_hop_seconds_count{direction="request",from="nic",to="bridge"} 1`,
		`dnatrace_hop_seconds_count{direction="request",from="veth",to="other"} 1`,
	}
	out := scraped(t, m, textFormat)
	if d := cmp.Diff(want, samples(out, "dnatrace_hop_seconds_count")); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	if s := samples(out, "dnatrace_hop_seconds_sum"); !strings.HasSuffix(s[2], " 2e-05") {
		t.Errorf("from the NIC to the bridge: %v", s)
	}
}

func TestSeriesAreBoundedWhateverIsSent(t *testing.T) {
	m, w := fed()
	var list []foresee.Port
	for n := range 700 {
		list = append(list, published(uint16(10000+n), fmt.Sprintf("c%d", n)))
	}
	w.SetPorts(list)
	sent := 0
	for n := range 700 {
		for _, cause := range []correlate.Cause{correlate.CauseNone, "a", "b", "c", "d", "e", "f", "g", "h", "i"} {
			v := correlate.Dropped
			if cause == correlate.CauseNone {
				v = correlate.Delivered
			}
			w.Take(request(sent, strconv.Itoa(10000+n), fmt.Sprintf("c%d", n), v, cause))
			sent++
		}
	}
	for n := range 3000 { // ports that nobody publishes
		w.Take(request(sent+n, strconv.Itoa(20000+n), "", correlate.Refused, correlate.CauseNotPublished))
	}
	sent += 3000
	out := scraped(t, m, textFormat)
	requests := samples(out, "dnatrace_requests_total")
	if len(requests) > mostOutcomes+200 || len(samples(out, "dnatrace_failures_total")) != mostTargets+1 {
		t.Errorf("%d outcomes, %d targets", len(requests), len(samples(out, "dnatrace_failures_total")))
	}
	counted, outside := 0, 0
	for _, line := range requests {
		n, err := strconv.Atoi(line[strings.LastIndexByte(line, ' ')+1:])
		if err != nil {
			t.Fatal(err)
		}
		if counted += n; strings.Contains(line, `port="others"`) {
			outside += n
		}
	}
	if got := samples(out, "dnatrace_requests_without_label_set_total"); counted != sent || outside == 0 || got[0] != fmt.Sprintf("dnatrace_requests_without_label_set_total %d", outside) {
		t.Errorf("%d of %d requests are counted, %d of them at others, where %v", counted, sent, outside, got)
	}
	if lines := strings.Count(out, "\n"); lines > 30_000 {
		t.Errorf("%d lines", lines)
	}
	for n := range 1000 {
		m.Lost(fmt.Sprintf("netns %d", n), 1)
	}
	if got := samples(scraped(t, m, textFormat), "dnatrace_packets_lost_total"); len(got) != mostNetns+1 {
		t.Errorf("%d namespaces lose packets", len(got))
	}
}

func TestContainersThatComeAndGoLeaveRoomForOthers(t *testing.T) {
	m, w := fed()
	now := noon
	for day := range 30 {
		var list []foresee.Port
		for n := range 100 {
			list = append(list, published(uint16(10000+n), fmt.Sprintf("run-%d-%d", day, n)))
		}
		now = now.Add(24 * time.Hour)
		m.Advance(now)
		w.Advance(now)
		w.SetPorts(list)
		for n := range 100 {
			w.Take(request(day*100+n, strconv.Itoa(10000+n), fmt.Sprintf("run-%d-%d", day, n), correlate.Dropped, correlate.CauseFirewallDrop))
		}
		out := scraped(t, m, textFormat)
		if !strings.Contains(out, fmt.Sprintf(`container="run-%d-99",port="10099"`, day)) {
			t.Fatalf("on day %d there is no room for a container of then", day)
		}
		if n := len(samples(out, "dnatrace_failures_total")); n > mostTargets+1 {
			t.Fatalf("%d targets on day %d", n, day)
		}
	}
	if m.outside != nil {
		t.Error("some were counted as others")
	}
}

func TestTheHeapIsBounded(t *testing.T) {
	heap := func() uint64 {
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return s.HeapAlloc
	}
	m, w := fed()
	var list []foresee.Port
	for n := range mostTargets {
		list = append(list, published(uint16(10000+n), fmt.Sprintf("c%d", n)))
	}
	w.SetPorts(list)
	before := heap()
	for n := range mostTargets {
		for k := range 100 { // any time there may be
			w.Plain(correlate.Plain{}) // of nobody's port
			i := request(n*100+k, strconv.Itoa(10000+n), fmt.Sprintf("c%d", n), correlate.Delivered, correlate.CauseNone)
			i.Timing = correlate.Timing{Connect: 1e-6 * float64(int(1)<<(k%24)) * (1 + float64(k)/100), FirstByte: 1e-6 * float64(int(1)<<(k%23)) * (1 + float64(k)/50)}
			w.Take(i)
		}
	}
	if took := int64(heap()) - int64(before); took > 64<<20 {
		t.Errorf("%d MiB for %d targets", took>>20, mostTargets)
	} else {
		t.Logf("%d MiB for %d targets with all their buckets, the Model's requests among them", took>>20, mostTargets)
	}
	runtime.KeepAlive(m)
}

func TestHostileNamesStayText(t *testing.T) {
	name := "web\"} 1\ndnatrace_failures_total{port=\"1\x1b[2J\xff\u202e"
	m, w := fed(published(8080, name))
	w.Take(request(1, "8080", name, correlate.Dropped, correlate.CauseFirewallDrop))
	w.Take(request(2, "9", strings.Repeat("ü", 1000), correlate.Refused, correlate.CauseNotPublished))
	m.Lost(name, 3)
	m.Source(name, "failed", name)
	for _, format := range []string{textFormat, openMetrics, protobuf} {
		out := scraped(t, m, format)
		if strings.ContainsAny(out, "\x1b\u202e") && format != protobuf || strings.Contains(out, "\ndnatrace_failures_total{port=\"1") {
			t.Errorf("%s is broken by a name:\n%s", format, out)
		}
	}
	for _, line := range samples(scraped(t, m, textFormat), "dnatrace_failures_total") {
		if len(line) > 400 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
	r := httptest.NewRecorder()
	m.Handler().ServeHTTP(r, httptest.NewRequest("GET", "/healthz", nil))
	if body := r.Body.String(); strings.Count(body, "\n") != 1 || strings.Contains(body, "\x1b") {
		t.Errorf("health is %q", body)
	}
}

func TestHealthTellsWhatIsWrong(t *testing.T) {
	m := New("v1", []string{"packets", "drops"})
	health := func() string {
		r := httptest.NewRecorder()
		m.Handler().ServeHTTP(r, httptest.NewRequest("GET", "/healthz", nil))
		body, _ := io.ReadAll(r.Body)
		return fmt.Sprintf("%d %s", r.Code, body)
	}
	for _, c := range []struct {
		name string
		then func()
		want string
	}{
		{"a source that is absent is what this host gives", func() { m.Source("packets", "ok", ""); m.Source("drops", "absent", "no BPF") }, "200 ok\n"},
		{"one that failed is told", func() { m.Source("drops", "failed", "ring closed") }, "503 drops failed: ring closed\n"},
		{"until it is back", func() { m.Source("drops", "ok", "") }, "200 ok\n"},
		{"the end is told, beside others", func() { m.Source("drops", "failed", "ring closed"); m.Ended("the stream has ended") }, "503 drops failed: ring closed\nthe stream has ended\n"},
	} {
		if c.then(); health() != c.want {
			t.Errorf("%s: %q, want %q", c.name, health(), c.want)
		}
	}
	out := scraped(t, m, textFormat)
	for _, want := range []string{`dnatrace_source_state{source="drops",state="failed"} 1`, `dnatrace_source_state{source="drops",state="ok"} 0`, `dnatrace_source_state{source="packets",state="ok"} 1`, `dnatrace_stream_ended 1`} {
		if len(samples(out, strings.Split(want, " ")[0])) == 0 && !strings.Contains(out, want) {
			t.Errorf("%s is not served", want)
		}
	}
}

func TestWhatTheRunSaysIsServed(t *testing.T) {
	m, _ := fed()
	m.Packets(3)
	m.Packets(4)
	m.Lost("host", 2)
	m.Flood()
	for _, flooded := range []int{10, 10, 25} {
		m.Status(correlate.Status{Now: noon, Summary: correlate.Summary{Open: 5, Flooded: flooded}})
	}
	out := scraped(t, m, textFormat)
	for _, want := range []string{
		"dnatrace_packets_total 7", `dnatrace_packets_lost_total{netns="host"} 2`, "dnatrace_floods_total 1", "dnatrace_flooded_requests_total 25",
		"dnatrace_requests_open 5", "dnatrace_stream_time_seconds 1.777896e+09", `dnatrace_build_info{goversion="go`, "go_memstats_heap_alloc_bytes ",
	} {
		if !strings.Contains(out, "\n"+want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	if _, err := os.Stat("/proc/self/stat"); err == nil && !strings.Contains(out, "\nprocess_resident_memory_bytes ") {
		t.Error("the process's memory is not served")
	}
}

func TestOnlyWhatIsMeantIsAnswered(t *testing.T) {
	m := New("v1", nil)
	for _, c := range []struct {
		method, path string
		code         int
	}{{"GET", "/metrics", 200}, {"HEAD", "/metrics", 200}, {"POST", "/metrics", 405}, {"GET", "/healthz", 200}, {"GET", "/", 200}, {"GET", "/debug/pprof/", 404}, {"GET", "/metrics/../x", 307}} {
		r := httptest.NewRecorder()
		m.Handler().ServeHTTP(r, httptest.NewRequest(c.method, c.path, nil))
		if r.Code != c.code {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, r.Code, c.code)
		}
	}
}
