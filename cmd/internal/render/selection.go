package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"dnatrace/correlate"
)

// Selection says which requests are printed. The zero value selects all. It
// changes neither the summary nor the verdict of a run, which are those of all
// its requests.
type Selection struct {
	Verdicts     []correlate.Verdict // any of these; none: whatever it is
	Causes       []correlate.Cause   // any of these; none: whatever it is
	NotDelivered bool
	Since        Since
	Last         int // only so many, those that began last; 0: all

	Text string // as it was asked for: "--verdict dropped --last 5"
}

// Since is from when on requests are selected, by their first packet. The zero
// value is from the beginning. One field is given at most.
type Since struct {
	Time   time.Time
	Before time.Duration  // so long before the end of the run
	Clock  time.Duration  // at this time of day, the last before the end of the run; valid iff Zone is given
	Zone   *time.Location // of Clock
}

// relative reports whether it takes the end of the run to know.
func (s Since) relative() bool { return s.Before != 0 || s.Zone != nil }

// From is the moment from which on requests are selected in a run that ends, or
// has come so far; the zero Time is the beginning.
func (s Since) From(end time.Time) time.Time {
	switch {
	case s.Before != 0:
		return end.Add(-s.Before)
	case s.Zone != nil:
		e := end.In(s.Zone)
		at := func(day int) time.Time {
			return time.Date(e.Year(), e.Month(), day, 0, 0, 0, 0, s.Zone).Add(s.Clock)
		}
		if t := at(e.Day()); !t.After(end) {
			return t
		}
		return at(e.Day() - 1)
	}
	return s.Time
}

// All reports whether everything is selected.
func (s *Selection) All() bool {
	return len(s.Verdicts) == 0 && len(s.Causes) == 0 && !s.NotDelivered && s.Since == Since{} && s.Last == 0
}

// waits reports whether it takes the end of the run to know what is selected.
func (s *Selection) waits() bool { return s.Since.relative() || s.Last > 0 }

// takes reports whether a request is selected as far as that can be told before
// the end.
func (s *Selection) takes(i *correlate.Incident) bool {
	switch {
	case len(s.Verdicts) > 0 && !slices.Contains(s.Verdicts, i.Verdict):
	case len(s.Causes) > 0 && !slices.Contains(s.Causes, i.Cause):
	case s.NotDelivered && i.Verdict == correlate.Delivered:
	case i.First.Before(s.Since.Time):
	default:
		return true
	}
	return false
}

// Select returns a Printer that passes to p what is selected. JSON has a way of
// its own: its requests are on a disk while they wait.
func Select(p Printer, s Selection) Printer {
	if j, ok := p.(*jsonPrinter); ok {
		j.selection = s
		return j
	}
	if s.All() {
		return p
	}
	return &selecting{Printer: p, s: s, shown: map[string]bool{}, at: map[string]int{}}
}

// mostHeld bounds the requests that wait for the end of the run.
const mostHeld = 1 << 14

// selecting holds back what may not be selected in the end.
type selecting struct {
	Printer
	s      Selection
	shown  map[string]bool // told already, and not final: what becomes of them is told, too
	held   []*correlate.Incident
	at     map[string]int // where an incident is in held, by id
	passed int            // requests selected
	gone   int            // that there was no room for
}

func (p *selecting) Incident(i *correlate.Incident) {
	if p.s.waits() {
		p.hold(i)
		return
	}
	told := p.shown[i.ID]
	if !told && !p.s.takes(i) {
		return
	}
	if !told {
		p.passed++
	}
	delete(p.shown, i.ID)
	if !i.Final && len(p.shown) < mostOpen {
		p.shown[i.ID] = true
	}
	p.Printer.Incident(i)
}

// hold keeps the last judgement of a request, in the place of an earlier one.
func (p *selecting) hold(i *correlate.Incident) {
	n, again := p.at[i.ID]
	switch {
	case again:
		p.held[n] = i
	case p.s.takes(i):
		p.at[i.ID] = len(p.held)
		p.held = append(p.held, i)
	}
	if len(p.held) >= 2*mostHeld {
		p.settle(time.Time{})
		if over := len(p.held) - mostHeld; over > 0 {
			p.gone += over
			p.held = slices.Delete(p.held, 0, over)
			p.index()
		}
	}
}

// settle puts what is held in order of opening, and lets go of what will not be
// selected. Without an end, it is taken to be where the newest one begins.
func (p *selecting) settle(end time.Time) {
	slices.SortStableFunc(p.held, func(a, b *correlate.Incident) int { return a.First.Compare(b.First) })
	if n := len(p.held); n > 0 && end.IsZero() {
		end = p.held[n-1].First
	}
	from := p.s.Since.From(end)
	p.held = slices.DeleteFunc(p.held, func(i *correlate.Incident) bool { return i.First.Before(from) || !p.s.takes(i) })
	if over := len(p.held) - p.s.Last; p.s.Last > 0 && over > 0 {
		p.held = slices.Delete(p.held, 0, over)
	}
	p.index()
}

func (p *selecting) index() {
	clear(p.at)
	for n, i := range p.held {
		p.at[i.ID] = n
	}
}

func (p *selecting) End(d *correlate.Document) error {
	if p.s.waits() {
		p.settle(d.Recording.Ended)
		for _, i := range p.held {
			i.Final, i.Revised = true, false // nobody was told of an earlier judgement
			p.Printer.Incident(i)
		}
		p.passed = len(p.held)
	}
	d.Selection = &correlate.Selected{By: p.s.Text, Requests: p.passed, Left: p.gone}
	return p.Printer.End(d)
}

// Worst is a Printer that keeps some requests, the worst, in order of opening.
type Worst struct {
	Most int
	kept []correlate.Incident
}

// Flood does nothing.
func (*Worst) Flood(*correlate.FloodReport) {}

// Changed does nothing.
func (*Worst) Changed(time.Time, string) {}

// Start does nothing.
func (*Worst) Start(*correlate.Document) {}

// Incident keeps a request, in the place of its earlier judgement.
func (w *Worst) Incident(i *correlate.Incident) {
	if n := slices.IndexFunc(w.kept, func(k correlate.Incident) bool { return k.ID == i.ID }); i.Rev > 1 && n >= 0 {
		w.kept[n] = *i
		return
	}
	if w.kept = append(w.kept, *i); len(w.kept) >= 2*w.Most {
		w.trim()
	}
}

func (w *Worst) trim() {
	slices.SortStableFunc(w.kept, func(a, b correlate.Incident) int {
		return cmp.Or(cmp.Compare(correlate.Gravity(a.Verdict), correlate.Gravity(b.Verdict)), a.First.Compare(b.First))
	})
	w.kept = w.kept[:min(len(w.kept), w.Most)]
}

// End puts what was kept into the document.
func (w *Worst) End(d *correlate.Document) error {
	w.trim()
	slices.SortStableFunc(w.kept, func(a, b correlate.Incident) int { return a.First.Compare(b.First) })
	for n := range w.kept {
		w.kept[n].Final = true
	}
	d.Requests = w.kept
	return nil
}

// selectedWords say what of a run is printed, and that its counts are of all.
func selectedWords(d *correlate.Document) string {
	if d.Selection == nil {
		return ""
	}
	s := fmt.Sprintf("%s of %d shown (%s); what follows counts all of them",
		plural(d.Selection.Requests, "request", "requests"), requests(&d.Summary), d.Selection.By)
	if d.Selection.Left > 0 {
		s += fmt.Sprintf("; %d more are selected and were left out: -o json has them", d.Selection.Left)
	}
	return strings.TrimSpace(s)
}
