package otlp

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// batch is what is sent at once, as far as it is not sent yet.
type batch struct {
	spans    []sdktrace.ReadOnlySpan
	logs     []sdklog.Record
	requests int
}

// writer has the SDK make spans and log records of requests.
type writer struct {
	tracer trace.Tracer
	logger log.Logger
	out    *batch // what is being made
}

func newWriter(about *resource.Resource, version string) *writer {
	w := &writer{}
	t := sdktrace.NewTracerProvider(sdktrace.WithResource(about), sdktrace.WithSampler(sdktrace.AlwaysSample()), sdktrace.WithIDGenerator(named{}), sdktrace.WithSpanProcessor(ended{w}))
	l := sdklog.NewLoggerProvider(sdklog.WithResource(about), sdklog.WithProcessor(emitted{w}))
	w.tracer = t.Tracer("dnatrace", trace.WithInstrumentationVersion(version))
	w.logger = l.Logger("dnatrace", log.WithInstrumentationVersion(version))
	return w
}

// batch is what is told of items.
func (w *writer) batch(e *Exporter, items []*item) *batch {
	w.out = &batch{requests: len(items)}
	for _, it := range items {
		id, also := e.traceOf(it.incident)
		root := e.rootOf(it.incident)
		if it.recording == "" {
			w.request(e, it, ids{id, root}, also)
		}
		if it.recording != "" || failed(it.incident.Verdict) || it.revised {
			w.log(it, ids{id, root})
		}
	}
	return w.out
}

// ended and emitted collect what the SDK has made.
type (
	ended   struct{ w *writer }
	emitted struct{ w *writer }
)

func (ended) OnStart(context.Context, sdktrace.ReadWriteSpan)          {}
func (p ended) OnEnd(s sdktrace.ReadOnlySpan)                          { p.w.out.spans = append(p.w.out.spans, s) }
func (ended) Shutdown(context.Context) error                           { return nil }
func (ended) ForceFlush(context.Context) error                         { return nil }
func (emitted) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (emitted) Shutdown(context.Context) error                         { return nil }
func (emitted) ForceFlush(context.Context) error                       { return nil }
func (p emitted) OnEmit(_ context.Context, r *sdklog.Record) error {
	p.w.out.logs = append(p.w.out.logs, r.Clone())
	return nil
}

// ids are those of the span that stands for a request.
type ids struct {
	trace trace.TraceID
	span  trace.SpanID
}

type idsKey struct{}

// named gives the ids that a context brings, and spans within any.
type named struct{}

func (named) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	d, _ := ctx.Value(idsKey{}).(ids)
	return d.trace, d.span
}

func (named) NewSpanID(context.Context, trace.TraceID) (s trace.SpanID) {
	for n := rand.Uint64(); ; n = rand.Uint64() {
		for k := range s {
			s[k] = byte(n >> (8 * k))
		}
		if s.IsValid() {
			return s
		}
	}
}

// request makes the spans of a request: one for all of it, and within that one for each
// hop, until the next.
func (w *writer) request(e *Exporter, it *item, d ids, also trace.TraceID) {
	i := it.incident
	ctx := context.WithValue(context.Background(), idsKey{}, d)
	about := append(of(i), outcome(i)...)
	if it.revised {
		about = append(about, attribute.String("dnatrace.was", it.was.String()))
	}
	ctx, root := w.tracer.Start(ctx, "request "+port(i), trace.WithNewRoot(), trace.WithTimestamp(i.First), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(about...), trace.WithLinks(w.links(e, it, also)...))
	end := i.Last
	decides := deciding(i)
	for k := range i.Hops {
		h := &i.Hops[k]
		if h.Time.IsZero() {
			continue
		}
		until := h.Time
		if k+1 < len(i.Hops) && i.Hops[k+1].Time.After(until) {
			until = i.Hops[k+1].Time
		}
		if until.After(end) {
			end = until
		}
		w.hop(ctx, i, k, until, k == decides)
	}
	if failed(i.Verdict) {
		root.SetStatus(codes.Error, text(i.Why))
	}
	root.End(trace.WithTimestamp(end))
}

