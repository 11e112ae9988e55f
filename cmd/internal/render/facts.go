package render

import (
	"fmt"
	"strings"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
	"dnatrace/decode/programs"
)

// maxEvidence is how many observations a table names; JSON has them all.
const maxEvidence = 6

// A fact is its name, at factIndent, and its text beside it.
const (
	factIndent = "      "
	nameWidth  = 7
)

// facts prints the sentence, what to type, and what it all rests on.
func (t *table) facts(b *strings.Builder, i *correlate.Incident) {
	t.prose(b, "why", i.Why)
	if i.Rule != nil {
		t.verbatim(b, "rule", t.tell(ruleLine(i.Rule)))
	}
	for n, f := range i.Fix {
		t.verbatim(b, once(n, "fix"), t.tell(f))
	}
	t.prose(b, "proof", proof(i, t.o.Lang))
	for n, s := range i.Blind {
		t.prose(b, once(n, "blind"), s)
	}
	for n, s := range i.Notes {
		t.prose(b, once(n, "note"), s)
	}
}

// once names a fact on its first line only.
func once(n int, name string) string {
	if n > 0 {
		return ""
	}
	return name
}

// prose prints s wrapped beside its name.
func (t *table) prose(b *strings.Builder, name, s string) {
	if s == "" {
		return
	}
	for n, line := range wrap(t.tell(s), max(20, t.proseWidth()-len(factIndent)-nameWidth)) {
		t.line(b, once(n, name), line)
	}
}

// verbatim prints s on one line whatever its length: it is there to be copied.
func (t *table) verbatim(b *strings.Builder, name, s string) { t.line(b, name, s) }

func (t *table) line(b *strings.Builder, name, s string) {
	name = t.tell(name)
	b.WriteString(factIndent + t.paint.dim(name) + pad("", nameWidth-columns(name)) + s + "\n")
}

// ruleLine is the deciding rule: where it stands, whose it is, what it says.
func ruleLine(r *correlate.RuleHit) string {
	s := strings.TrimSpace(r.Table + " " + r.Chain)
	if r.Handle != 0 {
		s += fmt.Sprintf(" handle %d", r.Handle)
	}
	switch r.Owner {
	case "":
	case programs.User:
		s += " (yours)"
	default:
		s += " (" + string(r.Owner) + ")"
	}
	if r.Text == "" {
		return s
	}
	return s + ": " + r.Text
}

// proof says how sure the verdict is and what it rests on.
func proof(i *correlate.Incident, l lang.Language) string {
	if i.Proof == "" && len(i.Evidence) == 0 {
		return ""
	}
	var said []string
	for n, e := range i.Evidence {
		if n == maxEvidence {
			said = append(said, l.Say("%d more in -o json", len(i.Evidence)-n))
			break
		}
		if r := i.Rule; r != nil && r.Text != "" {
			e.Text = strings.TrimSuffix(e.Text, ": "+r.Text) // it stands above
		}
		e.Text = l.Sentence(e.Text)
		said = append(said, withSource(e))
	}
	colon, semicolon := ": ", "; "
	if l == lang.Chinese {
		colon, semicolon = "：", "；"
	}
	return strings.TrimPrefix(strings.TrimSuffix(l.Sentence(string(i.Proof))+colon+strings.Join(said, semicolon), colon), colon)
}

func withSource(e correlate.Evidence) string {
	if e.Source == "" {
		return e.Text
	}
	return e.Text + " (" + e.Source + ")"
}

// newNotes prints the notes of a delivered request that were not printed yet.
func (t *table) newNotes(i *correlate.Incident) string {
	var b strings.Builder
	for _, s := range i.Notes {
		if t.notes[s] || len(t.notes) >= maxKinds {
			continue
		}
		t.notes[s] = true
		t.prose(&b, "note", s)
	}
	return b.String()
}
