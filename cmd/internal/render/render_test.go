package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate"
)

func TestJSONHasEveryFieldOfAnEmptyDocument(t *testing.T) {
	d := &correlate.Document{Requests: []correlate.Incident{{}}, Recording: correlate.Recording{
		Points: []correlate.PointReport{{}}, Rings: []correlate.RingReport{{}}}}
	out := printed(t, FormatJSON, Options{}, d)
	if bytes.Contains(out, []byte("null")) {
		t.Errorf("a list is null:\n%s", out)
	}
	var got struct{ Requests []map[string]any }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	for _, field := range strings.Fields(`id rev final protocol client client_container client_seen requested translated
		container network project service via first last attempts timing verdict stage between cause why proof hops unseen
		evidence blind notes fix`) {
		if _, ok := got.Requests[0][field]; !ok {
			t.Errorf("field %s is missing", field)
		}
	}
}

func TestJSONTimesAreUTC(t *testing.T) {
	i := delivered()
	i.First = i.First.In(time.FixedZone("somewhere", 2*3600))
	out := printed(t, FormatJSON, Options{}, document(i))
	if want := `"first": "2026-03-01T03:04:05.678901234Z"`; !bytes.Contains(out, []byte(want)) {
		t.Errorf("%s is not in\n%s", want, out)
	}
}

func TestJSONLeavesTheDocumentAlone(t *testing.T) {
	d, same := document(hostile()), document(hostile())
	printed(t, FormatJSON, Options{}, d)
	printed(t, FormatTable, Options{}, d)
	if diff := cmp.Diff(same, d); diff != "" {
		t.Errorf("printing changed the document:\n%s", diff)
	}
}

func TestEqualFailuresAreCounted(t *testing.T) {
	var many []correlate.Incident
	for range 60 {
		many = append(many, droppedByRule())
	}
	out := string(printed(t, FormatTable, Options{UTF8: true}, document(many...)))
	if n := strings.Count(out, "✗ DROPPED"); n != 1 {
		t.Errorf("printed in full %d times, want once", n)
	}
	for _, want := range []string{"✗ again ×2 ", "✗ again ×5 ", "✗ again ×50 ", "✗ dropped ×60 ", "60 requests: 60 dropped"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(out, "again ×3 ") {
		t.Error("every repeat is printed")
	}
}

func TestAChangedJudgementIsPrintedAgain(t *testing.T) {
	first, second := droppedByRule(), delivered()
	second.ID, second.Rev, second.Revised = first.ID, 2, true
	out := string(printed(t, FormatTable, Options{}, document(first, second)))
	if !strings.Contains(out, "judged again") {
		t.Errorf("the second judgement is not told from a second request:\n%s", out)
	}
}

func TestTheLastLineOfARequestIsFinalAndHasTheHighestRev(t *testing.T) {
	i := droppedByRule()
	i.Final = false
	last := map[string]correlate.Incident{}
	lines := 0
	for line := range bytes.Lines(printed(t, FormatJSONL, Options{}, document(i))) {
		var l requestLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatal(err)
		}
		if l.Type != "request" {
			continue
		}
		if lines++; l.Rev <= last[l.ID].Rev {
			t.Errorf("rev %d comes after rev %d", l.Rev, last[l.ID].Rev)
		}
		last[l.ID] = l.Incident
	}
	if lines != 2 || !last[i.ID].Final {
		t.Errorf("%d lines, want 2; the last one is final: %t", lines, last[i.ID].Final)
	}
}

func TestAJudgementMadeFinalIsNotCountedAgain(t *testing.T) {
	first, second := droppedByRule(), droppedByRule()
	first.Final, second.Rev = false, 2
	for _, f := range []Format{FormatTable, FormatMarkdown} {
		out := string(printed(t, f, Options{}, document(first, second)))
		if strings.Contains(out, "judged again") || strings.Contains(out, "x2") || strings.Contains(out, "×2") {
			t.Errorf("%s: one request is told as two:\n%s", f, out)
		}
	}
}

func TestOpenRequestsAreListedAFew(t *testing.T) {
	d := document()
	for n := range 12 {
		d.Open = append(d.Open, correlate.OpenRequest{ID: "1", Client: fmt.Sprintf("198.51.100.100:%d", 40000+n), Requested: "198.51.100.1:8080", Protocol: "tcp", Attempts: 1, Seen: []string{"eth0"}, Why: "the capture ended 0.3 s after the last try\x1b"})
	}
	d.Summary.Open = 12
	for _, f := range []Format{FormatTable, FormatMarkdown, FormatJSONL, FormatJSON} {
		out := string(printed(t, f, Options{UTF8: true}, d))
		if !strings.Contains(out, "198.51.100.100:40009") || !strings.Contains(out, "0.3 s after") || strings.Contains(out, "\x1b") {
			t.Errorf("%s: open requests are not told:\n%s", f, out)
		}
		if few := strings.Contains(out, "198.51.100.100:40010"); few != (f == FormatJSONL || f == FormatJSON) {
			t.Errorf("%s: the eleventh is told: %t", f, few)
		}
	}
}