// deciding is the hop that what became of a request belongs to: the last that is not a
// mere sighting, else the last of all.
func deciding(i *correlate.Incident) int {
	for k := len(i.Hops) - 1; k >= 0; k-- {
		switch i.Hops[k].Kind {
		case correlate.HopDropped, correlate.HopRefused, correlate.HopDelivered, correlate.HopAnswered:
			return k
		case correlate.HopSeen, correlate.HopTranslated, correlate.HopFiltered:
		}
	}
	return len(i.Hops) - 1
}

func (w *writer) hop(ctx context.Context, i *correlate.Incident, k int, until time.Time, decides bool) {
	h := &i.Hops[k]
	before, after := tuples(i, h)
	about := []attribute.KeyValue{
		attribute.String("dnatrace.point", text(h.Point)), attribute.String("dnatrace.direction", h.Direction), attribute.String("dnatrace.kind", string(h.Kind)),
		attribute.String("dnatrace.tuple.before", before),
	}
	if after != "" {
		about = append(about, attribute.String("dnatrace.tuple.after", after))
	}
	if h.Detail != "" {
		about = append(about, attribute.String("dnatrace.detail", text(h.Detail)))
	}
	if decides {
		about = append(append(about, attribute.String("dnatrace.verdict", i.Verdict.String())), rule(i)...)
	}
	_, s := w.tracer.Start(ctx, text(h.Point)+" "+string(h.Kind), trace.WithTimestamp(h.Time), trace.WithSpanKind(trace.SpanKindInternal), trace.WithAttributes(about...))
	if decides && failed(i.Verdict) {
		s.SetStatus(codes.Error, text(i.Why))
	}
	s.End(trace.WithTimestamp(until))
}

// tuples are the addresses of a hop as it was seen and, where it was translated, as it
// was then: from > to.
func tuples(i *correlate.Incident, h *correlate.Hop) (before, after string) {
	pair := func(end string) string {
		switch {
		case end == "":
			return ""
		case h.Direction == "reply":
			return text(end + " > " + i.Client)
		}
		return text(i.Client + " > " + end)
	}
	return pair(h.Before), pair(h.After)
}

// links lead to other traces: of connections that this one was made into, of the name
// it has beyond the edge of a bucket, and of what the client says it is in.
func (w *writer) links(e *Exporter, it *item, also trace.TraceID) (out []trace.Link) {
	link := func(t trace.TraceID, s trace.SpanID, why string) {
		if t.IsValid() {
			out = append(out, trace.Link{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: t, SpanID: s, TraceFlags: trace.FlagsSampled}), Attributes: []attribute.KeyValue{attribute.String("dnatrace.link", why)}})
		}
	}
	// A link without a span leads to the trace; not all stores take it, so it names the
	// root's own.
	root := e.rootOf(it.incident)
	link(also, root, "clock")
	for k, o := range it.incident.Openings {
		if k > 0 {
			id, _ := e.name(o)
			link(trace.TraceID(id), root, "connection")
		}
	}
	if p := it.parent; p != nil {
		link(p.Trace, p.Span, "traceparent")
	}
	return out
}

// log makes the log record of a request.
func (w *writer) log(it *item, d ids) {
	i := it.incident
	var r log.Record
	r.SetTimestamp(i.Last)
	r.SetObservedTimestamp(i.Last)
	r.SetSeverity(log.SeverityError)
	r.SetSeverityText("ERROR")
	name := "dnatrace.failure"
	switch {
	case it.recording != "":
		name = "dnatrace.recording"
	case !failed(i.Verdict):
		name = "dnatrace.revised"
		r.SetSeverity(log.SeverityInfo)
		r.SetSeverityText("INFO")
	}
	r.SetEventName(name)
	r.SetBody(attribute.StringValue(text(i.Why)))
	about := append(append(of(i), outcome(i)...), rule(i)...)
	about = append(about, attribute.StringSlice("dnatrace.fix", texts(i.Fix)), attribute.StringSlice("dnatrace.blind", texts(i.Blind)))
	if it.recording != "" {
		about = append(about, attribute.String("dnatrace.recording", text(it.recording)))
	}
	if it.revised {
		about = append(about, attribute.String("dnatrace.was", it.was.String()))
	}
	r.AddAttributes(about...)
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: d.trace, SpanID: d.span, TraceFlags: trace.FlagsSampled}))
	w.logger.Emit(ctx, r)
}

