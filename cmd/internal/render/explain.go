package render

import (
	"io"
	"strings"

	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/decode/programs"
)

// WriteExplanation writes what would become of requests: for people the answer
// first, then the way of what fails, stage by stage, and what to type.
func WriteExplanation(w io.Writer, e *foresee.Explanation, f Format, o Options) error {
	out := &output{w: w}
	if f == FormatJSON || f == FormatJSONL {
		encode(out, cleaned(*e, Clean), indentOf(f))
		return out.result()
	}
	if f == markdown {
		o.Width, o.Color = 0, false
	}
	t := newTable(out, o)
	c := cleaned(*e, t.text)
	var b strings.Builder
	if e.Target == "" {
		t.problems(&b, &c)
	} else if err := t.paths(&b, &c); err != nil {
		return err
	}
	b.WriteString(missingText(c.Missing, o.Lang))
	text := b.String()
	if f == markdown {
		text = "```text\n" + strings.TrimLeft(text, "\n") + "```\n"
	}
	out.write([]byte(text))
	return out.result()
}

// paths writes a section for each target, and each port of a range, if there are
// several.
func (t *table) paths(b *strings.Builder, e *foresee.Explanation) error {
	sections := byTarget(e.Paths)
	for n, paths := range sections {
		if len(sections) > 1 {
			head := paths[0].Target
			if n > 0 {
				head = "\n" + head
			}
			b.WriteString(t.paint.bold(head) + "\n")
		}
		if err := t.section(b, paths); err != nil {
			return err
		}
	}
	for _, s := range e.Skipped {
		b.WriteString("\n" + strings.Join(wrap(t.tell(s), t.proseWidth()), "\n  ") + "\n")
	}
	return nil
}

// byTarget parts paths where those of another target begin.
func byTarget(all []foresee.Path) (sections [][]foresee.Path) {
	for from, to := 0, 0; from < len(all); from = to {
		for to = from; to < len(all) && all[to].Target == all[from].Target; to++ {
		}
		sections = append(sections, all[from:to])
	}
	return sections
}

// section writes a line for each path, and the whole story of those that end
// differently.
func (t *table) section(b *strings.Builder, paths []foresee.Path) error {
	g := &grid{head: t.o.Lang.Sentences([]string{"from", "asks", "would be", ""})}
	for i := range paths {
		p := &paths[i]
		g.add(t.mark(p.Verdict)+" "+t.tell(fromWords(p)), p.Requested+"/"+p.Protocol, p.Verdict.String(), t.answer(p))
	}
	lines, err := g.lines(t.o.Width)
	if err != nil {
		return err
	}
	for n, l := range lines {
		if n > 0 {
			l = t.painted(l)
		}
		b.WriteString(l + "\n")
	}
	for _, p := range t.telling(paths) {
		if err := t.story(b, p); err != nil {
			return err
		}
	}
	return nil
}

func (t *table) painted(line string) string {
	switch {
	case strings.HasPrefix(line, t.g.bad):
		return t.paint.in(red, line)
	case strings.HasPrefix(line, t.g.unsure):
		return t.paint.in(yellow, line)
	}
	return line
}

func fromWords(p *foresee.Path) string {
	words := strings.ReplaceAll(p.From, "-", " ")
	if p.From == foresee.SameNetwork && p.Network != "" {
		return words + " " + p.Network
	}
	return words
}

// answer is the gist of a path.
func (t *table) answer(p *foresee.Path) string {
	if p.Verdict == correlate.Delivered {
		s := strings.TrimSpace(p.Container + " " + p.Translated)
		return strings.TrimSpace(strings.Join([]string{s, t.tell(viaWords[p.Via])}, " "))
	}
	return strings.TrimSuffix(string(p.Cause)+t.comma()+t.tell(where(incidentOf(p))), t.comma())
}

var viaWords = map[correlate.Via]string{correlate.ViaDNAT: "through DNAT", correlate.ViaIPVS: "through IPVS", correlate.ViaProxy: "through docker-proxy", correlate.ViaDirect: "directly", correlate.ViaHost: "on the host itself"}

// incidentOf has a path told in the words of incidents.
func incidentOf(p *foresee.Path) *correlate.Incident {
	return &correlate.Incident{Verdict: p.Verdict, Stage: p.Stage, Cause: p.Cause, Rule: p.Rule, Container: p.Container, Requested: p.Requested, Protocol: p.Protocol,
		Why: p.Why, Fix: p.Fix, Blind: p.Blind}
}

