package render

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"dnatrace/correlate"
)

// jsonPrinter writes the Document once, at the end. The requests that it is told
// of meanwhile are held in it as they will be written.
type jsonPrinter struct {
	out       *output
	held      *spool
	selection Selection
	worst     int // lists only so many, the worst; 0: all
}

func (*jsonPrinter) Start(*correlate.Document) {}

// Flood does nothing: the document tells of it.
func (*jsonPrinter) Flood(*correlate.FloodReport) {}

func (*jsonPrinter) Changed(time.Time, string) {}

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

// hold holds a request as it will be written, behind what it is chosen by.
func (p *jsonPrinter) hold(number uint64, i *correlate.Incident) {
	b, err := encoded(cleaned(*i, Clean), "    ", "  ")
	if err == nil {
		k := key{first: i.First.UnixNano(), gravity: correlate.Gravity(i.Verdict), taken: p.selection.takes(i)}
		err = p.held.put(number, append(k.bytes(), b...))
	}
	if err != nil {
		p.out.fail(err)
	}
}

// key is what a request that is held is chosen by.
type key struct {
	first   int64
	gravity int
	taken   bool // by what can be told before the end
}

const keySize = 10

func (k key) bytes() []byte {
	b := binary.LittleEndian.AppendUint64(make([]byte, 0, 4096), uint64(k.first))
	b = append(b, byte(k.gravity), 0)
	if k.taken {
		b[keySize-1] = 1
	}
	return b
}

func keyOf(b []byte) key {
	return key{first: int64(binary.LittleEndian.Uint64(b)), gravity: int(b[8]), taken: b[keySize-1] == 1}
}

// chosen are the places, in the order of what is held, of the requests that are
// written, and how many are selected; nil places are all.
func (p *jsonPrinter) chosen(end time.Time) (places map[int]bool, selected int, err error) {
	if p.selection.All() && p.worst == 0 {
		return nil, 0, nil
	}
	type candidate struct {
		key
		place int
	}
	var all []candidate
	n, from := 0, p.selection.Since.From(end).UnixNano()
	if p.selection.Since.From(end).IsZero() {
		from = math.MinInt64
	}
	err = p.held.each(func(value []byte) error {
		if k := keyOf(value); k.taken && k.first >= from {
			all = append(all, candidate{k, n})
		}
		n++
		return nil
	})
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.first, b.first) })
	if p.selection.Last > 0 {
		all = all[max(0, len(all)-p.selection.Last):]
	}
	selected = len(all)
	if p.worst > 0 {
		slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.gravity, b.gravity) })
		all = all[:min(len(all), p.worst)]
	}
	places = map[int]bool{}
	for _, c := range all {
		places[c.place] = true
	}
	return places, selected, err
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
	places, selected, err := p.chosen(d.Recording.Ended)
	if err != nil {
		p.out.fail(err)
	}
	rest := *d
	rest.Requests = nil
	if !p.selection.All() {
		rest.Selection = &correlate.Selected{By: p.selection.Text, Requests: selected}
	}
	b, err := encoded(cleaned(rest, Clean), "", "  ")
	if err != nil {
		p.out.fail(err)
		return p.out.result()
	}
	p.requests(b, places)
	return p.out.result()
}

// requests writes a document whose list of requests is empty, with those that are
// held and chosen in it.
func (p *jsonPrinter) requests(document []byte, places map[int]bool) {
	const none = "\n  \"requests\": []"
	head, tail, _ := bytes.Cut(document, []byte(none))
	p.out.write(head)
	before, n := strings.TrimSuffix(none, "]")+"\n    ", 0
	err := p.held.each(func(value []byte) error {
		if n++; places != nil && !places[n-1] {
			return nil
		}
		p.out.write([]byte(before))
		p.out.write(value[keySize:])
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
	Next      []string                `json:"next,omitempty"`
	Selection *correlate.Selected     `json:"selection,omitempty"`
}

// Flood does nothing: the last line tells of it.
func (*jsonlPrinter) Flood(*correlate.FloodReport) {}

func (*jsonlPrinter) Changed(time.Time, string) {}

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
	encode(p.out, cleaned(endLine{"end", d.Summary, d.Verdict, d.Cause, d.Recording, d.Open, d.Next, d.Selection}, Clean), "")
	return p.out.result()
}

// WriteLine writes v as one line of -o jsonl, every string of it passed through
// Clean.
func WriteLine[T any](w io.Writer, v T) error {
	out := &output{w: w}
	encode(out, cleaned(v, Clean), "")
	return out.result()
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