// of says which request it is.
func of(i *correlate.Incident) []attribute.KeyValue {
	out := []attribute.KeyValue{
		attribute.String("dnatrace.request_id", text(i.ID)), attribute.Int("dnatrace.rev", i.Rev),
		attribute.String("network.transport", text(i.Protocol)), attribute.String("dnatrace.requested", text(i.Requested)),
	}
	out = append(out, end("client", i.Client)...)
	out = append(out, end("server", i.Requested)...)
	for _, a := range [][2]string{
		{"dnatrace.translated", i.Translated}, {"dnatrace.client_seen", i.ClientSeen}, {"container.name", i.Container}, {"dnatrace.network", i.Network},
		{"dnatrace.project", i.Project}, {"dnatrace.service", i.Service}, {"dnatrace.via", string(i.Via)},
	} {
		if a[1] != "" {
			out = append(out, attribute.String(a[0], text(a[1])))
		}
	}
	return out
}

// end is one end of a request, in the words of the semantic conventions.
func end(who, at string) []attribute.KeyValue {
	if a, err := netip.ParseAddrPort(at); err == nil {
		return []attribute.KeyValue{attribute.String(who+".address", a.Addr().String()), attribute.Int(who+".port", int(a.Port()))}
	}
	return []attribute.KeyValue{attribute.String(who+".address", text(at))}
}

// outcome says what became of it.
func outcome(i *correlate.Incident) []attribute.KeyValue {
	out := []attribute.KeyValue{
		attribute.String("dnatrace.verdict", i.Verdict.String()), attribute.String("dnatrace.cause", text(string(i.Cause))),
		attribute.String("dnatrace.proof", string(i.Proof)), attribute.Int("dnatrace.attempts", i.Attempts),
	}
	if i.Stage != "" {
		out = append(out, attribute.String("dnatrace.stage", string(i.Stage)))
	}
	if len(i.Between) == 2 {
		out = append(out, attribute.StringSlice("dnatrace.between", texts(i.Between)))
	}
	if failed(i.Verdict) {
		out = append(out, attribute.String("error.type", text(string(i.Cause))))
	}
	return out
}

// rule is the one that decided.
func rule(i *correlate.Incident) []attribute.KeyValue {
	if i.Rule == nil {
		return nil
	}
	return []attribute.KeyValue{
		attribute.String("dnatrace.rule", text(i.Rule.Text)), attribute.String("dnatrace.rule.table", text(i.Rule.Table)), attribute.String("dnatrace.rule.chain", text(i.Rule.Chain)),
		attribute.String("dnatrace.rule.owner", text(string(i.Rule.Owner))), attribute.Int64("dnatrace.rule.handle", int64(i.Rule.Handle)),
	}
}

// port is what was asked for, in few words: names of spans are few.
func port(i *correlate.Incident) string {
	if a, err := netip.ParseAddrPort(i.Requested); err == nil {
		return strconv.Itoa(int(a.Port())) + "/" + text(i.Protocol)
	}
	return text(i.Protocol)
}

// longest is how much is sent of one text.
const longest = 1024

// text is what a stranger wrote, on one line, printable, in valid UTF-8, and no longer
// than it may be.
func text(s string) string {
	if s = render.Clean(s); len(s) <= longest {
		return s
	}
	s = s[:longest]
	for !utf8.ValidString(s) { // not within a character
		s = s[:len(s)-1]
	}
	return strings.TrimSpace(s) + "…"
}

func texts(list []string) []string {
	const most = 16
	out := []string{}
	for _, s := range list[:min(len(list), most)] {
		out = append(out, text(s))
	}
	return out
}
