package render

import (
	"cmp"
	"fmt"
	"strings"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
)

// End prints how often each failure came, what was missing, and the totals.
func (t *table) End(raw *correlate.Document) error {
	d := cleaned(correlate.Document{Target: raw.Target, Recording: raw.Recording, Summary: raw.Summary, Open: firstOpen(raw.Open), Next: raw.Next, Selection: raw.Selection}, t.text)
	var b strings.Builder
	if t.said {
		b.WriteByte('\n')
	}
	t.failures(&b)
	t.opened(&b, &d)
	t.floods(&b, &d)
	t.shortcomings(&b, &d)
	if s := t.tell(selectedWords(&d)); s != "" {
		b.WriteString(strings.Join(wrap(s, t.proseWidth()), "\n  ") + "\n")
	}
	b.WriteString(t.totals(&d) + "\n")
	if n := d.Summary.Open; n > 0 && n == requests(&d.Summary) {
		b.WriteString(strings.Join(wrap(t.tell(StillOpen(n)), t.proseWidth()), "\n  ") + "\n")
	}
	if len(d.Next) > 0 {
		b.WriteByte('\n')
	}
	for n, s := range d.Next {
		t.prose(&b, once(n, "next"), s)
	}
	t.out.write([]byte(b.String()))
	return t.out.result()
}

// openShown is how many requests without an outcome are told of one by one.
const openShown = 10

func firstOpen(open []correlate.OpenRequest) []correlate.OpenRequest {
	return open[:min(len(open), openShown)]
}

// opened lists the requests that had no outcome, with what was seen of them.
func (t *table) opened(b *strings.Builder, d *correlate.Document) {
	for i := range d.Open {
		o := &d.Open[i]
		head := strings.TrimSuffix("? "+t.tell("still open")+"  "+t.clock(o.First), "  ")
		way := o.Client + " " + t.g.to + " " + o.Requested + "/" + o.Protocol
		b.WriteString(flow([]string{head, way, t.tell(openWords(o))}, t.o.Width, "    ") + "\n")
	}
	if more := d.Summary.Open - len(d.Open); more > 0 && len(d.Open) > 0 {
		b.WriteString("  " + t.say("and %d more", more) + "\n")
	}
	if len(d.Open) > 0 {
		b.WriteByte('\n')
	}
}

// floods tells each flood in a line.
func (t *table) floods(b *strings.Builder, d *correlate.Document) {
	for i := range d.Recording.Floods {
		b.WriteString(strings.Join(wrap(t.tell(Flood(&d.Recording.Floods[i])), t.proseWidth()), "\n  ") + "\n")
	}
	if len(d.Recording.Floods) > 0 {
		b.WriteByte('\n')
	}
}

// Flood says what a flood was: "flood: 300000 SYNs to 198.51.100.1:8080 from about
// 65100 addresses in 20.0 s, none followed up".
func Flood(f *correlate.FloodReport) string {
	what, why, to := floodWords(f)
	return fmt.Sprintf("flood: %d %s to %s from about %s in %.1f s, %s", f.Packets, what, to, plural(f.Addresses, "address", "addresses"), f.Last.Sub(f.First).Seconds(), why)
}

// floodWords say what a flood is of, what came of it, and where it goes.
func floodWords(f *correlate.FloodReport) (what, why, to string) {
	what, why, to = "SYNs", "none followed up", cmp.Or(f.To, "several servers")
	switch f.Protocol {
	case "udp":
		what, why = "datagrams", "none answered"
		if f.Refused > 0 {
			why += fmt.Sprintf(", %d refused", f.Refused)
		}
	case "":
		what, why = "packets", "none followed up"
	}
	return what, why, to
}

// openWords say how far an open request was seen to get, and what it waited for.
func openWords(o *correlate.OpenRequest) string {
	return plural(o.Attempts, "try", "tries") + ", seen at " + strings.Join(o.Seen, ", ") + "; " + o.Why
}

// StillOpen says why nothing is said of requests that were seen, and what helps.
func StillOpen(n int) string {
	return plural(n, "request", "requests") + " had no outcome yet when the capture ended: capture longer, or judge sooner with --window"
}

// shortcomings says which evidence was missing or damaged.
func (t *table) shortcomings(b *strings.Builder, d *correlate.Document) {
	said := without(d.Recording.Sources)
	for _, s := range d.Recording.Damage {
		said = append(said, Damaged(s))
	}
	for _, s := range said {
		b.WriteString(strings.Join(wrap(t.tell(s), t.proseWidth()), "\n  ") + "\n")
	}
	if len(said) > 0 {
		b.WriteByte('\n')
	}
}

