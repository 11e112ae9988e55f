package render

import (
	"fmt"
	"io"
	"strings"

	"dnatrace/correlate"
)

// Doctor is what a host can give as evidence, and what that leaves out of reach.
type Doctor struct {
	Schema     string                   `json:"schema"`
	Sources    []correlate.SourceReport `json:"sources"`
	Privileges []Privilege              `json:"privileges"`
	Backends   []Backend                `json:"backends"`
	Versions   []Version                `json:"versions"`
	OutOfReach []correlate.Limit        `json:"out_of_reach"`
	Probe      *Ability                 `json:"probe,omitempty"`
	Confined   *Ability                 `json:"confined,omitempty"` // whether what reads strangers' bytes can be kept from all else
	Selftest   *Selftest                `json:"selftest,omitempty"`
}

// Privilege is one that evidence takes.
type Privilege struct {
	Name   string `json:"name"` // "CAP_NET_RAW"
	Held   bool   `json:"held"`
	Cost   string `json:"cost"`   // what cannot be done without it
	Remedy string `json:"remedy"` // what to do; "" if held
}

// Ability is whether something can be done here.
type Ability struct {
	OK  bool   `json:"ok"`
	Why string `json:"why"` // why not; "" if it can
}

// Backend is a packet filter that has rules here.
type Backend struct {
	Name   string   `json:"name"`   // as rules of it are named in requests
	Tables []string `json:"tables"` // "ip nat"
	Rules  int      `json:"rules"`
	Owners []string `json:"owners"` // whose rules they are, sorted
	Error  string   `json:"error"`  // why it could not be read
}

// Version is one of a part that matters, with what is known to differ in it.
type Version struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Notes   []string `json:"notes"`
}

// Selftest is what became of every scenario of the lab.
type Selftest struct {
	Passed    int        `json:"passed"`
	Of        int        `json:"of"`
	Scenarios []Selfcase `json:"scenarios"`
}

// Selfcase is one scenario: what it must be judged as, and what it was.
type Selfcase struct {
	Name  string `json:"name"`
	Want  string `json:"want"` // VERDICT:CAUSE
	Got   string `json:"got"`
	OK    bool   `json:"ok"`
	Error string `json:"error"` // why it could not be run
}

// WriteDoctor writes d as f says; Markdown is the table's text in a block.
func WriteDoctor(w io.Writer, d *Doctor, f Format, o Options) error {
	out := &output{w: w}
	if f == FormatJSON || f == FormatJSONL {
		indent := "  "
		if f == FormatJSONL {
			indent = ""
		}
		encode(out, cleaned(*d, Clean), indent)
		return out.result()
	}
	text := (&ward{Doctor: cleaned(*d, o.text()), g: o.glyphs(), paint: painter(o.Color), width: o.Width}).String()
	if f == FormatMarkdown {
		text = "```text\n" + text + "```\n"
	}
	out.write([]byte(text))
	return out.result()
}

// text is how hostile text is shown to this reader.
// Text is a line of anybody's as the reader's side can show it.
func (o Options) Text(s string) string { return o.text()(s) }

func (o Options) text() func(string) string {
	if o.UTF8 {
		return Clean
	}
	return cleanASCII
}

func (o Options) glyphs() glyphs {
	if o.UTF8 {
		return utf8Glyphs
	}
	return asciiGlyphs
}

// ward shows a Doctor to people: what works first, then what follows from it.
type ward struct {
	Doctor
	g     glyphs
	paint painter
	width int
	b     strings.Builder
}

func (p *ward) String() string {
	p.sources()
	p.privileges()
	p.backends()
	p.versions()
	p.limits()
	p.probe()
	p.confined()
	p.selftest()
	return p.b.String()
}

func (p *ward) title(s string) {
	if p.b.Len() > 0 {
		p.b.WriteByte('\n')
	}
	p.b.WriteString(s + "\n")
}

