package report

import (
	"html/template"
	"regexp"
	"strings"
	"sync"

	"dnatrace/cmd/internal/lang"
)

// What the page says by itself is in its templates, in English. They are told in another
// language before they are read, by the pieces of text in them: those between two tags or
// actions, and the attributes that are read out or shown.
var (
	betweenTags = regexp.MustCompile(`>[^<]+<`)
	shownAttrs  = regexp.MustCompile(`(?:data-label|aria-label|placeholder)="[^"]*"`)
	actions     = regexp.MustCompile(`{{.*?}}`)
	letters     = regexp.MustCompile(`[A-Za-z]{2,}`)
)

// templatesIn are those of a language.
func templatesIn(l lang.Language) *template.Template {
	if l == lang.Chinese {
		return chinese()
	}
	return templates
}

var chinese = sync.OnceValue(func() *template.Template {
	t := template.New("page").Funcs(functions)
	for _, name := range []string{"page.html", "parts.html", "path.html", "ladder.html"} {
		told := eachPiece(asset(name), lang.Chinese.Sentence)
		template.Must(t.New(name).Parse(strings.Replace(told, `lang="en"`, `lang="zh"`, 1)))
	}
	return t
})

// eachPiece rewrites the pieces of text in a template.
func eachPiece(markup string, rewrite func(string) string) string {
	text := func(s string) string {
		var b strings.Builder
		at := 0
		piece := func(s string) {
			if letters.MatchString(s) {
				bare := strings.TrimSpace(s)
				s = strings.Replace(s, bare, rewrite(bare), 1)
			}
			b.WriteString(s)
		}
		for _, m := range actions.FindAllStringIndex(s, -1) {
			piece(s[at:m[0]])
			b.WriteString(s[m[0]:m[1]])
			at = m[1]
		}
		piece(s[at:])
		return b.String()
	}
	markup = shownAttrs.ReplaceAllStringFunc(markup, func(s string) string {
		name, value, _ := strings.Cut(strings.TrimSuffix(s, `"`), `="`)
		return name + `="` + text(value) + `"`
	})
	return betweenTags.ReplaceAllStringFunc(markup, func(s string) string { return ">" + text(s[1:len(s)-1]) + "<" })
}

// tell has the sentences of the report told in a language. What is laid out by then, such
// as the picture, stays as it is, and so do names, rules and codes.
func (v *view) tell(l lang.Language) {
	if l == lang.English {
		return
	}
	a := &v.Answer
	a.Headline, a.Sentence, a.Counts, v.Title = l.Sentence(a.Headline), l.Sentence(a.Sentence), l.Sentence(a.Counts), l.Sentence(v.Title)
	a.Fix, v.Gaps = l.Sentences(a.Fix), l.Sentences(v.Gaps)
	tellFacts(a.Facts, l)
	for n := range v.Losses {
		v.Losses[n].Where, v.Losses[n].What = l.Sentence(v.Losses[n].Where), l.Sentence(v.Losses[n].What)
	}
	for _, steps := range [][]step{v.Repeat, v.Verify} {
		for n := range steps {
			steps[n].Text, steps[n].Command = l.Sentence(steps[n].Text), l.Sentence(steps[n].Command)
		}
	}
	for n := range v.Days {
		v.Days[n].Lane, v.Days[n].Text = l.Sentence(v.Days[n].Lane), l.Sentence(v.Days[n].Text)
	}
	for n := range v.Rows {
		v.Rows[n].Place = l.Sentence(v.Rows[n].Place)
	}
	for n := range v.Cases {
		v.Cases[n].tell(l)
	}
}

func (c *caseView) tell(l lang.Language) {
	i := &c.Incident
	c.Title, i.Why = l.Sentence(c.Title), l.Sentence(i.Why)
	i.Fix, i.Notes, i.Blind = l.Sentences(i.Fix), l.Sentences(i.Notes), l.Sentences(i.Blind)
	for n := range i.Evidence {
		i.Evidence[n].Text = l.Sentence(i.Evidence[n].Text)
	}
	tellFacts(c.Facts, l)
	c.Way.ReplyText = l.Sentence(c.Way.ReplyText)
	for n := range c.Way.Stops {
		s := &c.Way.Stops[n]
		s.Sub, s.Text = l.Sentence(s.Sub), l.Sentence(s.Text)
	}
	for n := range c.Picture.Boxes { // their texts that are drawn are cut to their room
		b := &c.Picture.Boxes[n]
		b.Sub, b.Text = l.Sentence(b.Sub), l.Sentence(b.Text)
	}
}

func tellFacts(facts []fact, l lang.Language) {
	for n := range facts {
		f := &facts[n]
		if f.Name == "Tries" || f.Name == "Way" || f.Name == "where to look" || f.Name == "and" {
			f.Value = l.Sentence(f.Value)
		}
		f.Name = l.Sentence(f.Name)
	}
}
