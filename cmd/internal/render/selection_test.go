package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"dnatrace/correlate"
)

// anHour is a run of sixty requests, one a minute from 03:04 on: every third is
// dropped, every fifth of the others refused.
func anHour() *correlate.Document {
	var all []correlate.Incident
	for n := range 60 {
		i := delivered()
		switch {
		case n%3 == 0:
			i = droppedByRule()
		case n%5 == 0:
			i = refused()
		}
		i.ID = fmt.Sprint(n + 1)
		i.First = t0.Add(time.Duration(n) * time.Minute)
		all = append(all, i)
	}
	d := document(all...)
	d.Recording.Ended = t0.Add(time.Hour)
	return d
}

// listed are the ids that JSON lists, and how many it says are selected.
func listed(t *testing.T, o Options, s Selection, d *correlate.Document) (ids []string, selected int) {
	t.Helper()
	var b bytes.Buffer
	p := Select(New(&b, FormatJSON, o), s)
	for n := range d.Requests {
		p.Incident(&d.Requests[n])
	}
	of := *d
	of.Requests = nil
	if err := p.End(&of); err != nil {
		t.Fatal(err)
	}
	var got correlate.Document
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, b.Bytes())
	}
	for _, r := range got.Requests {
		ids = append(ids, r.ID)
	}
	if got.Selection != nil {
		selected = got.Selection.Requests
	}
	if got.Summary != d.Summary {
		t.Errorf("the summary is %+v, want that of all requests, %+v", got.Summary, d.Summary)
	}
	return ids, selected
}

func TestWhatIsSelectedIsPrintedAndAllIsCounted(t *testing.T) {
	for _, row := range []struct {
		story string
		s     Selection
		want  string // ids
	}{
		{"one verdict", Selection{Verdicts: []correlate.Verdict{correlate.Refused}}, "6 11 21 26 36 41 51 56"},
		{"two verdicts, the last three", Selection{Verdicts: []correlate.Verdict{correlate.Refused, correlate.Dropped}, Last: 3}, "55 56 58"},
		{"a cause", Selection{Causes: []correlate.Cause{correlate.CauseListenerOnLoopback}, Last: 2}, "51 56"},
		{"what was not delivered in the last ten minutes", Selection{NotDelivered: true, Since: Since{Before: 10 * time.Minute}}, "51 52 55 56 58"},
		{"from a moment on", Selection{Since: Since{Time: t0.Add(57 * time.Minute)}}, "58 59 60"},
		{"from a time of day on", Selection{Since: Since{Clock: 4*time.Hour + 1*time.Minute, Zone: time.UTC}}, "58 59 60"},
		{"a time of day behind the end is of the day before", Selection{Since: Since{Clock: 23 * time.Hour, Zone: time.UTC}, Last: 1}, "60"},
		{"the last two", Selection{Last: 2}, "59 60"},
		{"more than there are", Selection{Last: 1000, Verdicts: []correlate.Verdict{correlate.Refused}}, "6 11 21 26 36 41 51 56"},
		{"nothing", Selection{Verdicts: []correlate.Verdict{correlate.Stalled}}, ""},
	} {
		t.Run(row.story, func(t *testing.T) {
			row.s.Text = "--so"
			ids, n := listed(t, Options{}, row.s, anHour())
			if got := strings.Join(ids, " "); got != row.want || n != len(ids) {
				t.Errorf("listed %q and counted %d, want %q", got, n, row.want)
			}
			var lines bytes.Buffer
			d := anHour()
			p := Select(New(&lines, FormatJSONL, Options{}), row.s)
			for n := range d.Requests {
				p.Incident(&d.Requests[n])
			}
			d.Requests = nil
			if err := p.End(d); err != nil {
				t.Fatal(err)
			}
			var told []string
			for line := range bytes.Lines(lines.Bytes()) {
				var l requestLine
				if json.Unmarshal(line, &l) == nil && l.Type == "request" {
					told = append(told, l.ID)
				}
			}
			if got := strings.Join(told, " "); got != row.want {
				t.Errorf("line by line %q, want %q", got, row.want)
			}
		})
	}
}

