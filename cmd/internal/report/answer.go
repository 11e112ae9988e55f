package report

import (
	"fmt"
	"strings"

	"dnatrace/cmd/internal/lang"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// answer is what a reader wants first.
type answer struct {
	Verdict  correlate.Verdict
	Tone     string // "good", "bad" or "unsure"
	Headline string // "Dropped in FORWARD, by a rule of yours"
	Sentence string
	Fix      []string
	Facts    []fact
	Counts   string
	Tally    []tally
}

type fact struct{ Name, Value string }

// tally is how many requests ended with a verdict.
type tally struct {
	Verdict string
	Tone    string
	N       int
	X       px
	Share   px // of 1000
}

// answerOf sums up the run by the request that decided it.
func answerOf(d *correlate.Document, first *correlate.Incident) answer {
	a := answer{Verdict: d.Verdict, Tone: tone(d.Verdict), Counts: render.Counts(d.Summary), Tally: tallies(d.Summary)}
	if first == nil {
		a.Headline, a.Sentence = "No request seen", sentence(render.Nothing(d, lang.English))
		if n := d.Summary.Open; n > 0 {
			a.Headline, a.Sentence = "Still open", sentence(render.StillOpen(n))
		}
		if s := d.Selection; s != nil && d.Verdict != correlate.Absent {
			a.Headline, a.Sentence = "No request is selected", sentence("nothing in the recording is "+s.By+"; its verdict, "+d.Verdict.String()+", is that of all requests")
		}
		for n, s := range d.Next {
			name := "where to look"
			if n > 0 {
				name = "and"
			}
			a.Facts = append(a.Facts, fact{name, s})
		}
		return a
	}
	a.Headline = strings.TrimSpace(headWord(d.Verdict) + " " + render.Where(first))
	if d.Selection != nil { // the one that decided the run may not be among them
		a.Headline = strings.TrimSpace(headWord(first.Verdict) + " " + render.Where(first))
		a.Counts += ". Selected: " + d.Selection.By
	}
	a.Sentence = first.Why
	if a.Sentence == "" {
		a.Sentence = sentence("the request to " + first.Requested + " was " + d.Verdict.String())
	}
	if s := d.Summary; d.Verdict == correlate.Delivered && s.Delivered > 1 {
		a.Headline = fmt.Sprintf("All %d judged requests were delivered", s.Delivered)
		if s.Undetermined > 0 {
			a.Headline = fmt.Sprintf("%d requests were delivered", s.Delivered)
		}
	}
	a.Fix = first.Fix
	a.Facts = factsOf(first)
	return a
}

func tone(v correlate.Verdict) string {
	switch v {
	case correlate.Delivered:
		return "good"
	case correlate.Undetermined, correlate.Absent:
		return "unsure"
	case correlate.Misdelivered, correlate.Refused, correlate.Dropped, correlate.Unanswered, correlate.AnswerLost, correlate.Stalled:
	}
	return "bad"
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// headWord begins a headline: "Answer lost".
func headWord(v correlate.Verdict) string { return title(strings.ReplaceAll(v.String(), "-", " ")) }

func sentence(s string) string { return title(strings.TrimSuffix(s, ".")) + "." }

func factsOf(i *correlate.Incident) []fact {
	var out []fact
	say := func(name, value string) {
		if value != "" {
			out = append(out, fact{name, value})
		}
	}
	client := i.Client
	if i.ClientContainer != "" {
		client += " (container " + i.ClientContainer + ")"
	}
	say("Client", client)
	if i.ClientSeen != "" {
		say("seen by the server as", i.ClientSeen)
	}
	say("Asked for", i.Requested+"/"+i.Protocol)
	say("Translated to", i.Translated)
	say("Container", joined(" · ", i.Container, prefixed("network ", i.Network), prefixed("project ", i.Project), prefixed("service ", i.Service)))
	say("Way", wayWord(i.Via))
	if i.Cause != correlate.CauseNone {
		say("Cause", string(i.Cause))
	}
	say("Stage", string(i.Stage))
	say("Tries", render.Tries(i))
	say("Proof", string(i.Proof))
	say("Connected after", secondsText(i.Timing.Connect))
	say("First byte after", secondsText(i.Timing.FirstByte))
	return out
}

func wayWord(via correlate.Via) string {
	return map[correlate.Via]string{correlate.ViaDNAT: "translated (DNAT)", correlate.ViaIPVS: "translated (IPVS)", correlate.ViaProxy: "docker-proxy", correlate.ViaDirect: "directly to the container", correlate.ViaHost: "the host's own network"}[via]
}

func prefixed(p, s string) string {
	if s == "" {
		return ""
	}
	return p + s
}

func joined(sep string, parts ...string) string {
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, sep)
}

func secondsText(s float64) string {
	switch {
	case s <= 0:
		return ""
	case s < 1:
		return fmt.Sprintf("%.2f ms", s*1e3)
	}
	return fmt.Sprintf("%.2f s", s)
}

// tallies are in the order of gravity.
func tallies(s correlate.Summary) []tally {
	var out []tally
	total := 0
	for _, c := range []tally{
		{Verdict: "dropped", Tone: "bad", N: s.Dropped}, {Verdict: "misdelivered", Tone: "bad", N: s.Misdelivered},
		{Verdict: "refused", Tone: "bad", N: s.Refused}, {Verdict: "answer-lost", Tone: "bad", N: s.AnswerLost},
		{Verdict: "unanswered", Tone: "bad", N: s.Unanswered}, {Verdict: "stalled", Tone: "bad", N: s.Stalled},
		{Verdict: "delivered", Tone: "good", N: s.Delivered}, {Verdict: "undetermined", Tone: "unsure", N: s.Undetermined},
		{Verdict: "still open", Tone: "none", N: s.Open}, {Verdict: "not judged", Tone: "none", N: s.Evicted},
	} {
		if c.N > 0 {
			out = append(out, c)
			total += c.N
		}
	}
	for n := range out {
		out[n].Share = px(out[n].N) / px(total) * 1000
		if n > 0 {
			out[n].X = out[n-1].X + out[n-1].Share
		}
	}
	return out
}
