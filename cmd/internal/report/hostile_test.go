package report_test

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"dnatrace/cmd/internal/report"
)

// evils are what somebody would name a container, write into a rule's comment,
// or send, to have it read by a browser or by GitHub.
var evils = []string{
	`<script>window.owned=1</script>`, `"><img src=http://198.51.100.9/x onerror=window.owned=1>`, `' onmouseover='window.owned=1`,
	`javascript:window.owned=1`, `</title></style></svg></script><script>window.owned=1</script>`, `]]>--><iframe src=https://203.0.113.9/>`,
	"`| [x](javascript:alert(1)) ![y](http://203.0.113.9/z) <b>|", "@octocat www.example.com https://example.com/ #1", "```\n# head\n```", "a\u202egnp.exe\x1b[2J\u2066\x00\xff",
	`{{.}} ${1} #quot;]; click s0 "javascript:alert(1)" %%`, "1. item\n- item\n| a | b |\n|---|---|",
}

// hostile is a report every text of which is evil.
func hostile(t testing.TB) *report.Report {
	r := mixed(t, 12)
	n := 0
	poison(reflect.ValueOf(r).Elem(), &n)
	return r
}

// poison replaces every string but the few that name a fixed set.
func poison(v reflect.Value, n *int) {
	switch v.Kind() {
	case reflect.String:
		*n++
		v.SetString(evils[*n%len(evils)])
	case reflect.Struct:
		if v.Type().String() == "time.Time" {
			return
		}
		for k := range v.NumField() {
			switch v.Type().Field(k).Name {
			case "Role", "Lane", "Class", "Direction", "Kind":
				continue
			}
			poison(v.Field(k), n)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		for k := range v.Len() {
			poison(v.Index(k), n)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			poison(v.Elem(), n)
		}
	}
}

func TestNoTextOfARecordingIsReadAsHTML(t *testing.T) {
	out := page(t, hostile(t))
	if !bytes.Contains(out, []byte("&lt;script&gt;window.owned=1")) {
		t.Fatal("no evil text is in the page: nothing was tested")
	}
	count := map[string]int{}
	root, err := html.Parse(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			count[n.Data]++
			harmless(t, n)
		}
	}
	for name, want := range map[string]int{"script": 1, "style": 1, "img": 0, "iframe": 0, "object": 0, "embed": 0, "base": 0, "link": 0, "foreignobject": 0, "b": 0} {
		if count[name] != want {
			t.Errorf("%d elements %s, want %d", count[name], name, want)
		}
	}
	printable(t, out)
}

// harmless fails on attributes that act or fetch.
func harmless(t *testing.T, n *html.Node) {
	t.Helper()
	for _, a := range n.Attr {
		switch {
		case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "srcset", a.Key == "srcdoc", a.Key == "action", a.Key == "xlink":
			t.Errorf("<%s> has %s=%q", n.Data, a.Key, a.Val)
		case a.Key == "href" && !strings.HasPrefix(a.Val, "#") && !strings.HasPrefix(a.Val, "data:application/octet-stream;base64,"):
			t.Errorf("<%s> leads to %q", n.Data, a.Val)
		}
	}
}

func printable(t *testing.T, out []byte) {
	t.Helper()
	for _, r := range string(out) {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			t.Fatalf("the output holds %U", r)
		}
	}
}

func TestNoTextOfARecordingIsReadAsMarkdown(t *testing.T) {
	for name, write := range map[string]func(*bytes.Buffer, *report.Report) error{
		"the report": func(b *bytes.Buffer, r *report.Report) error { return report.Markdown(b, r) },
		"the issue":  func(b *bytes.Buffer, r *report.Report) error { return report.Issue(b, r) },
	} {
		var b bytes.Buffer
		if err := write(&b, hostile(t)); err != nil {
			t.Fatal(err)
		}
		printable(t, b.Bytes())
		rest := outsideCode(t, b.String())
		for _, bad := range []string{"<script", "<img", "<iframe", "](", "https://", "www.", "![", "@octocat"} {
			if at := strings.Index(rest, bad); at >= 0 {
				t.Errorf("%s: %q acts: %q", name, bad, rest[max(0, at-60):min(len(rest), at+60)])
			}
		}
	}
}

// outsideCode takes fenced blocks and code spans out, and counts the cells of
// tables while at it.
func outsideCode(t *testing.T, md string) string {
	t.Helper()
	var out []string
	fence, cells := "", 0
	for line := range strings.SplitSeq(md, "\n") {
		trimmed := strings.TrimLeft(line, " ")
		ticks := trimmed[:len(trimmed)-len(strings.TrimLeft(trimmed, "`"))]
		switch {
		case fence != "":
			if trimmed == fence {
				fence = ""
			}
			continue
		case len(ticks) >= 3 && !strings.Contains(trimmed[len(ticks):], "`"):
			fence = ticks
			continue
		}
		if !strings.HasPrefix(line, "|") {
			cells = 0
		} else if n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); cells == 0 {
			cells = n
		} else if n != cells {
			t.Errorf("%d bars in a table of %d: %s", n, cells, line)
		}
		out = append(out, withoutSpans(line))
	}
	if fence != "" {
		t.Errorf("a block of code is not closed: %s", fence)
	}
	return strings.Join(out, "\n")
}

// withoutSpans takes code spans out: a run of backticks ends at the next run of
// the same length (GFM section 6.3). A backslash before a run takes its meaning.
func withoutSpans(line string) string {
	var b strings.Builder
	for i := 0; i < len(line); {
		switch {
		case line[i] == '\\' && i+1 < len(line):
			b.WriteByte(' ')
			i += 2
		case line[i] == '`':
			n := len(line[i:]) - len(strings.TrimLeft(line[i:], "`"))
			end := closing(line[i+n:], n)
			if end < 0 {
				b.WriteString(line[i : i+n])
				i += n
				continue
			}
			i += n + end + n
		default:
			b.WriteByte(line[i])
			i++
		}
	}
	return b.String()
}

// closing finds the next run of exactly n backticks.
func closing(s string, n int) int {
	for i := 0; i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		run := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		if run == n {
			return i
		}
		i += run
	}
	return -1
}

func ExampleQuoted() {
	fmt.Println(report.Quoted("web"), report.Quoted("it's; rm -rf /"))
	// Output: web 'it'\''s; rm -rf /'
}

// FuzzNoTextActs proves of any text, wherever it stands, what is tested of the
// evil ones above.
func FuzzNoTextActs(f *testing.F) {
	for _, s := range evils {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 256 {
			return // it stands in hundreds of places
		}
		r := frozen(t, "reply-filtered")
		before := evils
		defer func() { evils = before }()
		evils = []string{s}
		n := 0
		poison(reflect.ValueOf(r).Elem(), &n)
		out := page(t, r)
		printable(t, out)
		root, err := html.Parse(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		scripts := 0
		for n := range root.Descendants() {
			if n.Type == html.ElementNode {
				harmless(t, n)
			}
			if n.Data == "script" && n.Type == html.ElementNode {
				scripts++
			}
		}
		if scripts != 1 {
			t.Errorf("%d scripts in the page", scripts)
		}
		var b bytes.Buffer
		if err := report.Markdown(&b, r); err != nil {
			t.Fatal(err)
		}
		rest := outsideCode(t, b.String())
		if at := strings.Index(strings.ReplaceAll(strings.ReplaceAll(rest, "<br>", ""), "@<!-- -->", ""), "<"); at >= 0 {
			t.Errorf("HTML in Markdown: %q", rest[max(0, at-40):min(len(rest), at+40)])
		}
	})
}
