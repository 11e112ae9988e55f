package render

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"dnatrace/correlate"
)

// jsonPrinter writes the Document once, at the end. The requests that it is told
// of meanwhile are held in it as they will be written.
type jsonPrinter struct {
	out  *output
	held *spool
}

func (*jsonPrinter) Start(*correlate.Document) {}

// Incident holds a request. What is not judged again is final when the document
// is written.
func (p *jsonPrinter) Incident(i *correlate.Incident) {
	last := *i
	last.Final = true
	number, err := strconv.ParseUint(i.ID, 10, 64)
	if err != nil {
		number = p.held.most + 1 // of another tool
	}
	p.hold(number, &last)
}

func (p *jsonPrinter) hold(number uint64, i *correlate.Incident) {
	b, err := encoded(cleaned(*i, Clean), "    ", "  ")
	if err == nil {
		err = p.held.put(number, b)
	}
	if err != nil {
		p.out.fail(err)
	}
}

// End writes the document. It lists the requests that were held, unless it has a
// list of its own.
func (p *jsonPrinter) End(d *correlate.Document) error {
	defer p.held.close()
	if len(d.Requests) > 0 {
		p.held.empty()
	}
	for i := range d.Requests {
		p.hold(uint64(i), &d.Requests[i])
	}
	rest := *d
	rest.Requests = nil
	b, err := encoded(cleaned(rest, Clean), "", "  ")
	if err != nil {
		p.out.fail(err)
		return p.out.result()
	}
	const none = "\n  \"requests\": []"
	head, tail, _ := bytes.Cut(b, []byte(none))
	p.out.write(head)
	before := strings.TrimSuffix(none, "]") + "\n    "
	err = p.held.each(func(value []byte) error {
		p.out.write([]byte(before))
		p.out.write(value)
		before = ",\n    "
		return p.out.err
	})
	if err != nil {
		p.out.fail(err)
	}
	if before[0] == ',' {
		p.out.write([]byte("\n  ]"))
	} else {
		p.out.write([]byte(none))
	}
	p.out.write(append(tail, '\n'))
	return p.out.result()
}

// jsonlPrinter writes one object a line as things become known. The last line of
// a request says that it is the last: those that could still have changed are
// written again at the end.
type jsonlPrinter struct {
	out  *output
	open map[string]*correlate.Incident // by id, as last written, not final
}

// mostOpen bounds what is kept to be written again.
const mostOpen = 1 << 14

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
	Type      string                  `json:"type"`
	Summary   correlate.Summary       `json:"summary"`
	Verdict   correlate.Verdict       `json:"verdict"`
	Cause     correlate.Cause         `json:"cause"`
	Recording correlate.Recording     `json:"recording"`
	Open      []correlate.OpenRequest `json:"open,omitempty"`
}

func (p *jsonlPrinter) Start(d *correlate.Document) {
	encode(p.out, cleaned(startLine{"start", d.Schema, d.Target, d.Recording}, Clean), "")
}

func (p *jsonlPrinter) Incident(i *correlate.Incident) {
	encode(p.out, cleaned(requestLine{"request", *i}, Clean), "")
	switch {
	case i.Final:
		delete(p.open, i.ID)
	case len(p.open) < mostOpen || p.open[i.ID] != nil:
		if p.open == nil {
			p.open = map[string]*correlate.Incident{}
		}
		p.open[i.ID] = i
	}
}

// finals writes what was not final again, in the order of the requests: as the
// document has it, where it is listed there. A line that comes again has a higher
// rev, this one too, so that who keeps the highest keeps the last.
func (p *jsonlPrinter) finals(d *correlate.Document) {
	revs := map[string]int{}
	for id, i := range p.open {
		revs[id] = i.Rev
	}
	for i := range d.Requests {
		if p.open[d.Requests[i].ID] != nil {
			p.open[d.Requests[i].ID] = &d.Requests[i]
		}
	}
	ids := slices.SortedFunc(maps.Keys(p.open), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	for _, id := range ids {
		i := *p.open[id]
		i.Final, i.Rev = true, revs[id]+1
		encode(p.out, cleaned(requestLine{"request", i}, Clean), "")
	}
}

func (p *jsonlPrinter) End(d *correlate.Document) error {
	p.finals(d)
	encode(p.out, cleaned(endLine{"end", d.Summary, d.Verdict, d.Cause, d.Recording, d.Open}, Clean), "")
	return p.out.result()
}

// encode writes v and a newline.
func encode(out *output, v any, indent string) {
	b, err := encoded(v, "", indent)
	if err != nil {
		out.fail(err)
		return
	}
	out.write(append(b, '\n'))
}

// encoded is v without a newline at its end. HTML escaping is off: arrows and
// addresses in brackets stay readable, and a browser is never the reader.
func encoded(v any, prefix, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, indent)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