// item writes a line with a mark, a name padded to a column, and prose that wraps
// behind it.
func (p *ward) item(mark, name, prose string) {
	const indent = 2 + 2 + 22
	head := "  " + mark + " " + pad(name, 20) + "  "
	lines := wrap(prose, max(p.lineWidth()-indent, 40))
	for i, line := range lines {
		if i > 0 {
			head = strings.Repeat(" ", indent)
		}
		p.b.WriteString(strings.TrimRight(head+line, " ") + "\n")
	}
}

func (p *ward) lineWidth() int {
	if p.width > 0 {
		return p.width
	}
	return DefaultWidth
}

func (p *ward) mark(ok bool) string {
	if ok {
		return p.paint.in(green, p.g.good)
	}
	return p.paint.in(red, p.g.bad)
}

func (p *ward) sources() {
	p.title("evidence this host gives")
	for _, s := range p.Sources {
		why := s.Why
		if s.State.OK() && why == "" {
			why = "works"
		}
		p.item(p.mark(s.State.OK()), s.Name, why)
	}
}

func (p *ward) privileges() {
	p.title("privileges")
	for _, v := range p.Privileges {
		text := "held"
		if !v.Held {
			text = v.Cost + "; " + v.Remedy
		}
		p.item(p.mark(v.Held), v.Name, text)
	}
}

func (p *ward) backends() {
	if len(p.Backends) == 0 {
		return
	}
	p.title("packet filters with rules here")
	for _, b := range p.Backends {
		text := fmt.Sprintf("%s in %s", plural(b.Rules, "rule", "rules"), strings.Join(b.Tables, ", "))
		if len(b.Owners) > 0 {
			text += ", of " + strings.Join(b.Owners, ", ")
		}
		if b.Error != "" {
			text = "could not be read: " + b.Error
		}
		p.item(p.mark(b.Error == ""), b.Name, text)
	}
}

func (p *ward) versions() {
	p.title("versions")
	for _, v := range p.Versions {
		p.item(" ", v.Name, strings.Join(append([]string{v.Version}, v.Notes...), "; "))
	}
}

func (p *ward) limits() {
	if len(p.OutOfReach) == 0 {
		p.title("every verdict and every cause is within reach")
		return
	}
	p.title("out of reach here")
	for _, l := range p.OutOfReach {
		text := l.Why
		if len(l.Causes) > 0 {
			text += " (" + join(l.Causes) + ")"
		}
		p.item(p.paint.in(yellow, p.g.unsure), "without "+l.Source, text)
	}
}

func (p *ward) probe() {
	if p.Probe == nil {
		return
	}
	p.title("a request from outside without a client")
	text := "works: dnatrace probe TARGET"
	if !p.Probe.OK {
		text = p.Probe.Why + "; explain TARGET, and diagnose TARGET -- CMD, do without"
	}
	p.item(p.mark(p.Probe.OK), "probe", text)
}

func (p *ward) confined() {
	if p.Confined == nil {
		return
	}
	p.title("what reads recordings is kept from all else")
	text := "by Landlock and a filter of system calls (docs/SECURITY.md)"
	if !p.Confined.OK {
		text = p.Confined.Why
	}
	p.item(p.mark(p.Confined.OK), "confined", text)
}

func join(causes []correlate.Cause) string {
	var names []string
	for _, c := range causes {
		names = append(names, string(c))
	}
	return strings.Join(names, ", ")
}

func (p *ward) selftest() {
	if p.Selftest == nil {
		return
	}
	p.title(fmt.Sprintf("selftest: %d of %d", p.Selftest.Passed, p.Selftest.Of))
	for _, s := range p.Selftest.Scenarios {
		text := s.Got
		switch {
		case s.Error != "":
			text = s.Error
		case !s.OK:
			text += ", must be " + s.Want
		}
		p.item(p.mark(s.OK), s.Name, text)
	}
}