// without names the sources that gave nothing, those that are missing for the
// same reason together. One that is absent without a reason is not missed.
func without(sources []correlate.SourceReport) []string {
	var reasons []string
	names := map[string][]string{}
	for _, s := range sources {
		if !s.State.Failed() && (s.State.OK() || s.Why == "") {
			continue
		}
		if names[s.Why] == nil {
			reasons = append(reasons, s.Why)
		}
		names[s.Why] = append(names[s.Why], s.Name)
	}
	var said []string
	for _, why := range reasons {
		said = append(said, strings.TrimSuffix("without "+strings.Join(names[why], ", ")+": "+why, ": "))
	}
	return said
}

func (t *table) totals(d *correlate.Document) string {
	captured := t.tell(Packets(d))
	if requests(&d.Summary) == 0 {
		return t.nothing(d) + " " + t.g.dot + " " + captured
	}
	return CountsIn(d.Summary, t.o.Lang) + " " + t.g.dot + " " + captured
}

// nothing says what was watched in vain.
func (t *table) nothing(d *correlate.Document) string {
	s := t.tell("no request seen")
	if d.Target != "" {
		s = t.say("no request to %s seen", d.Target)
	}
	var at []string
	for _, p := range d.Recording.Points {
		at = append(at, p.Name)
	}
	if len(at) > 0 {
		s = t.say("%s at %s", s, strings.Join(at, ", "))
	}
	return s
}

// Damaged is a line of correlate.Recording.Damage for people. What was not decoded
// is no damage, nor is what a text never had.
func Damaged(s string) string {
	if strings.HasPrefix(s, undecoded) || strings.HasPrefix(s, asText) {
		return s
	}
	return "damaged: " + s
}

// How lines begin that are no damage.
const (
	undecoded = "not decoded: "
	asText    = "text of tcpdump: "
)

// Undecoded are the packets that were not decoded, a line for each kind.
func Undecoded(d *correlate.Document) []string {
	var out []string
	for _, s := range d.Recording.Damage {
		if strings.HasPrefix(s, undecoded) {
			out = append(out, Clean(s))
		}
	}
	return out
}

// Packets says how many packets were captured and how many were lost: "41
// packets captured, 0 lost".
func Packets(d *correlate.Document) string {
	var captured, lost uint64
	for _, p := range d.Recording.Points {
		captured += p.Packets
	}
	for _, r := range d.Recording.Rings {
		lost += r.Lost
	}
	return fmt.Sprintf("%s captured, %d lost", plural(captured, "packet", "packets"), lost)
}

// Counts says how many requests there were and what became of them: "3
// requests: 2 delivered, 1 dropped".
func Counts(s correlate.Summary) string { return CountsIn(s, lang.English) }

// CountsIn is Counts in a language.
func CountsIn(s correlate.Summary, l lang.Language) string {
	var said []string
	for _, c := range counted(&s) {
		if c.n > 0 {
			if _, err := correlate.ParseVerdict(c.name); err != nil { // a verdict is the same word everywhere
				c.name = l.Sentence(c.name)
			}
			said = append(said, fmt.Sprintf("%d %s", c.n, c.name))
		}
	}
	total := l.Sentence(plural(requests(&s), "request", "requests"))
	if len(said) == 0 {
		return total
	}
	colon, comma := ": ", ", "
	if l == lang.Chinese {
		colon, comma = "：", "，"
	}
	return total + colon + strings.Join(said, comma)
}

type count struct {
	n    int
	name string
}

// counted lists the summary, gravest first.
func counted(s *correlate.Summary) []count {
	return []count{
		{s.Dropped, "dropped"}, {s.Misdelivered, "misdelivered"}, {s.Refused, "refused"},
		{s.AnswerLost, "answer-lost"}, {s.Unanswered, "unanswered"}, {s.Stalled, "stalled"},
		{s.Delivered, "delivered"}, {s.Undetermined, "undetermined"},
		{s.Open, "still open"}, {s.Evicted, "not judged (memory bound)"}, {s.Flooded, "in floods"},
	}
}

func requests(s *correlate.Summary) int {
	sum := 0
	for _, c := range counted(s) {
		sum += c.n
	}
	return sum
}