// telling are the paths worth telling in full: each that fails in another way;
// if none does, the first.
func (t *table) telling(paths []foresee.Path) []*foresee.Path {
	var out []*foresee.Path
	seen := map[string]bool{}
	for i := range paths {
		p := &paths[i]
		key := string(p.Stage) + string(p.Cause) + p.Why
		if p.Verdict == correlate.Delivered || seen[key] {
			continue
		}
		seen[key] = true
		out = append(out, p)
	}
	if len(out) == 0 && len(paths) > 0 {
		out = append(out, &paths[0])
	}
	return out
}

// story writes one path, stage by stage.
func (t *table) story(b *strings.Builder, p *foresee.Path) error {
	head := t.mark(p.Verdict) + " " + strings.ToUpper(p.Verdict.String())
	i := incidentOf(p)
	parts := []string{head, t.say("from %s, %s", t.tell(fromWords(p)), p.Client+" "+t.g.to+" "+requestedOf(i)), t.tell(where(i))}
	b.WriteString("\n" + t.paint.verdict(p.Verdict, head) + strings.TrimPrefix(flow(parts, t.o.Width, "  "), head) + "\n\n")
	g := &grid{head: []string{"  ", t.tell("stage"), t.tell("what"), t.tell("by")}}
	for n := range p.Stages {
		mark, stage, what, by := t.step(p, &p.Stages[n])
		g.add(mark, stage, t.tell(what), by)
	}
	lines, err := g.lines(0)
	if err != nil {
		return err
	}
	for _, l := range lines {
		b.WriteString("  " + t.painted(l) + "\n")
	}
	b.WriteByte('\n')
	t.prose(b, "why", p.Why)
	if p.Rule != nil {
		t.verbatim(b, "rule", t.tell(ruleLine(p.Rule)))
	}
	for n, f := range p.Fix {
		t.verbatim(b, once(n, "fix"), t.tell(f))
	}
	for n, s := range p.Blind {
		t.prose(b, once(n, "blind"), s)
	}
	return nil
}

// step is one stage as a row.
func (t *table) step(p *foresee.Path, s *foresee.Stage) (mark, stage, what, by string) {
	what = s.Detail
	switch s.Outcome {
	case foresee.Drop:
		word := "dropped: "
		if p.Verdict == correlate.Unanswered && s.Stage == p.Stage {
			word = "no answer: "
		}
		mark, what = t.g.bad, strings.TrimSuffix(word+s.Detail, ": ")
	case foresee.Refuse:
		mark, what = t.g.bad, strings.TrimSuffix("refused: "+s.Detail, ": ")
	case foresee.Unknown:
		mark, what = t.g.unsure, strings.TrimSuffix("unknown: "+s.Detail, ": ")
	case foresee.Translated:
	case foresee.Pass:
		if what == "" {
			what = "accepted"
		}
	}
	if s.Rule != nil {
		by = strings.TrimSpace(t.tell(ownerWord(s.Rule.Owner)) + "  " + s.Rule.Text)
	}
	return mark, string(s.Stage), what, by
}

func ownerWord(owner programs.Owner) string {
	if owner == programs.User {
		return "you"
	}
	return string(owner)
}

// problems writes what is wrong, the worst first.
func (t *table) problems(b *strings.Builder, e *foresee.Explanation) {
	if e.Checked == 0 {
		b.WriteString(t.tell("no published port is known: name a port, or add docker inspect") + "\n")
		return
	}
	if len(e.Problems) == 0 {
		b.WriteString(t.paint.verdict(correlate.Delivered, t.g.good) + " " + t.say("nothing is wrong with %s that state could show", plural(e.Checked, "port", "ports")) + "\n")
		return
	}
	b.WriteString(t.say("%s, %s asked for", plural(len(e.Problems), "problem", "problems"), plural(e.Checked, "port", "ports")) + "\n")
	for n := range e.Problems {
		q := &e.Problems[n]
		i := &correlate.Incident{Verdict: q.Verdict, Stage: q.Stage, Rule: q.Rule}
		head := t.mark(q.Verdict) + " " + strings.ToUpper(q.Verdict.String())
		b.WriteString("\n" + t.paint.verdict(q.Verdict, head) + strings.TrimPrefix(flow([]string{head, string(q.Cause), t.tell(where(i))}, t.o.Width, "  "), head) + "\n")
		for k, p := range q.Ports {
			t.verbatim(b, once(k, "port"), t.tell(p))
		}
		t.prose(b, "why", q.Why)
		if q.Rule != nil {
			t.verbatim(b, "rule", t.tell(ruleLine(q.Rule)))
		}
		for k, f := range q.Fix {
			t.verbatim(b, once(k, "fix"), t.tell(f))
		}
	}
}
