package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"iter"
	"net/netip"
	"os"

	"github.com/spf13/cobra"

	"dnatrace/capture"
	"dnatrace/cmd/internal/flight"
	"dnatrace/cmd/internal/metrics"
	"dnatrace/cmd/internal/otlp"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/traceid"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// traceFlags have requests told to an OpenTelemetry receiver.
type traceFlags struct {
	endpoint string
	secret   string
	oneIn    int
}

// defaultOneIn is how many deliveries one is told of.
const defaultOneIn = 100

func (f *traceFlags) addTo(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.endpoint, "otlp", "", "send each failure, and some deliveries, as a trace to this OpenTelemetry receiver (http://HOST:4318, grpc://HOST:4317, https, grpcs, or env)")
	fl.StringVar(&f.secret, "trace-secret", "", "with --otlp: name traces by the secret in this file, and so as all hosts do that have it")
	fl.IntVar(&f.oneIn, "trace-sample", defaultOneIn, "with --otlp: of requests that were delivered, send one in so many (0: none)")
}

func (f *traceFlags) check(c *cobra.Command) error {
	if f.endpoint == "" {
		for _, name := range []string{"trace-secret", "trace-sample"} {
			if c.Flags().Changed(name) {
				return usagef(c, "--%s: say with --otlp where traces go", name)
			}
		}
		return nil
	}
	if f.oneIn < 0 {
		return usagef(c, "--trace-sample %d: must not be negative", f.oneIn)
	}
	if _, err := otlp.ParseEndpoint(f.endpoint); err != nil {
		return usagef(c, "--otlp: %v", err)
	}
	return nil
}

// exports are what a run tells an OpenTelemetry receiver. Nil tells nothing.
type exports struct {
	*otlp.Exporter
	stop  context.CancelFunc
	ended <-chan struct{}
}

// export begins to tell a receiver, while there is privilege to read what it takes:
// of this host, or of files, whose host the environment may name.
func (a *app) export(ctx context.Context, f *traceFlags, files bool) (*exports, error) {
	if f.endpoint == "" {
		return nil, nil
	}
	secret, err := f.key()
	if err != nil {
		return nil, err
	}
	key, err := traceid.New(secret)
	if err != nil {
		return nil, err
	}
	c := otlp.Config{Endpoint: f.endpoint, Key: key, OneIn: f.oneIn, Version: buildVersion(), Waits: files, Say: func(s string) { fmt.Fprintf(a.err, "dnatrace: %s\n", s) }}
	if !files {
		if c.Host, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("find the name of this host: %w", err)
		}
	}
	e := &exports{}
	if e.Exporter, err = otlp.New(ctx, c); err != nil {
		return nil, err
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	e.stop, e.ended = stop, pipeline.Do(run, e.Run)
	fmt.Fprintf(a.err, "traces to %s, secret %s\n", e.Endpoint(), key.Check())
	return e, nil
}

// key is the secret that traces are named by: of this run alone, where none is given.
func (f *traceFlags) key() ([]byte, error) {
	if f.secret != "" {
		return otlp.Secret(f.secret)
	}
	own := make([]byte, 2*traceid.Shortest)
	if _, err := rand.Read(own); err != nil {
		return nil, fmt.Errorf("draw a secret for trace ids: %w", err)
	}
	return own, nil
}

// close sends what is left, a moment long.
func (e *exports) close() {
	if e == nil {
		return
	}
	e.End()
	e.stop()
	<-e.ended
}

// counted has metrics say what becomes of what is sent.
func (e *exports) counted(s *served) {
	if e == nil || s == nil {
		return
	}
	s.Exports(func() metrics.Export {
		c := e.Counts()
		return metrics.Export{Spans: c.Spans, Logs: c.Logs, Full: c.Full, Refused: c.Refused, Ended: c.Left, Failures: c.Failures, Waiting: c.Waiting}
	}, e.traceSent)
}

// traceSent is the trace that a request is told in, if it is.
func (e *exports) traceSent(i *correlate.Incident) string {
	if !e.Sends(i) {
		return ""
	}
	return e.TraceID(i)
}

// saved tells where a recording is.
func (e *exports) saved() func(flight.Saved) {
	if e == nil {
		return nil
	}
	return func(s flight.Saved) { e.Saved(s.Path, &s.Incident) }
}

// beside has a run tell the receiver, beside whom it tells now.
func (e *exports) beside(o *pipeline.Options) {
	if e == nil {
		return
	}
	tell, plain := o.OnIncident, o.OnPlain
	o.OnIncident = func(i *correlate.Incident) {
		e.Take(i)
		if tell != nil {
			tell(i)
		}
	}
	if plain != nil {
		o.OnPlain = func(r correlate.Plain) bool { return !e.Wants(r.Opening) && plain(r) }
	}
}

// feed has what is watched tell the receiver.
func (e *exports) feed(src *source) {
	if e == nil {
		return
	}
	src.Source = e.listen(src.Source)
	beside := src.beside
	src.beside = func(o *pipeline.Options) {
		beside(o)
		e.beside(o)
	}
}

// listen has a stream tell in which traces its clients say they are.
func (e *exports) listen(src capture.Source) capture.Source {
	if e == nil {
		return src
	}
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			h := hearing{exports: e, decoder: decode.NewDecoder()}
			for b, err := range src(ctx) {
				if err == nil {
					h.take(b)
				}
				if !yield(b, err) {
					return
				}
			}
		}
	}
}

// hearing reads what clients say of the traces that they are in.
type hearing struct {
	*exports
	decoder *decode.Decoder
	out     decode.Batch
}

func (h *hearing) take(b *capture.Batch) {
	for i := range b.Records {
		var p capture.Point
		if r := &b.Records[i]; r.Kind == capture.KindPoint && json.Unmarshal(r.Data, &p) == nil {
			h.decoder.Point(p)
		}
	}
	if len(b.Packets) == 0 || !decode.SaysTraceparent(b.Arena) {
		return
	}
	for k := range b.Packets {
		p := b.Packets[k]
		if uint64(p.Off)+uint64(p.Len) > uint64(len(b.Arena)) {
			continue
		}
		t, found := decode.TraceparentIn(b.Arena[p.Off : p.Off+p.Len])
		if !found {
			continue
		}
		h.decoder.Packets(&capture.Batch{Packets: b.Packets[k : k+1], Arena: b.Arena, First: b.First}, &h.out)
		if d := &h.out.Packets[0]; d.Kind == decode.Segment {
			h.Heard(netip.AddrPortFrom(d.Src.Addr(), d.SrcPort), netip.AddrPortFrom(d.Dst.Addr(), d.DstPort), t)
		}
	}
}
