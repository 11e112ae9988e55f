package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dnatrace/capture"
	"dnatrace/capture/inputs"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/watch"
	"dnatrace/correlate/judge"
)

// got asks a server and tells code and text.
func got(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		return err.Error()
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%d %s", r.StatusCode, body)
}

// standing is a source that stands still at its end, with nothing more to wait for,
// until it may end.
func standing(src capture.Source, end <-chan struct{}) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			var last int64
			for b, err := range src(ctx) {
				for i := range b.Packets {
					last = max(last, b.Packets[i].Time)
				}
				var held []capture.Record // its end is to come
				for _, r := range b.Records {
					if r.Kind != capture.KindEnd {
						held = append(held, r)
					}
				}
				if b.Records = held; !yield(b, err) {
					return
				}
			}
			for yield(&capture.Batch{Until: last + int64(10*time.Second)}, nil) { // as a live one says that nothing came
				select {
				case <-end:
					return
				case <-time.After(20 * time.Millisecond):
				}
			}
		}
	}
}

func TestWatchServesWhatItCounts(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, c := range []struct {
		fixture string
		want    []string
	}{
		{"demo-forward-drop", []string{
			`dnatrace_requests_total{cause="firewall-drop",container="web",port="8080",project="",protocol="tcp",service="",verdict="dropped"} 1`,
			`dnatrace_failures_total{container="web",port="8080",project="",protocol="tcp",service=""} 1`,
			`dnatrace_source_state{source="ruletrace",state="ok"} 1`,
			`dnatrace_packets_lost_total{netns="host"} 0`,
		}},
		{"delivered", []string{
			`dnatrace_requests_total{cause="none",container="web",port="8080",project="",protocol="tcp",service="",verdict="delivered"} 1`,
			`dnatrace_failures_total{container="web",port="8080",project="",protocol="tcp",service=""} 0`,
			`dnatrace_hop_seconds_count{direction="request",from="nic",to="bridge"} 1`,
			`dnatrace_first_byte_seconds_count{container="web",port="8080",project="",protocol="tcp",service=""} 1`,
		}},
	} {
		t.Run(c.fixture, func(t *testing.T) {
			var out, said bytes.Buffer
			a := &app{streams: streams{out: &out, err: &said}}
			f := watchFlags{interval: durationFlag(time.Second), lines: true}
			f.format = formatFlag(render.FormatTable)
			if err := f.metrics.Set("127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			told, err := a.serve(&f)
			if err != nil {
				t.Fatal(err)
			}
			url := regexp.MustCompile(`http://127\.0\.0\.1:\d+`).FindString(said.String())
			in, err := inputs.Open(inputs.Input{Path: folder + c.fixture})
			if err != nil {
				t.Fatal(err)
			}
			end := make(chan struct{})
			src := source{Source: standing(in.Source, end), beside: func(*pipeline.Options) {}, options: pipeline.Options{Options: judge.Options{Keep: mostInSummary}}}
			w := &watcher{model: watch.New("", 0)}
			told.feed(&src, w)
			ended := pipeline.Do(t.Context(), func(ctx context.Context) { a.watchLines(ctx, &f, w, src) })
			var page string
			missing := func() string {
				page = got(t, url+"/metrics")
				for _, want := range c.want {
					if !strings.Contains(page, "\n"+want+"\n") {
						return want
					}
				}
				return ""
			}
			for deadline := time.Now().Add(20 * time.Second); missing() != ""; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("%s is not in\n%s", missing(), regexp.MustCompile(`(?m)^dnatrace_.*$`).FindAllString(page, -1))
				}
			}
			if health := got(t, url+"/healthz"); health != "200 ok\n" {
				t.Errorf("while it runs, health is %q", health)
			}
			close(end)
			<-ended
			if health := got(t, url+"/healthz"); health != "503 the stream has ended\n" {
				t.Errorf("at the end, health is %q", health)
			}
			told.close()
			if after := got(t, url+"/healthz"); !strings.Contains(after, "refused") {
				t.Errorf("after the run there is still somebody who says %q", after)
			}
		})
	}
}

func TestMetricsAreServedInEveryFormAndEndWithTheRun(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, format := range []string{"table", "jsonl", "json", "markdown"} {
		out, err, code := dnatrace("watch", "--replay", folder+"demo-forward-drop", "--speed", "0", "-o", format, "--metrics", "127.0.0.1:0")
		at := regexp.MustCompile(`(?m)^metrics on http://(127\.0\.0\.1:\d+)/metrics$`).FindStringSubmatch(err)
		if code != exitFailed || !strings.Contains(strings.ToLower(out), "dropped") || at == nil {
			t.Fatalf("%s: exit %d: %s%s", format, code, out, err)
		}
		l, free := net.Listen("tcp", at[1])
		if free != nil {
			t.Errorf("%s: the port is still taken: %v", format, free)
			continue
		}
		l.Close()
	}
}

func TestWhereMetricsCannotBeServedNothingBegins(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().String()
	for _, c := range []struct{ at, want string }{
		{taken, "dnatrace: serve metrics: listen on " + taken + ": address already in use\n  another program, or another watch, has that port: choose one that is free\n"},
		{"203.0.113.77:9469", "dnatrace: serve metrics: listen on 203.0.113.77:9469: cannot assign requested address\n  no interface of this machine has that address\n"},
		{"127.0.0.1", `"127.0.0.1" is no address and port of this machine`},
		{"metrics.example:9469", `"metrics.example:9469" is no address and port of this machine`},
		{"127.0.0.1:99999", `"127.0.0.1:99999" is no address and port of this machine`},
		{"yes", `"yes" is no address and port of this machine`},
	} {
		out, said, code := dnatrace("watch", "--replay", folder+"demo-forward-drop", "--speed", "0", "--metrics", c.at)
		if code != exitTrouble || out != "" || !strings.Contains(said, c.want) || strings.Count(said, "\n") > 2 {
			t.Errorf("--metrics %s: exit %d, %q, %q", c.at, code, out, said)
		}
	}
}

func TestMetricsAreOfTheLoopbackUnlessToldOtherwise(t *testing.T) {
	for _, c := range []struct{ given, want string }{
		{"9469", "127.0.0.1:9469"}, {":9469", "127.0.0.1:9469"}, {"localhost:9469", "127.0.0.1:9469"}, {"[::1]:9469", "[::1]:9469"}, {"0.0.0.0:9469", "0.0.0.0:9469"}, {"198.51.100.1:80", "198.51.100.1:80"},
	} {
		var l listenFlag
		if err := l.Set(c.given); err != nil || l.String() != c.want {
			t.Errorf("%s is %s (%v), want %s", c.given, l.String(), err, c.want)
		}
	}
}
