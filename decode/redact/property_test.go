package redact_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/decode/redact"
	"dnatrace/fixtures"
)

// redacted is a recording as it may be shared.
func redacted(t testing.TB, src capture.Source, key string) ([]byte, *redact.Redactor) {
	t.Helper()
	r := redact.New([]byte(key))
	for b, err := range src(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		r.Learn(b)
	}
	r.Seal()
	var out bytes.Buffer
	w := recording.NewWriter(&out, recording.Options{Program: "dnatrace"})
	for b, err := range src(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Write(r.Rewrite(b)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), r
}

// keysFor are the keys that a fixture is redacted with: all of them for some,
// one for the others. DNATRACE_ALL_KEYS asks for all of them for all.
func keysFor(name string) []string {
	all := []string{"first key of several", "second key of several", "third key of several"}
	if n := len(name); n%8 != 0 && os.Getenv("DNATRACE_ALL_KEYS") == "" {
		return all[n%3 : n%3+1]
	}
	return all
}

func open(t testing.TB, b []byte) capture.Source {
	t.Helper()
	src, _, err := recording.OpenReader(bytes.NewReader(b), "redacted.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func replay(t testing.TB, src capture.Source) *correlate.Document {
	t.Helper()
	d, err := judge.Replay(context.Background(), src, judge.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// judged is what must not change, of every request. Points are named by their
// place in the list of them, as their names may change.
func judged(d *correlate.Document) []string {
	place := map[string]string{}
	for i, p := range d.Recording.Points {
		place[p.Name] = fmt.Sprint(i)
	}
	for _, name := range []string{"host", "", "container", "client"} {
		place[name] = name
	}
	var all []string
	for _, r := range d.Requests {
		s := fmt.Sprintf("%s %s %s via=%q attempts=%d proof=%s first=%d container=%t rule=%t", r.Protocol, r.Verdict, r.Stage, r.Via, r.Attempts, r.Proof, r.First.UnixNano(), r.Container != "", r.Rule != nil)
		if r.Rule != nil {
			s += fmt.Sprintf(" %s %s %d %s", r.Rule.Kind, r.Rule.Backend, r.Rule.Handle, r.Rule.Owner)
		}
		s += fmt.Sprintf(" %s blind=%d notes=%d evidence=%d fix=%d between", r.Cause, len(r.Blind), len(r.Notes), len(r.Evidence), len(r.Fix))
		for _, b := range r.Between {
			s += " " + place[b]
		}
		all = append(all, s)
		for _, h := range r.Hops {
			all = append(all, fmt.Sprintf("  %s %s %s frame %d at %d after=%t", place[h.Point], h.Direction, h.Kind, h.Frame, h.Time.UnixNano(), h.After != ""))
		}
	}
	return append(all, fmt.Sprintf("%s %s %+v", d.Verdict, d.Cause, d.Summary))
}

func TestWhatIsSharedIsJudgedTheSame(t *testing.T) {
	for i, name := range fixtures.Names() {
		if testing.Short() && i%8 != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c, err := fixtures.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			src, err := c.Open()
			if err != nil {
				t.Fatal(err)
			}
			want := judged(replay(t, src))
			for _, key := range keysFor(name) {
				out, r := redacted(t, src, key)
				if diff := cmp.Diff(want, judged(replay(t, open(t, out)))); diff != "" {
					t.Errorf("%s: %s (-recorded +redacted)\n%s", key, c.Story, diff)
				}
				if len(r.Removed) > 0 || r.Unsure > 0 {
					t.Errorf("removed %v, unsure of %d values", r.Removed, r.Unsure)
				}
			}
		})
	}
}
