package render

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
	"time"

	"dnatrace/correlate"
)

// Formats for what runs tests: each request is a case, which passes if it was
// delivered, and is skipped if it is undetermined.
const (
	FormatJUnit  Format = "junit"
	FormatTAP    Format = "tap"
	FormatGitHub Format = "github"
)

// OfCases reports whether a format is one for what runs tests.
func OfCases(f Format) bool { return f == FormatJUnit || f == FormatTAP || f == FormatGitHub }

// mostCases bounds the requests that are held for such a format.
const mostCases = 1 << 14

// cases writes all requests at the end, as their last judgement has them.
type cases struct {
	out   *output
	write func(io.Writer, *correlate.Document, []*correlate.Incident) error
	order []string
	last  map[string]*correlate.Incident
}

func (*cases) Start(*correlate.Document)    {}
func (*cases) Flood(*correlate.FloodReport) {}

// Changed does nothing.
func (*cases) Changed(time.Time, string) {}

func (p *cases) Incident(i *correlate.Incident) {
	if _, ok := p.last[i.ID]; !ok {
		if len(p.order) >= mostCases {
			return
		}
		p.order = append(p.order, i.ID)
	}
	last := cleaned(*i, Clean)
	p.last[i.ID] = &last
}

func (p *cases) End(d *correlate.Document) error {
	var all []*correlate.Incident
	for _, id := range p.order {
		all = append(all, p.last[id])
	}
	var b bytes.Buffer
	if err := p.write(&b, d, all); err != nil {
		return err
	}
	p.out.write(b.Bytes())
	return p.out.result()
}

// caseName names a request as a test does.
func caseName(i *correlate.Incident) string {
	to := i.Requested + "/" + i.Protocol
	if i.Container != "" {
		to += " (" + i.Container + ")"
	}
	return i.Client + " to " + to
}

// outcome is what became of a request, in short.
func outcomeOf(i *correlate.Incident) string {
	if i.Cause == correlate.CauseNone || i.Cause == "" {
		return i.Verdict.String()
	}
	return i.Verdict.String() + ": " + string(i.Cause)
}

// details are what a failure is told with, one a line.
func details(i *correlate.Incident) []string {
	out := []string{i.Why}
	if i.Rule != nil {
		out = append(out, "rule: "+ruleLine(i.Rule))
	}
	for _, f := range i.Fix {
		out = append(out, "fix: "+f)
	}
	for _, s := range i.Blind {
		out = append(out, "blind: "+s)
	}
	return out
}