func TestMissingEvidenceIsSaid(t *testing.T) {
	d := document(droppedBetween())
	d.Recording.Sources = []correlate.SourceReport{
		{Name: "packets", State: "ok"},
		{Name: "conntrack", State: "failed", Why: "open netlink socket: operation not permitted"},
		{Name: "ruletrace", State: "absent"},
		{Name: "engine", State: "absent", Why: "not in the recording"},
		{Name: "host", State: "absent", Why: "not in the recording"},
	}
	d.Recording.Damage = []string{"the recording is cut after frame 17"}
	out := string(printed(t, FormatTable, Options{}, d))
	for _, want := range []string{"without conntrack: open netlink socket: operation not permitted", "without engine, host: not in the recording", "damaged: the recording is cut after frame 17"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out, "ruletrace") {
		t.Error("a source that is absent without a reason is mentioned")
	}
}

func TestAFullDiskIsReported(t *testing.T) {
	full := errors.New("no space left on device")
	for _, f := range []Format{FormatTable, FormatJSON, FormatJSONL} {
		p := New(failing{full}, f, Options{})
		d := document(delivered())
		p.Start(d)
		p.Incident(&d.Requests[0])
		if err := p.End(d); !errors.Is(err, full) {
			t.Errorf("%s: End says %v", f, err)
		}
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestDetectReadsTheEnvironment(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		utf8 bool
		col  bool
	}{
		{"a usual desktop", map[string]string{"LANG": "en_GB.UTF-8", "TERM": "xterm-256color"}, true, true},
		{"LC_ALL wins over LANG", map[string]string{"LC_ALL": "C", "LANG": "en_GB.UTF-8"}, false, true},
		{"LC_CTYPE in its other spelling", map[string]string{"LC_CTYPE": "C.utf8"}, true, true},
		{"NO_COLOR", map[string]string{"NO_COLOR": "1", "LANG": "C.UTF-8"}, true, false},
		{"a dumb terminal", map[string]string{"TERM": "dumb", "LANG": "C.UTF-8"}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			getenv := func(k string) string { return c.env[k] }
			if got := isUTF8(getenv); got != c.utf8 {
				t.Errorf("isUTF8 = %v", got)
			}
			if got := allowsColor(getenv); got != c.col {
				t.Errorf("allowsColor = %v", got)
			}
		})
	}
}

func TestAPipeIsNoTerminal(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if o := Detect(w, func(string) string { return "" }); o.Width != 0 || o.Color {
		t.Errorf("a pipe is %+v", o)
	}
}

func TestWrapKeepsLongWordsWhole(t *testing.T) {
	got := wrap("see /var/lib/docker/network/files/local-kv.db for it", 12)
	want := []string{"see", "/var/lib/docker/network/files/local-kv.db", "for it"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func BenchmarkTable(b *testing.B) { benchmark(b, FormatTable) }
func BenchmarkJSONL(b *testing.B) { benchmark(b, FormatJSONL) }

func benchmark(b *testing.B, f Format) {
	p, i := New(io.Discard, f, Options{UTF8: true}), delivered()
	for b.Loop() {
		p.Incident(&i)
	}
}

// A flood is one line while it lasts, and one at the end.
func TestAFloodIsOneLine(t *testing.T) {
	began := time.Date(2026, 3, 1, 3, 4, 5, 0, time.UTC)
	floods := []correlate.FloodReport{
		{To: "198.51.100.1:8080", Protocol: "tcp", Requests: 300_000, Packets: 300_010, Addresses: 65_100, First: began, Last: began.Add(20 * time.Second)},
		{To: "198.51.100.1:53", Protocol: "udp", Requests: 2000, Packets: 2000, Addresses: 1, Refused: 12, First: began, Last: began.Add(time.Second)},
	}
	said := []string{
		"flood: 300010 SYNs to 198.51.100.1:8080 from about 65100 addresses in 20.0 s, none followed up",
		"flood: 2000 datagrams to 198.51.100.1:53 from about 1 address in 1.0 s, none answered, 12 refused",
	}
	d := document()
	d.Recording.Floods = floods
	for _, f := range []Format{FormatTable, FormatMarkdown} {
		out := strings.Join(strings.Fields(string(printed(t, f, Options{}, d))), " ")
		for _, s := range said {
			if f == FormatMarkdown {
				s = MarkdownText(s)
			}
			if strings.Count(out, s) != 1 {
				t.Errorf("%s: not one line %q in\n%s", f, s, out)
			}
		}
	}
	var live bytes.Buffer
	p := New(&live, FormatTable, Options{Zone: time.UTC})
	p.Flood(&floods[0])
	if got, want := live.String(), "? flood of SYNs to 198.51.100.1:8080 since 03:04:05.000: told as one, at the end\n"; got != want {
		t.Errorf("while it lasts: %q, want %q", got, want)
	}
}
