package otlp

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"dnatrace/cmd/internal/traceid"
	"dnatrace/correlate"
	"dnatrace/decode"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

var noon = time.Date(2026, 5, 4, 12, 0, 5, 0, time.UTC)

const secret = "a secret of all hosts"

// running is an exporter, what it has said, and how it ends.
type running struct {
	*Exporter
	mu   sync.Mutex
	said []string
	stop context.CancelFunc
	done chan struct{}
}

func start(t testing.TB, c Config) *running {
	t.Helper()
	r := &running{done: make(chan struct{})}
	key, err := traceid.New([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	if c.Key == nil {
		c.Key = key
	}
	c.Host, c.Version = "alpha", "v1"
	c.Say = func(s string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.said = append(r.said, s)
	}
	if r.Exporter, err = New(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() { defer close(r.done); r.Run(ctx) }()
	t.Cleanup(r.end)
	return r
}

func (r *running) end() { r.stop(); <-r.done }

func (r *running) says() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.said...)
}

// until waits for something to come true; machines may be busy.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}

// began is what a connection of a number began with.
func began(n uint32) correlate.Opening {
	return correlate.Opening{Known: true, Protocol: decode.TCP, Client: decode.IPFrom(netip.MustParseAddr("198.51.100.100")), Port: 50110, Number: n, Stamp: 77, At: noon}
}

// dropped is a request that a rule dropped.
func dropped(n uint32) *correlate.Incident {
	return &correlate.Incident{
		ID: fmt.Sprint(n), Rev: 1, Final: true, Openings: []correlate.Opening{began(n)},
		Protocol: "tcp", Client: "198.51.100.100:50110", Requested: "198.51.100.1:8080", Translated: "172.17.0.2:80", Container: "web", Via: correlate.ViaDNAT,
		First: noon, Last: noon.Add(time.Second), Attempts: 2, Verdict: correlate.Dropped, Stage: "forward", Cause: correlate.CauseFirewallDrop, Proof: correlate.Proven,
		Why: "A rule of yours in DOCKER-USER drops it.", Fix: []string{"iptables -D DOCKER-USER 1"}, Between: []string{"eth0", "docker0"},
		Rule: &correlate.RuleHit{Kind: "rule", Backend: "nft", Table: "ip filter", Chain: "DOCKER-USER", Handle: 12, Text: "-A DOCKER-USER -p tcp --dport 80 -j DROP", Owner: "user"},
		Hops: []correlate.Hop{
			{Time: noon, Point: "eth0", Direction: "request", Kind: correlate.HopSeen, Before: "198.51.100.1:8080", Frame: 1, Detail: "SYN"},
			{Time: noon.Add(10 * time.Microsecond), Point: "nat", Direction: "request", Kind: correlate.HopTranslated, Before: "198.51.100.1:8080", After: "172.17.0.2:80"},
			{Time: noon.Add(20 * time.Microsecond), Point: "forward", Direction: "request", Kind: correlate.HopDropped, Before: "172.17.0.2:80"},
		},
	}
}

func answered(n uint32) *correlate.Incident {
	i := dropped(n)
	i.Verdict, i.Cause, i.Stage, i.Rule, i.Why, i.Fix, i.Between = correlate.Delivered, correlate.CauseNone, "", nil, "The answer left.", nil, nil
	i.Hops[2].Kind = correlate.HopDelivered
	return i
}

func idOf(t *testing.T, o correlate.Opening) string {
	k, err := traceid.New([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := k.Connection(traceid.Connection{ISN: o.Number, Stamp: o.Stamp, Stamped: true})
	return d.String()
}

func TestAFailureIsATraceWithASpanForEachHopAndALogRecord(t *testing.T) {
	for _, scheme := range []string{"http", "grpc"} {
		t.Run(scheme, func(t *testing.T) {
			hasten(t)
			t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=open%20sesame")
			t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=shop")
			var b inbox
			url, _ := listening(t, &b, scheme, "")
			e := start(t, Config{Endpoint: url})
			e.Take(dropped(1))
			until(t, "a trace arrives", func() bool { s, l := b.got(); return len(s) > 0 && len(l) > 0 })
			spans, records := b.got()
			checkDropped(t, spans, records)
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.about["service.name"] != "dnatrace" || b.about["host.name"] != "alpha" || b.about["deployment.environment.name"] != "shop" || len(b.about["dnatrace.secret"]) != 8 || b.header != "open sesame" {
				t.Errorf("the receiver is told %v, with %q", b.about, b.header)
			}
			if said := e.says(); len(said) > 0 {
				t.Errorf("it says %q", said)
			}
		})
	}
}

func checkDropped(t *testing.T, spans []*traces.Span, records []*logs.LogRecord) {
	t.Helper()
	if len(spans) != 4 || len(records) != 1 {
		t.Fatalf("%d spans, %d records", len(spans), len(records))
	}
	byName := map[string]*traces.Span{}
	for _, s := range spans {
		byName[s.Name] = s
		if id := hex.EncodeToString(s.TraceId); id != idOf(t, began(1)) {
			t.Errorf("%s is in trace %s", s.Name, id)
		}
	}
	root, last := byName["request 8080/tcp"], byName["forward dropped"]
	if root == nil || last == nil || byName["eth0 seen"] == nil || byName["nat translated"] == nil {
		t.Fatalf("the spans are %v", byName)
	}
	if len(root.ParentSpanId) != 0 || !bytes.Equal(last.ParentSpanId, root.SpanId) {
		t.Error("hops are not within the request")
	}
	a := told(root.Attributes)
	if a["dnatrace.verdict"] != "dropped" || a["dnatrace.cause"] != "firewall-drop" || a["server.address"] != "198.51.100.1" || a["container.name"] != "web" || root.Status.Code != traces.Status_STATUS_CODE_ERROR {
		t.Errorf("the request says %v", a)
	}
	a = told(last.Attributes)
	if !strings.Contains(a["dnatrace.rule"], "-j DROP") || a["dnatrace.verdict"] != "dropped" || a["dnatrace.rule.chain"] != "DOCKER-USER" {
		t.Errorf("the hop that decided says %v", a)
	}
	a = told(byName["nat translated"].Attributes)
	if a["dnatrace.tuple.before"] != "198.51.100.100:50110 > 198.51.100.1:8080" || a["dnatrace.tuple.after"] != "198.51.100.100:50110 > 172.17.0.2:80" || a["dnatrace.rule"] != "" {
		t.Errorf("the translation says %v", a)
	}
	if s := byName["eth0 seen"]; s.EndTimeUnixNano-s.StartTimeUnixNano != 10_000 {
		t.Errorf("a hop lasts %d ns", s.EndTimeUnixNano-s.StartTimeUnixNano)
	}
	r := records[0]
	a = told(r.Attributes)
	if r.EventName != "dnatrace.failure" || r.Body.GetStringValue() != dropped(1).Why || !strings.Contains(a["dnatrace.fix"], "iptables -D") || !bytes.Equal(r.SpanId, root.SpanId) || !bytes.Equal(r.TraceId, root.TraceId) || r.SeverityText != "ERROR" {
		t.Errorf("the record is %v", r)
	}
}

func TestOneInSoManyDeliveriesIsSentAndEveryHostChoosesTheSame(t *testing.T) {
	hasten(t)
	var b inbox
	url, _ := listening(t, &b, "http", "")
	here, there := start(t, Config{Endpoint: url, OneIn: 8}), start(t, Config{Endpoint: url, OneIn: 8})
	wanted := 0
	const n = 4000
	for k := range uint32(n) {
		o := began(k)
		if here.Wants(o) != there.Wants(o) {
			t.Fatalf("hosts do not agree about %d", k)
		}
		if here.Wants(o) {
			wanted++
			here.Take(answered(k))
		} else if k < 100 {
			here.Take(answered(k)) // is told in full for another reason
		}
	}
	if wanted < n/8*7/10 || wanted > n/8*13/10 {
		t.Errorf("%d of %d are wanted, of one in 8", wanted, n)
	}
	here.end()
	spans, records := b.got()
	if len(spans) != 4*wanted || len(records) != 0 {
		t.Errorf("%d spans and %d records of %d requests", len(spans), len(records), wanted)
	}
	unclear := answered(n)
	unclear.Verdict = correlate.Undetermined
	none := start(t, Config{Endpoint: url})
	none.Take(unclear) // a host behind may know more of the same trace
	none.end()
	if spans, records := b.got(); len(spans) != 4*wanted+4 || len(records) != 0 {
		t.Errorf("%d spans and %d records with one that is undetermined", len(spans), len(records))
	}
	if none.Wants(began(1)) {
		t.Error("one in 0 is something")
	}
}

func TestWhatIsToldAtOnceIsSentWhenItIsFinal(t *testing.T) {
	hasten(t)
	var b inbox
	url, _ := listening(t, &b, "http", "")
	e := start(t, Config{Endpoint: url})
	early := dropped(1)
	early.Final = false
	e.Take(early)
	e.Take(dropped(1))
	again := dropped(1)
	again.Rev = 3
	e.Take(again) // nothing new
	late := answered(1)
	late.Rev = 4
	e.Take(late) // it came through after all
	never := dropped(2)
	never.Final = false
	e.Take(never)
	e.End()
	e.end()
	spans, records := b.got()
	var names []string
	for _, r := range records {
		names = append(names, r.EventName)
	}
	if len(spans) != 12 || fmt.Sprint(names) != "[dnatrace.failure dnatrace.revised dnatrace.failure]" {
		t.Errorf("%d spans, records %v", len(spans), names)
	}
}

func TestTheRecordOfARecordingLeadsToIt(t *testing.T) {
	hasten(t)
	var b inbox
	url, _ := listening(t, &b, "http", "")
	e := start(t, Config{Endpoint: url})
	e.Take(dropped(1))
	e.Saved("/var/lib/dnatrace/x.pcapng", dropped(1))
	e.end()
	spans, records := b.got()
	if len(spans) != 4 || len(records) != 2 {
		t.Fatalf("%d spans, %d records", len(spans), len(records))
	}
	r := records[1]
	if a := told(r.Attributes); r.EventName != "dnatrace.recording" || a["dnatrace.recording"] != "/var/lib/dnatrace/x.pcapng" || !bytes.Equal(r.SpanId, records[0].SpanId) || r.Body.GetStringValue() != dropped(1).Why {
		t.Errorf("it is %v", r)
	}
}

func TestOtherConnectionsAndOtherNamesAreLinked(t *testing.T) {
	hasten(t)
	var b inbox
	url, _ := listening(t, &b, "http", "")
	e := start(t, Config{Endpoint: url})
	i := dropped(1)
	i.Openings = append(i.Openings, began(2)) // the proxy's
	var p decode.Traceparent
	p.Trace[0], p.Span[7] = 0xab, 0xcd
	e.Heard(netip.MustParseAddrPort(i.Client), netip.MustParseAddrPort(i.Requested), p)
	e.Take(i)
	asked := dropped(3)
	asked.Openings = []correlate.Opening{{Known: true, Protocol: decode.UDP, Client: decode.IPFrom(netip.MustParseAddr("198.51.100.100")), Port: 53, Number: 5, At: time.Unix(16*1000, 1e9-1)}}
	e.Take(asked)
	e.end()
	spans, _ := b.got()
	links := map[string]string{}
	for _, s := range spans {
		for _, l := range s.Links {
			links[told(l.Attributes)["dnatrace.link"]] = hex.EncodeToString(l.TraceId)
		}
	}
	if links["connection"] != idOf(t, began(2)) || links["traceparent"] != hex.EncodeToString(p.Trace[:]) || len(links["clock"]) != 32 || len(links) != 3 {
		t.Errorf("links are %v", links)
	}
}

func TestWhatWaitsSurvivesAReceiverThatGoesAndComes(t *testing.T) {
	for _, scheme := range []string{"http", "grpc"} {
		t.Run(scheme, func(t *testing.T) {
			hasten(t)
			var b inbox
			url, stop := listening(t, &b, scheme, "")
			at := strings.TrimPrefix(url, scheme+"://")
			stop() // absent at first
			e := start(t, Config{Endpoint: url})
			for k := range uint32(200) {
				e.Take(dropped(k))
			}
			until(t, "it is noticed", func() bool { return len(e.says()) > 0 })
			_, stop = listening(t, &b, scheme, at)
			until(t, "what waited arrives", func() bool { s, l := b.got(); return len(s) == 800 && len(l) == 200 })
			stop()
			for k := range uint32(200) {
				e.Take(dropped(1000 + k))
			}
			until(t, "it fails again", func() bool { return e.Counts().Failures > 2 })
			listening(t, &b, scheme, at)
			until(t, "what waited arrives", func() bool { s, l := b.got(); return len(s) == 1600 && len(l) == 400 })
			until(t, "the answer to the last is in", func() bool { return e.Counts().Waiting == 0 })
			c := e.Counts()
			if c.Spans != 1600 || c.Logs != 400 || c.Full+c.Refused+c.Left != 0 || c.Waiting != 0 {
				t.Errorf("counted are %+v", c)
			}
			if said := e.says(); len(said) != 1 || !strings.Contains(said[0], "tried again") {
				t.Errorf("it says %q", said)
			}
		})
	}
}

func TestAnAbsentReceiverMakesNothingGrow(t *testing.T) {
	hasten(t)
	farewell = 50 * time.Millisecond
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections, and never answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := start(t, Config{Endpoint: "http://" + l.Addr().String()})
	for k := range uint32(3 * mostItems) {
		e.Take(dropped(k))
	}
	c := e.Counts()
	if c.Waiting > mostItems || c.Full != 3*mostItems-uint64(c.Waiting) || c.Waiting < mostItems/2 {
		t.Errorf("counted are %+v", c)
	}
	e.queue.mu.Lock()
	if e.queue.bytes > mostBytes {
		t.Errorf("%d bytes wait", e.queue.bytes)
	}
	e.queue.mu.Unlock()
	e.end()
	if c := e.Counts(); c.Left != uint64(c.Waiting) || c.Left == 0 {
		t.Errorf("at the end, counted are %+v", c)
	}
	said := e.says()
	for _, want := range []string{"as many as are kept", "before the end"} {
		if n := strings.Count(strings.Join(said, "\n"), want); n != 1 {
			t.Errorf("it says %q %d times, of %q", want, n, said)
		}
	}
}

func TestDeliveriesLeaveRoomForFailures(t *testing.T) {
	q := newQueue()
	n := 0
	for ; q.put(&item{incident: answered(1), size: 1}, false); n++ {
	}
	if n != mostItems-mostItems/forFailures {
		t.Errorf("%d deliveries found room", n)
	}
	for ; q.put(&item{incident: dropped(1), size: 1}, false); n++ {
	}
	if n != mostItems {
		t.Errorf("%d found room", n)
	}
}

func TestFilesWaitForAReceiverThatTakes(t *testing.T) {
	hasten(t)
	var b inbox
	url, _ := listening(t, &b, "http", "")
	e := start(t, Config{Endpoint: url, Waits: true})
	const n = 2*mostItems + 7
	for k := range uint32(n) {
		e.Take(dropped(k))
	}
	e.end()
	if c := e.Counts(); c.Logs != n || c.Full != 0 {
		t.Errorf("counted are %+v", c)
	}
}

func TestTroubleIsToldOnceWithWhatToDo(t *testing.T) {
	for _, c := range []struct {
		name, scheme string
		answer       int
		want         string
		refused      bool
	}{
		{"no authentication, over HTTP", "http", 401, "OTEL_EXPORTER_OTLP_HEADERS", false},
		{"no authentication, over gRPC", "grpc", 401, "OTEL_EXPORTER_OTLP_HEADERS", false},
		{"a path that nothing listens at", "http", 404, "see the URL", false},
		{"it is too busy, over HTTP", "http", 503, "tried again", false},
		{"it is too busy, over gRPC", "grpc", 503, "tried again", false},
		{"it does not understand, over HTTP", "http", 400, "not sent again", true},
		{"it does not understand, over gRPC", "grpc", 400, "not sent again", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			hasten(t)
			farewell = 100 * time.Millisecond
			b := inbox{answer: c.answer}
			url, _ := listening(t, &b, c.scheme, "")
			e := start(t, Config{Endpoint: url})
			e.Take(dropped(1))
			if c.refused {
				until(t, "it is given up", func() bool { return e.Counts().Refused == 1 && e.Counts().Waiting == 0 })
			} else {
				until(t, "it is tried again", func() bool { return e.Counts().Failures >= 3 })
				b.set(0)
				until(t, "it arrives", func() bool { s, l := b.got(); return len(s) == 4 && len(l) == 1 })
			}
			if said := e.says(); len(said) != 1 || !strings.Contains(said[0], c.want) || !strings.HasPrefix(said[0], "traces: send to "+url+": ") {
				t.Errorf("it says %q", said)
			}
		})
	}
}

func TestTLSThatCannotBeVerifiedIsSaid(t *testing.T) {
	hasten(t)
	farewell = 50 * time.Millisecond
	var b inbox
	url, _ := listening(t, &b, "https", "")
	plain, _ := listening(t, &b, "http", "")
	for name, at := range map[string]string{
		"an authority that nobody knows": url, "the same over gRPC": "grpcs" + strings.TrimPrefix(url, "https"), "no TLS at all": "https" + strings.TrimPrefix(plain, "http"),
	} {
		t.Run(name, func(t *testing.T) {
			e := start(t, Config{Endpoint: at})
			e.Take(dropped(1))
			until(t, "it is told", func() bool { return len(e.says()) > 0 })
			if said := e.says(); !strings.Contains(said[0], "OTEL_EXPORTER_OTLP_CERTIFICATE") {
				t.Errorf("it says %q", said)
			}
			if s, _ := b.got(); len(s) > 0 {
				t.Error("it was sent all the same")
			}
		})
	}
}

func TestHostileNamesAreText(t *testing.T) {
	hasten(t)
	var b inbox
	url, _ := listening(t, &b, "http", "")
	e := start(t, Config{Endpoint: url})
	i := dropped(1)
	bad := "\x1b[2J\xff\x00" + strings.Repeat("é", 4000)
	i.Container, i.Why, i.Rule.Text, i.Hops[0].Point, i.Fix, i.Client = bad, bad, bad, bad, []string{bad}, bad
	e.Take(i)
	until(t, "it arrives", func() bool { s, l := b.got(); return len(s) == 4 && len(l) == 1 })
	spans, records := b.got()
	check := func(where, s string) {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\x1b\x00") || len(s) > 2*longest {
			t.Errorf("%s is %q", where, s)
		}
	}
	for _, s := range spans {
		check("a name", s.Name)
		check("a status", s.Status.GetMessage())
		for k, v := range told(s.Attributes) {
			check(k, v)
		}
	}
	check("the body", records[0].Body.GetStringValue())
}

func TestEndpoints(t *testing.T) {
	for in, want := range map[string]string{
		"http://h": "http://h:4318", "https://h": "https://h:443", "https://h:1/otlp/": "https://h:1/otlp", "grpc://h": "grpc://h:4317", "grpcs://[::1]:5": "grpcs://[::1]:5",
		"env": "the endpoint of OTEL_EXPORTER_OTLP_ENDPOINT",
	} {
		if p, err := ParseEndpoint(in); err != nil || p.String() != want {
			t.Errorf("%s is %s, %v", in, p, err)
		}
	}
	for _, in := range []string{"", "h:4318", "ftp://h", "http://", "http://me:secret@h", "http://h?x=1", "grpc://h/path", "http://h:port"} {
		if p, err := ParseEndpoint(in); err == nil {
			t.Errorf("%q is taken, for %s", in, p)
		} else if strings.Contains(err.Error(), "me:secret") {
			t.Errorf("it tells the password: %v", err)
		}
	}
}

func TestSecretsAreReadWithoutTheSpaceAroundThem(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, c := range []struct {
		text string
		ok   bool
	}{{secret + "\n", true}, {"short\n", false}, {strings.Repeat("x", 5000), false}} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := Secret(path)
		if err == nil {
			_, err = traceid.New(b)
		}
		if (err == nil) != c.ok || c.ok && string(b) != secret {
			t.Errorf("%.20q is %q, %v", c.text, b, err)
		}
	}
	if _, err := Secret(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there is a secret")
	}
}

// BenchmarkFailure is what it takes to tell of a request that did not get through, from
// the judgement to the bytes on the wire.
func BenchmarkFailure(b *testing.B) {
	var in inbox
	url, _ := listening(b, &in, "http", "")
	e := start(b, Config{Endpoint: url, Waits: true})
	b.ReportAllocs()
	for k := 0; b.Loop(); k++ {
		e.Take(dropped(uint32(k)))
	}
	e.end()
	b.StopTimer()
	if c := e.Counts(); c.Logs != uint64(b.N) {
		b.Errorf("counted are %+v", c)
	}
	b.ReportMetric(float64(in.bytes)/float64(b.N), "wire-B/op")
}
