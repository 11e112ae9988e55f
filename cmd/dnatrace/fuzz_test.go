package main

import (
	"bytes"
	"context"
	"io"
	"iter"
	"strings"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/annotate"
	"dnatrace/cmd/internal/metrics"
	"dnatrace/cmd/internal/render"
	incident "dnatrace/cmd/internal/report"
	"dnatrace/cmd/internal/report/collect"
	"dnatrace/cmd/internal/watch"
	"dnatrace/correlate"
	"dnatrace/correlate/compare"
	"dnatrace/correlate/foresee"
	"dnatrace/correlate/judge"
	"dnatrace/correlate/topology"
	"dnatrace/decode"
	"dnatrace/decode/redact"
)

// FuzzStages has a recording go through everything that reads one: judged, drawn,
// compared, collected for a report, annotated, redacted, cut. What is drawn does nothing
// to a terminal.
func FuzzStages(f *testing.F) {
	f.Add(recordingOf(f, "demo-none"))
	f.Add(recordingOf(f, "without-iptables"))
	f.Add(pcap(syn(), syn()))
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 1<<20 {
			return
		}
		var src capture.Source = func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
			s, _, err := recording.OpenReader(bytes.NewReader(file), "fuzzed.pcapng")
			if err != nil {
				return func(yield func(*capture.Batch, error) bool) { yield(nil, err) }
			}
			return s(ctx)
		}
		model := watch.New("", 0)
		state := correlate.NewState()
		d, err := judge.Replay(t.Context(), src, judge.Options{
			Keep:       20,
			OnIncident: model.Take,
			OnEvent:    state.Take,
		})
		if d == nil || err != nil {
			return
		}
		var out bytes.Buffer
		ports := foresee.List(state, foresee.Options{})
		model.SetPorts(ports.Ports)
		look := render.Options{UTF8: true, Zone: time.UTC}
		v := watch.NewView(look)
		v.Resize(80, 24)
		for _, k := range []string{"", "enter", "enter"} {
			v.Key(model, k, "")
			out.WriteString(v.Screen(model))
		}
		_ = render.WritePorts(&out, ports, render.FormatTable, look)
		_ = render.WriteTopology(&out, topology.Of(state), render.FormatTable, look)
		side := func(good bool) *compare.Side {
			i := compare.Choose(d, "", good)
			if i == nil {
				return nil
			}
			s := &compare.Side{File: "x", Incident: i, Points: d.Recording.Points, World: compare.NewWorld(i.First)}
			for b, err := range src(t.Context()) {
				if err != nil {
					break
				}
				for _, r := range b.Records {
					events, _ := decode.Control(r)
					for _, e := range events {
						s.World.Take(e)
					}
				}
			}
			return s
		}
		if good, bad := side(true), side(false); good != nil && bad != nil {
			_ = render.WriteDiff(&out, compare.Compare(*good, *bad), render.FormatTable, render.Options{})
		}
		if i := strings.IndexFunc(out.String(), func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' }); i >= 0 {
			t.Errorf("a control character is drawn: %q", out.String()[i:])
		}
		found, err := collect.Run(t.Context(), src, d)
		if err == nil {
			r := incident.Report{Document: d, Findings: found}
			if err := incident.HTML(io.Discard, &r); err != nil {
				t.Error(err)
			}
			if err := incident.Markdown(io.Discard, &r); err != nil {
				t.Error(err)
			}
		}
		_, _ = annotate.Write(t.Context(), src, io.Discard, annotate.Options{})
		r := redact.New([]byte("key"))
		r.Keep("web")
		metered := served{Metrics: metrics.New("", capture.Sources)}
		said := saidSoFar{rings: map[uint16]string{}}
		var around surroundings
		for b, err := range src(t.Context()) {
			if err == nil {
				r.Learn(b)
				metered.take(b, &said)
				around.take(b.Records)
			}
		}
		r.Seal()
		for b, err := range src(t.Context()) {
			if err == nil {
				r.Rewrite(b)
			}
		}
	})
}

// FuzzWords is what a user gives to flags: taken or refused, and what is taken says
// something.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"5m,256MiB", "100", "nan", "1e308g", "inf", "14:05", "2026-03-01T14:05:00Z", "10m", ":9469", "127.0.0.1:9469", "[::1]:0", "-1s", "dropped,refused", "web,198.51.100.0/24", "8080 delivered # the shop\nweb:80 refused:no-listener\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var size sizeFlag
		if size.Set(s) == nil && size < 0 {
			t.Errorf("%q is a size of %d", s, size)
		}
		var k keepFlag
		if k.Set(s) == nil && (k.age < 0 || k.bytes < 0) {
			t.Errorf("%q keeps %s", s, k.String())
		}
		var d durationFlag
		if d.Set(s) == nil && d < 0 {
			t.Errorf("%q is %s", s, d.String())
		}
		var since sinceFlag
		_ = since.Set(s)
		var listen listenFlag
		_ = listen.Set(s)
		_ = new(verdictsFlag).Set(s)
		_ = new(causesFlag).Set(s)
		redact.New([]byte("key")).Keep(s)
		if e, err := parseExpectations(strings.NewReader(s)); err == nil {
			e.take(&correlate.Incident{Final: true, Protocol: "tcp", Requested: s, Translated: "172.17.0.2:80", Container: "web", Verdict: correlate.Delivered})
			_ = e.unmet()
		}
	})
}