// The elements of JUnit's XML that everyone reads.
type junitSuite struct {
	XMLName  xml.Name `xml:"testsuite"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Time     string   `xml:"time,attr"`
	Stamp    string   `xml:"timestamp,attr"`
	Cases    []junitCase
}

type junitCase struct {
	XMLName xml.Name      `xml:"testcase"`
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Skipped *junitMessage `xml:"skipped"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

func writeJUnit(w io.Writer, d *correlate.Document, all []*correlate.Incident) error {
	s := junitSuite{
		Name: strings.TrimSpace("dnatrace " + Clean(d.Target)), Tests: len(all), Stamp: d.Recording.Started.UTC().Format("2006-01-02T15:04:05"),
		Time: caseTime(d.Recording.Ended.Sub(d.Recording.Started)),
	}
	for _, i := range all {
		c := junitCase{Class: "dnatrace." + i.Protocol, Name: caseName(i), Time: caseTime(i.Last.Sub(i.First))}
		switch i.Verdict {
		case correlate.Delivered:
		case correlate.Undetermined:
			s.Skipped++
			c.Skipped = &junitMessage{Message: i.Why}
		default:
			s.Failures++
			c.Failure = &junitMessage{Message: outcomeOf(i), Type: i.Verdict.String(), Text: strings.Join(details(i), "\n")}
		}
		s.Cases = append(s.Cases, c)
	}
	b, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write JUnit: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s%s\n", xml.Header, b)
	return err
}

func caseTime(t time.Duration) string { return fmt.Sprintf("%.3f", max(0, t).Seconds()) }

// writeTAP writes version 13 of the Test Anything Protocol.
func writeTAP(w io.Writer, _ *correlate.Document, all []*correlate.Incident) error {
	fmt.Fprintf(w, "TAP version 13\n1..%d\n", len(all))
	for n, i := range all {
		name := strings.ReplaceAll(caseName(i), "#", `\#`)
		switch i.Verdict {
		case correlate.Delivered:
			fmt.Fprintf(w, "ok %d - %s\n", n+1, name)
		case correlate.Undetermined:
			fmt.Fprintf(w, "ok %d - %s # SKIP undetermined\n", n+1, name)
		default:
			fmt.Fprintf(w, "not ok %d - %s\n  ---\n", n+1, name)
			fmt.Fprintf(w, "  verdict: %q\n  cause: %q\n  stage: %q\n", i.Verdict.String(), string(i.Cause), string(i.Stage))
			for _, line := range details(i) {
				fmt.Fprintf(w, "  # %s\n", line)
			}
			fmt.Fprint(w, "  ...\n")
		}
	}
	return nil
}

// writeGitHub writes the commands by which a job of GitHub's shows annotations.
func writeGitHub(w io.Writer, d *correlate.Document, all []*correlate.Incident) error {
	text := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	title := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	for _, i := range all {
		level := "error"
		switch i.Verdict {
		case correlate.Delivered:
			continue
		case correlate.Undetermined:
			level = "warning"
		default:
		}
		fmt.Fprintf(w, "::%s title=%s::%s\n", level, title.Replace(caseName(i)+": "+outcomeOf(i)), text.Replace(strings.Join(details(i), "\n")))
	}
	_, err := fmt.Fprintf(w, "::notice title=dnatrace::%s\n", text.Replace(fmt.Sprintf("%s, the run is %s", plural(len(all), "request", "requests"), d.Verdict)))
	return err
}

// NewTemplate is a Printer that writes each request, as JSON has it, by a template of
// Go's (text/template), on a line of its own.
func NewTemplate(w io.Writer, text string) (Printer, error) {
	t, err := ParseTemplate(text)
	if err != nil {
		return nil, err
	}
	write := func(w io.Writer, _ *correlate.Document, all []*correlate.Incident) error {
		for _, i := range all {
			if err := t.line(w, i); err != nil {
				return err
			}
		}
		return nil
	}
	return &cases{out: &output{w: w}, write: write, last: map[string]*correlate.Incident{}}, nil
}

// Template is one that a user wrote.
type Template struct{ *template.Template }

// ParseTemplate reads a template, with the functions that docker's have.
func ParseTemplate(text string) (Template, error) {
	t, err := template.New("format").Option("missingkey=error").Funcs(template.FuncMap{
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
		"join": strings.Join, "upper": strings.ToUpper, "lower": strings.ToLower,
	}).Parse(text)
	if err != nil {
		return Template{}, fmt.Errorf("read template: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	return Template{t}, nil
}

func (t Template) line(w io.Writer, v any) error {
	if err := t.Execute(w, v); err != nil {
		return fmt.Errorf("print by template: %s", strings.TrimPrefix(err.Error(), "template: "))
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// newCases is the Printer of a format for what runs tests; nil for others.
func newCases(out *output, f Format) Printer {
	p := &cases{out: out, last: map[string]*correlate.Incident{}}
	switch f {
	case FormatJUnit:
		p.write = writeJUnit
	case FormatTAP:
		p.write = writeTAP
	case FormatGitHub:
		p.write = writeGitHub
	default:
		return nil
	}
	return p
}

// caseFormats are those formats.
var caseFormats = []Format{FormatJUnit, FormatTAP, FormatGitHub}

func isCaseFormat(f Format) bool { return slices.Contains(caseFormats, f) }
