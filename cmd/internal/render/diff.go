package render

import (
	"fmt"
	"io"
	"strings"

	"dnatrace/correlate/compare"
	"dnatrace/correlate/stage"
)

// WriteDiff writes how two requests differ.
func WriteDiff(w io.Writer, r *compare.Result, f Format, o Options) error {
	out := &output{w: w}
	switch f {
	case FormatJSON:
		encode(out, cleaned(*r, Clean), "  ")
	case FormatJSONL:
		encode(out, cleaned(*r, Clean), "")
	case FormatMarkdown:
		out.write([]byte(markdownDiff(cleaned(*r, Clean))))
	default:
		out.write([]byte(tableDiff(cleaned(*r, o.text()), o)))
	}
	return out.result()
}

// tableDiff is for people: both requests, where they part, and then stage by
// stage what is not the same.
func tableDiff(r compare.Result, o Options) string {
	g, paint, width := o.glyphs(), painter(o.Color), o.Width
	if width == 0 {
		width = 100
	}
	var b strings.Builder
	for _, side := range []struct {
		name string
		r    *compare.Request
	}{{"good", &r.Good}, {"bad", &r.Bad}} {
		fmt.Fprintf(&b, "%-5s %s  request %s in %s: %s %s %s/%s\n", side.name, paint.verdict(side.r.Verdict, strings.ToUpper(side.r.Verdict.String())),
			side.r.ID, side.r.File, side.r.Client, g.to, side.r.Requested, side.r.Protocol)
	}
	b.WriteString("\n" + strings.Join(wrap(r.Why, width), "\n") + "\n")
	at := stage.Stage("-") // none yet
	for _, d := range r.Differences {
		if d.Stage != at {
			at = d.Stage
			mark := " "
			if at == r.Stage && at != stage.None {
				mark = g.bad
			}
			fmt.Fprintf(&b, "\n%s %s\n", mark, stageTitle(at))
		}
		fmt.Fprintf(&b, "    %s\n      good  %s\n      bad   %s\n", strings.TrimSpace(d.What+" "+d.Name), orDash(d.Good, g), orDash(d.Bad, g))
	}
	for _, u := range r.Unknown {
		b.WriteString("\n  not known: " + u)
	}
	if len(r.Unknown) > 0 {
		b.WriteString("\n")
	}
	if !r.Same && r.Bad.Why != "" && r.Bad.Cause != r.Good.Cause {
		b.WriteString("\n  why    " + strings.Join(wrap(r.Bad.Why, width-9), "\n         ") + "\n")
		for _, f := range r.Bad.Fix {
			b.WriteString("  fix    " + f + "\n")
		}
	}
	return b.String()
}

func stageTitle(s stage.Stage) string {
	if s == "" {
		return "anywhere"
	}
	return string(s)
}

func orDash(s string, g glyphs) string {
	if s == "" {
		return g.none
	}
	return s
}

// markdownDiff is the same for an issue or a wiki.
func markdownDiff(r compare.Result) string {
	var b strings.Builder
	b.WriteString(MarkdownText(r.Why) + "\n\n| | good | bad |\n|---|---|---|\n")
	row := func(name, x, y string) { fmt.Fprintf(&b, "| %s | %s | %s |\n", name, x, y) }
	code := func(s string) string {
		if s == "" {
			return "–"
		}
		return MarkdownCode(strings.ReplaceAll(s, "|", "¦"))
	}
	row("request", code(r.Good.Client+" → "+r.Good.Requested+"/"+r.Good.Protocol), code(r.Bad.Client+" → "+r.Bad.Requested+"/"+r.Bad.Protocol))
	row("verdict", code(r.Good.Verdict.String()+":"+string(r.Good.Cause)), code(r.Bad.Verdict.String()+":"+string(r.Bad.Cause)))
	for _, d := range r.Differences {
		name := MarkdownText(strings.ReplaceAll(strings.TrimSpace(stageTitle(d.Stage)+": "+d.What+" "+d.Name), "|", "¦"))
		if d.Stage == r.Stage && d.Stage != "" {
			name = "**" + name + "**"
		}
		row(name, code(d.Good), code(d.Bad))
	}
	for _, u := range r.Unknown {
		b.WriteString("\n- Not known: " + MarkdownText(u))
	}
	if !r.Same && r.Bad.Why != "" && r.Bad.Cause != r.Good.Cause {
		b.WriteString("\n" + MarkdownText(r.Bad.Why) + "\n")
		for _, f := range r.Bad.Fix {
			b.WriteString("\n" + MarkdownBlock("sh", f))
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}
