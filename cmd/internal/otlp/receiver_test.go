package otlp

import (
	"compress/gzip"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // what is sent is packed
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// inbox is what a receiver has got, and how it answers.
type inbox struct {
	mu     sync.Mutex
	spans  []*traces.Span
	logs   []*logs.LogRecord
	about  map[string]string // resource
	header string            // of x-key
	bytes  int               // as they came over the wire, of HTTP
	answer int               // HTTP status; 0 is 200
	calls  int
}

func (b *inbox) set(answer int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

// answers is how it answers now.
func (b *inbox) answers(key string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	b.header = key
	return b.answer
}

func (b *inbox) got() (spans []*traces.Span, records []*logs.LogRecord) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append(spans, b.spans...), append(records, b.logs...)
}

func (b *inbox) traces(r *coltrace.ExportTraceServiceRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, of := range r.ResourceSpans {
		b.about = told(of.Resource.Attributes)
		for _, s := range of.ScopeSpans {
			b.spans = append(b.spans, s.Spans...)
		}
	}
}

func (b *inbox) records(r *collogs.ExportLogsServiceRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, of := range r.ResourceLogs {
		for _, s := range of.ScopeLogs {
			b.logs = append(b.logs, s.LogRecords...)
		}
	}
}

// told are attributes by name, as text.
func told(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		out[a.Key] = a.Value.GetStringValue()
		if out[a.Key] == "" {
			out[a.Key] = a.Value.String()
		}
	}
	return out
}

// ServeHTTP is OTLP over HTTP.
func (b *inbox) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	if code := b.answers(r.Header.Get("X-Key")); code != 0 {
		w.WriteHeader(code)
		return
	}
	b.mu.Lock()
	b.bytes += len(raw)
	b.mu.Unlock()
	body := raw
	if r.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(newReader(raw))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body, _ = io.ReadAll(z)
	}
	var err error
	switch r.URL.Path {
	case "/v1/traces":
		var m coltrace.ExportTraceServiceRequest
		if err = proto.Unmarshal(body, &m); err == nil {
			b.traces(&m)
		}
	case "/v1/logs":
		var m collogs.ExportLogsServiceRequest
		if err = proto.Unmarshal(body, &m); err == nil {
			b.records(&m)
		}
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

func newReader(b []byte) io.Reader { return &reader{b} }

type reader struct{ b []byte }

func (r *reader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.b)
	r.b = r.b[n:]
	return n, nil
}

// overGRPC is OTLP over gRPC.
type overGRPC struct {
	coltrace.UnimplementedTraceServiceServer
	*inbox
}

type logsOverGRPC struct {
	collogs.UnimplementedLogsServiceServer
	*inbox
}

func (b *inbox) refuses(ctx context.Context) error {
	key := ""
	if m, _ := metadata.FromIncomingContext(ctx); len(m.Get("x-key")) > 0 {
		key = m.Get("x-key")[0]
	}
	switch b.answers(key) {
	case 0:
		return nil
	case http.StatusUnauthorized:
		return status.Error(codes.Unauthenticated, "who are you?")
	case http.StatusBadRequest:
		return status.Error(codes.InvalidArgument, "what is that?")
	}
	return status.Error(codes.Unavailable, "not now")
}

func (g overGRPC) Export(ctx context.Context, r *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	if err := g.refuses(ctx); err != nil {
		return nil, err
	}
	g.traces(r)
	return &coltrace.ExportTraceServiceResponse{}, nil
}

func (g logsOverGRPC) Export(ctx context.Context, r *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	if err := g.refuses(ctx); err != nil {
		return nil, err
	}
	g.records(r)
	return &collogs.ExportLogsServiceResponse{}, nil
}

// listening is a receiver at an address ("" chooses one), and its URL.
func listening(t testing.TB, b *inbox, scheme, at string) (url string, stop func()) {
	t.Helper()
	if at == "" {
		at = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	url = scheme + "://" + l.Addr().String()
	if scheme == "grpc" {
		s := grpc.NewServer()
		coltrace.RegisterTraceServiceServer(s, overGRPC{inbox: b})
		collogs.RegisterLogsServiceServer(s, logsOverGRPC{inbox: b})
		go s.Serve(l)
		t.Cleanup(s.Stop)
		return url, s.Stop
	}
	s := httptest.NewUnstartedServer(b)
	s.Listener.Close()
	s.Listener = l
	s.Config.ErrorLog = quiet()
	if scheme == "https" {
		s.TLS = &tls.Config{}
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return url, func() { s.CloseClientConnections(); s.Close() }
}

// hasten has what is waited for in hours waited for in moments.
func hasten(t *testing.T) {
	was := [4]time.Duration{gather, firstWait, mostWait, farewell}
	gather, firstWait, mostWait = 10*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond
	t.Cleanup(func() { gather, firstWait, mostWait, farewell = was[0], was[1], was[2], was[3] })
}
