package render

import (
	"fmt"
	"strings"
	"time"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
)

// markdownPrinter writes a run for an issue, a chat or a wiki: the first failure
// of a kind in full, all others and what went well counted.
type markdownPrinter struct {
	out   *output
	lang  lang.Language
	kinds map[kind]*tally
	order []*tally
}

func (*markdownPrinter) Start(*correlate.Document) {}

// Flood does nothing: End tells of it.
func (*markdownPrinter) Flood(*correlate.FloodReport) {}

func (*markdownPrinter) Changed(time.Time, string) {}

func (p *markdownPrinter) Incident(raw *correlate.Incident) {
	i := Cleaned(*raw)
	if i.Verdict == correlate.Delivered {
		return
	}
	k := kindOf(&i)
	if n := p.kinds[k]; n != nil {
		if i.Rev == 1 { // else the same request, judged the same
			n.count++
		}
		return
	}
	if len(p.kinds) >= maxKinds {
		return
	}
	n := newTally(k, &i, p.lang)
	n.line = i.Verdict.String() + " " + requestedOf(&i) + ", " + string(i.Cause)
	p.kinds[k] = n
	p.order = append(p.order, n)
	if len(p.order) <= mostInFull {
		p.out.write([]byte(markdownIncident(&i, p.lang)))
	}
}

// markdownIncident is the whole story of a failure.
func markdownIncident(i *correlate.Incident, l lang.Language) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s %s\n\n", strings.ToUpper(i.Verdict.String()), MarkdownText(l.Sentence(where(i))))
	fmt.Fprintf(&b, "%s → %s, %s\n\n", MarkdownCode(clientOf(i, false)), MarkdownCode(requestedOf(i)), l.Sentence(tries(i)))
	if i.Why != "" {
		b.WriteString(MarkdownText(l.Sentence(i.Why)) + "\n\n")
	}
	for _, f := range i.Fix {
		b.WriteString(MarkdownBlock("sh", l.Sentence(f)) + "\n")
	}
	b.WriteString(MarkdownHops(i, l))
	if s := proof(i, l); s != "" {
		b.WriteString(l.Say("Proof: %s", MarkdownText(s)) + "\n\n")
	}
	for _, s := range i.Blind {
		b.WriteString("- " + l.Say("Not known: %s", MarkdownText(l.Sentence(s))) + "\n")
	}
	for _, s := range i.Notes {
		b.WriteString("- " + l.Say("Note: %s", MarkdownText(l.Sentence(s))) + "\n")
	}
	if len(i.Blind)+len(i.Notes) > 0 {
		b.WriteByte('\n')
	}
	return b.String()
}