func TestTheWorstOfWhatIsSelectedAreListed(t *testing.T) {
	ids, n := listed(t, Options{Worst: 3}, Selection{Since: Since{Before: 10 * time.Minute}, Text: "--since 10m"}, anHour())
	if !slices.Equal(ids, []string{"52", "55", "58"}) || n != 10 {
		t.Errorf("listed %q of %d, want the three that were dropped, of 10", ids, n)
	}
	w := &Worst{Most: 4}
	d := anHour()
	for n := range d.Requests {
		w.Incident(&d.Requests[n])
	}
	if err := w.End(d); err != nil || len(d.Requests) != 4 || slices.ContainsFunc(d.Requests, func(i correlate.Incident) bool { return i.Verdict != correlate.Dropped }) {
		t.Errorf("%d requests are kept, want the first four that were dropped", len(d.Requests))
	}
}

func TestARequestThatWasShownIsFollowedWhateverBecomesOfIt(t *testing.T) {
	first, second := droppedByRule(), delivered()
	first.Final = false
	second.ID, second.Rev, second.Revised = first.ID, 2, true
	d := document(first, second)
	var b bytes.Buffer
	p := Select(New(&b, FormatTable, Options{}), Selection{NotDelivered: true, Text: "--not-delivered"})
	p.Incident(&d.Requests[0])
	p.Incident(&d.Requests[1])
	other := delivered()
	other.ID, other.Client = "other", "203.0.113.9:1"
	p.Incident(&other)
	if err := p.End(d); err != nil {
		t.Fatal(err)
	}
	if out := b.String(); !strings.Contains(out, "judged again") || strings.Contains(out, "203.0.113.9") || strings.Contains(out, "dropped x") {
		t.Errorf("what was told as dropped and got through in the end is not taken back:\n%s", out)
	}
}

func TestWhatWaitsForTheEndIsBounded(t *testing.T) {
	var b bytes.Buffer
	p := Select(New(&b, FormatTable, Options{}), Selection{Since: Since{Before: time.Hour}, Text: "--since 1h"}).(*selecting)
	i := delivered()
	for n := range 5 * mostHeld {
		one := i
		one.ID, one.First = fmt.Sprint(n), t0.Add(time.Duration(n)*time.Millisecond)
		p.Incident(&one)
		if len(p.held) > 2*mostHeld {
			t.Fatalf("%d requests are held", len(p.held))
		}
	}
	d := document()
	d.Recording.Ended = t0.Add(time.Minute)
	if err := p.End(d); err != nil || d.Selection.Requests+d.Selection.Left != 5*mostHeld || !strings.Contains(b.String(), "were left out: -o json has them") {
		t.Errorf("%v: %+v", err, d.Selection)
	}
}

func TestTheEndOfARunGroupsWhatFailedTheWorstFirst(t *testing.T) {
	d := anHour()
	golden(t, "an-hour.table", printed(t, FormatTable, Options{Width: 100, UTF8: true, Zone: time.FixedZone("CET", 3600)}, d))
}

func TestAScanOfManyPortsIsToldInBounds(t *testing.T) {
	var b bytes.Buffer
	p := New(&b, FormatTable, Options{})
	const ports = 3 * maxKinds
	for n := range ports {
		i := refused()
		i.ID, i.Requested = fmt.Sprint(n), fmt.Sprintf("198.51.100.1:%d", n+1)
		p.Incident(&i)
	}
	d := document()
	d.Summary.Refused = ports
	if err := p.End(d); err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if n := strings.Count(out, "      proof"); n != mostInFull {
		t.Errorf("%d are told in full, want %d", n, mostInFull)
	}
	if want := fmt.Sprintf("and %d requests of other kinds: -o json lists them all", ports-kindsShown-kindsListed); !strings.Contains(out, want) {
		t.Errorf("%q is missing in\n%s", want, out[len(out)-2000:])
	}
}
