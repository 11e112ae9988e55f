package render

import (
	"bytes"
	"encoding/json"

	"dnatrace/correlate"
)

// jsonPrinter writes the Document once, at the end.
type jsonPrinter struct{ out *output }

func (*jsonPrinter) Start(*correlate.Document)    {}
func (*jsonPrinter) Incident(*correlate.Incident) {}

func (p *jsonPrinter) End(d *correlate.Document) error {
	encode(p.out, cleaned(*d, Clean), "  ")
	return p.out.result()
}

// jsonlPrinter writes one object a line as things become known.
type jsonlPrinter struct{ out *output }

type startLine struct {
	Type      string              `json:"type"`
	Schema    string              `json:"schema"`
	Target    string              `json:"target"`
	Recording correlate.Recording `json:"recording"` // as known at the start
}

type requestLine struct {
	Type string `json:"type"`
	correlate.Incident
}

type endLine struct {
	Type      string              `json:"type"`
	Summary   correlate.Summary   `json:"summary"`
	Verdict   correlate.Verdict   `json:"verdict"`
	Cause     correlate.Cause     `json:"cause"`
	Recording correlate.Recording `json:"recording"`
}

func (p *jsonlPrinter) Start(d *correlate.Document) {
	encode(p.out, cleaned(startLine{"start", d.Schema, d.Target, d.Recording}, Clean), "")
}

func (p *jsonlPrinter) Incident(i *correlate.Incident) {
	encode(p.out, cleaned(requestLine{"request", *i}, Clean), "")
}

func (p *jsonlPrinter) End(d *correlate.Document) error {
	encode(p.out, cleaned(endLine{"end", d.Summary, d.Verdict, d.Cause, d.Recording}, Clean), "")
	return p.out.result()
}

// encode writes v and a newline. HTML escaping is off: arrows and addresses in
// brackets stay readable, and a browser is never the reader.
func encode(out *output, v any, indent string) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		out.fail(err)
		return
	}
	out.write(b.Bytes())
}