// MarkdownHops is the way of a request as a table of Markdown, the points that
// did not see it included. The incident's texts must be clean.
func MarkdownHops(i *correlate.Incident, l lang.Language) string {
	hops := withUnseen(i)
	if len(hops) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| | %s | %s | %s | %s |\n|---|--:|---|---|---|\n", l.Sentence("time"), l.Sentence("point"), l.Sentence("what"), l.Sentence("address"))
	end, start := ending(i.Verdict, hops), firstTime(hops)
	for n := range hops {
		r := rungOf(&hops[n], start, utf8Glyphs)
		if n == end {
			r = marked(r, i.Verdict, hops[n].Kind, utf8Glyphs)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", r.mark, r.time, MarkdownCode(r.point), MarkdownText(l.Sentence(r.what)), MarkdownCode(r.address))
	}
	return b.String() + "\n"
}

// End prints how often each failure came, what was missing, and the totals.
func (p *markdownPrinter) End(raw *correlate.Document) error {
	d := cleaned(correlate.Document{Target: raw.Target, Recording: raw.Recording, Summary: raw.Summary, Open: firstOpen(raw.Open), Next: raw.Next, Selection: raw.Selection}, Clean)
	var b strings.Builder
	for at, n := range worstFirst(p.order) {
		if at >= mostInFull {
			b.WriteString("- " + p.lang.Say("and %d more kinds of failures", len(p.order)-at) + "\n")
			break
		}
		if n.count > 1 || len(p.order) > mostInFull {
			fmt.Fprintf(&b, "- ×%d %s\n", n.count, MarkdownText(n.line))
		}
	}
	for i := range d.Open {
		o := &d.Open[i]
		b.WriteString("- " + p.lang.Say("still open: %s → %s, %s", MarkdownCode(o.Client), MarkdownCode(o.Requested+"/"+o.Protocol), MarkdownText(p.lang.Sentence(openWords(o)))) + "\n")
	}
	for _, s := range without(d.Recording.Sources) {
		b.WriteString("- " + MarkdownText(p.lang.Sentence(s)) + "\n")
	}
	for i := range d.Recording.Floods {
		b.WriteString("- " + MarkdownText(p.lang.Sentence(Flood(&d.Recording.Floods[i]))) + "\n")
	}
	for _, s := range d.Recording.Damage {
		b.WriteString("- " + MarkdownText(p.lang.Sentence(Damaged(s))) + "\n")
	}
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
	if s := p.lang.Sentence(selectedWords(&d)); s != "" {
		b.WriteString(MarkdownText(s) + "\n\n")
	}
	said := CountsIn(d.Summary, p.lang)
	if requests(&d.Summary) == 0 {
		said = Nothing(&d, p.lang)
	}
	b.WriteString(MarkdownText(said) + " · " + p.lang.Sentence(Packets(&d)) + "\n")
	if len(d.Next) > 0 {
		b.WriteByte('\n')
	}
	for _, s := range d.Next {
		b.WriteString("- " + MarkdownText(p.lang.Sentence(s)) + "\n")
	}
	p.out.write([]byte(b.String()))
	return p.out.result()
}

// markdownActs are the characters that mean something in GitHub's Markdown
// wherever they stand. A backslash takes the meaning of each away (GFM section
// 2.4).
const markdownActs = "\\`*_[]#|~$"

// MarkdownText is s as text of Markdown: nothing in it is a mark, a link, HTML,
// a cell's end, or the name of somebody to be told. It is clean and one line.
func MarkdownText(s string) string {
	s = strings.TrimLeft(Clean(s), " ")
	var b strings.Builder
	for n, r := range s {
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '@':
			b.WriteString("@<!-- -->") // no account is told
		case strings.ContainsRune(markdownActs, r), n == 0 && strings.ContainsRune("-+=", r), r == ':' && strings.HasPrefix(s[n:], "://"),
			r == '.' && (listNumber(s[:n]) || strings.HasSuffix(strings.ToLower(s[:n]), "www")), r == ')' && listNumber(s[:n]):
			b.WriteString(`\` + string(r))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// listNumber reports whether a full stop behind s would make an item of a list.
func listNumber(s string) bool {
	return s != "" && len(s) < 10 && strings.Trim(s, "0123456789") == ""
}

// MarkdownCode is s as code within a line or a cell; "" stays empty. Nothing
// acts in code but its own end, and in a table the bar.
func MarkdownCode(s string) string {
	if s = Clean(s); strings.TrimSpace(s) == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	s = strings.ReplaceAll(s, "|", `\|`)
	if strings.HasPrefix(s, "`") || strings.HasSuffix(s, "`") || strings.HasSuffix(s, `\`) {
		s = " " + s + " "
	}
	return fence + s + fence
}

// MarkdownBlock is lines of code, of a language or of none.
func MarkdownBlock(language string, lines ...string) string {
	fence := "```"
	var b strings.Builder
	for _, l := range lines {
		l = Clean(l)
		for strings.Contains(l, fence) {
			fence += "`"
		}
		b.WriteString(l + "\n")
	}
	return fence + language + "\n" + b.String() + fence + "\n"
}
