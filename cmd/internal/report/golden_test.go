package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"dnatrace/cmd/internal/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file in testdata, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with: go test ./cmd/internal/report -update)", err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// structure is the outline of a page: its heads, the stops of its paths, its
// packets, and of each table the columns and how many rows it has. What the
// verdict says in words is tested where it is decided.
func structure(t *testing.T, page []byte) []byte {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	outline(&b, root)
	return []byte(b.String())
}

func outline(b *strings.Builder, n *html.Node) {
	switch n.Data {
	case "style", "script", "title", "nav":
		return
	case "h1", "h2", "h3", "summary":
		fmt.Fprintf(b, "%s: %s\n", n.Data, words(n))
	case "li":
		if attr(n.Parent, "class") == "stops" {
			fmt.Fprintf(b, "  %s [%s]\n", stopTime.ReplaceAllString(words(n), ""), attr(n, "class"))
		}
	case "g":
		if label := attr(n, "aria-label"); label != "" {
			fmt.Fprintf(b, "  %s [%s]\n", packetTime.ReplaceAllString(label, ""), attr(n, "class"))
		}
	case "table":
		fmt.Fprintf(b, "  table: %s\n", columns(n))
	}
	for c := range n.ChildNodes() {
		outline(b, c)
	}
}

var (
	stopTime   = regexp.MustCompile(` \+[0-9.]+ m?s$`)
	packetTime = regexp.MustCompile(` at [0-9.]+ m?s,.*`)
)

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// words is all text within.
func words(n *html.Node) string {
	var all []string
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			all = append(all, strings.Fields(d.Data)...)
		}
	}
	return strings.Join(all, " ")
}

// columns names a table's columns, and says whether there are rows.
func columns(n *html.Node) string {
	var heads []string
	rows := 0
	for d := range n.Descendants() {
		switch d.Data {
		case "th":
			heads = append(heads, words(d))
		case "tr":
			rows++
		}
	}
	if rows < 2 {
		return strings.Join(heads, ", ") + " (empty)"
	}
	return strings.Join(heads, ", ")
}

func TestThePageTellsTheIncident(t *testing.T) {
	for _, name := range verdicts {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", structure(t, page(t, reportOf(t, name))))
		})
	}
}

// frozen is a report that no change of a verdict's words changes: see freeze.
func frozen(t *testing.T, name string) *report.Report {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	return &r
}

var freeze = flag.Bool("freeze", false, "write the frozen reports anew, from the fixtures")

func TestMarkdownTellsTheIncident(t *testing.T) {
	for _, name := range []string{"firewall-drop", "reply-filtered", "no-listener-behind-proxy"} {
		t.Run(name, func(t *testing.T) {
			if *freeze {
				b, err := json.MarshalIndent(reportOf(t, name), "", " ")
				if err != nil {
					t.Fatal(err)
				}
				golden(t, name+".json", append(b, '\n'))
			}
			var md, issue bytes.Buffer
			if err := report.Markdown(&md, frozen(t, name)); err != nil {
				t.Fatal(err)
			}
			if err := report.Issue(&issue, frozen(t, name)); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".md", md.Bytes())
			golden(t, name+".issue.md", issue.Bytes())
		})
	}
}

func TestTheSameIncidentGivesTheSameBytes(t *testing.T) {
	for _, name := range verdicts {
		if a, b := page(t, reportOf(t, name)), page(t, reportOf(t, name)); !bytes.Equal(a, b) {
			t.Errorf("%s: %s", name, cmp.Diff(string(a), string(b)))
		}
	}
}

func TestThePageMarksWhereItEnded(t *testing.T) {
	for _, name := range verdicts {
		r := reportOf(t, name)
		out := string(page(t, r))
		ended := strings.Count(out, `class="endmark"`)
		if r.Document.Verdict.String() == "delivered" {
			if ended != 0 || !strings.Contains(out, `class="check"`) {
				t.Errorf("%s: delivered, with %d marks of an end", name, ended)
			}
			continue
		}
		if ended != 1 {
			t.Errorf("%s: %d marks of where it ended, want 1", name, ended)
		}
	}
}

func TestThePageIsSmallHoweverManyRequests(t *testing.T) {
	r := mixed(t, 5000)
	out := page(t, r)
	if len(out) > 2<<20 {
		t.Errorf("%d bytes", len(out))
	}
	if want := fmt.Sprintf("The worst %d are listed; 4500 more are counted.", report.MaxRequests); !bytes.Contains(out, []byte(want)) {
		t.Errorf("the page does not say %q", want)
	}
	if n := bytes.Count(out, []byte(`<tr data-verdict="dropped"`)); n != report.MaxRequests {
		t.Errorf("%d dropped requests listed of 1250: the worst come first", n)
	}
}

func TestThePageSaysThatItIsRedacted(t *testing.T) {
	r := reportOf(t, "firewall-drop")
	if bytes.Contains(page(t, r), []byte("Redacted.")) {
		t.Error("a report of an original says that it is redacted")
	}
	r.Redacted = true
	if !bytes.Contains(page(t, r), []byte("Redacted.")) {
		t.Error("a report of a redacted recording does not say so")
	}
	for _, write := range []func(*bytes.Buffer) error{func(b *bytes.Buffer) error { return report.Markdown(b, r) }, func(b *bytes.Buffer) error { return report.Issue(b, r) }} {
		var b bytes.Buffer
		if err := write(&b); err != nil || !strings.Contains(b.String(), "are pseudonyms") {
			t.Errorf("Markdown of a redacted recording does not say so (%v)", err)
		}
	}
}

func TestARunWithoutRequestsIsReportedToo(t *testing.T) {
	r := mixed(t, 0)
	r.Cases = nil
	r.Document.Verdict, r.Document.Cause = 8, "none"
	out := page(t, r)
	if !bytes.Contains(out, []byte("No request seen")) {
		t.Error("the page does not say that no request was seen")
	}
	var b bytes.Buffer
	if err := report.Markdown(&b, r); err != nil {
		t.Error(err)
	}
	if err := report.Issue(&b, r); err != nil {
		t.Error(err)
	}
}

func TestARecordingIsEmbeddedWhole(t *testing.T) {
	r := reportOf(t, "firewall-drop")
	r.Files[0].Data = []byte{0, 1, 2, 0xff, '<', '/', 'a', '>'}
	if out := page(t, r); !bytes.Contains(out, []byte(`href="data:application/octet-stream;base64,AAEC/zwvYT4="`)) && !bytes.Contains(out, []byte(`href="data:application/octet-stream;base64,AAEC/zwvYT4&#61;"`)) {
		t.Error("the embedded bytes are not in the page")
	}
}

func BenchmarkPage(b *testing.B) {
	r := mixed(b, 5000)
	b.ReportAllocs()
	for b.Loop() {
		page(b, r)
	}
}
