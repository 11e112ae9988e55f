package report

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/netip"
	"slices"
	"strings"
	"time"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// view is a Report laid out: what HTML and Markdown have in common.
type view struct {
	Report
	First    *correlate.Incident // the request that decided; nil if none was seen
	Answer   answer
	Title    string
	Cases    []caseView
	Latency  latency
	Strip    *strip
	Days     []happening
	Rows     []row
	Unlisted int // requests counted and not listed
	Gaps     []string
	Losses   []loss
	Perfect  bool // all sources and rings were whole
	Repeat   []step
	Verify   []step
	Inputs   []input
	Started  string
	Length   string
}

// caseView is a request told in full.
type caseView struct {
	Case
	N       int
	Title   string
	Tone    string
	Way     way
	Picture picture
	Ladder  *ladder
	Facts   []fact
}

type happening struct {
	At, Lane, Where, Text string
}

// row is a request in the table.
type row struct {
	*correlate.Incident
	Tone      string
	At        string
	AtKey     int64
	Server    string
	Place     string
	Connect   string
	FirstByte string
	Case      int // number of the case that tells it in full; 0 for none
}

type loss struct{ Where, What string }

// step is something to do: words, and a command to paste, if any.
type step struct{ Text, Command string }

// input is a file that was read.
type input struct {
	Name, Size, SHA256 string
	Link               template.URL // its bytes; "" unless embedded
}

// newView lays a report out. Every string of it is clean from here on.
func newView(raw *Report) *view {
	r := cleanReport(raw)
	v := &view{Report: r}
	for n := range r.Findings.Cases {
		v.Cases = append(v.Cases, caseOf(n, &r.Findings.Cases[n], r.Document.Recording.Points))
	}
	if len(v.Cases) > 0 {
		v.First = &v.Cases[0].Incident
		v.Latency = latencyOf(r.Document, v.First)
	}
	v.Answer = answerOf(r.Document, v.First)
	v.Title = v.Answer.Headline
	v.timeline()
	v.rows()
	v.shortcomings()
	v.steps()
	v.inputs(raw.Files)
	rec := r.Document.Recording
	v.Started = rec.Started.Format("2006-01-02 15:04:05 UTC")
	v.Length = spanText(rec.Ended.Sub(rec.Started))
	v.tell(r.Lang)
	return v
}

// cleanReport takes what acts out of every string; the bytes of files stay.
func cleanReport(raw *Report) Report {
	files := make([]File, len(raw.Files))
	for n, f := range raw.Files {
		f.Data = nil
		files[n] = f
	}
	return render.Cleaned(Report{Document: raw.Document, Files: files, Command: raw.Command, Lang: raw.Lang, Findings: raw.Findings})
}

func caseOf(n int, c *Case, points []correlate.PointReport) caseView {
	v := caseView{Case: *c, N: n + 1, Tone: tone(c.Incident.Verdict), Way: wayOf(&c.Incident, points), Facts: factsOf(&c.Incident)}
	v.Title = strings.TrimSpace(headWord(c.Incident.Verdict) + " " + render.Where(&c.Incident))
	v.Picture = draw(v.Way)
	if l, ok := ladderOf(&v.Case, v.Way); ok {
		v.Ladder = &l
	}
	return v
}

func (v *view) timeline() {
	if !slices.ContainsFunc(v.Timeline, func(h Happening) bool { return h.Lane != LaneRequests }) {
		return
	}
	if s, ok := stripOf(v.Timeline); ok {
		v.Strip = &s
	}
	for _, h := range v.Timeline {
		at := sinceText(h.Time.Sub(v.Timeline[0].Time))
		v.Days = append(v.Days, happening{At: at, Lane: h.Lane, Where: h.Where, Text: h.Text})
	}
}

// gravity orders verdicts as the run's own is chosen: the worst first.
var gravity = []correlate.Verdict{correlate.Dropped, correlate.Misdelivered, correlate.Refused, correlate.AnswerLost, correlate.Unanswered, correlate.Stalled, correlate.Delivered, correlate.Undetermined}

func (v *view) rows() {
	d := v.Document
	told := map[string]int{}
	for _, c := range v.Cases {
		told[c.Incident.ID] = c.N
	}
	for n := range d.Requests {
		i := &d.Requests[n]
		v.Rows = append(v.Rows, row{Incident: i, Tone: tone(i.Verdict), At: sinceText(i.First.Sub(d.Recording.Started)), AtKey: i.First.UnixNano() - d.Recording.Started.UnixNano(),
			Server: serverText(i), Place: render.Where(i), Connect: secondsText(i.Timing.Connect), FirstByte: secondsText(i.Timing.FirstByte), Case: told[i.ID]})
	}
	slices.SortStableFunc(v.Rows, func(a, b row) int {
		return cmp.Compare(slices.Index(gravity, a.Verdict), slices.Index(gravity, b.Verdict))
	})
	v.Rows = v.Rows[:min(len(v.Rows), MaxRequests)]
	s := d.Summary
	all := s.Delivered + s.Misdelivered + s.Refused + s.Dropped + s.Unanswered + s.AnswerLost + s.Stalled + s.Undetermined
	v.Unlisted = max(0, all-len(v.Rows))
}

func serverText(i *correlate.Incident) string {
	return joined(" ", i.Container, i.Translated)
}

// shortcomings lists what was not observed, and what was lost.
func (v *view) shortcomings() {
	rec := &v.Document.Recording
	if v.First != nil {
		for _, u := range v.First.Unseen {
			v.Gaps = append(v.Gaps, fmt.Sprintf("%s: the %s was not seen there (%s)", u.Point, u.Direction, u.Detail))
		}
		v.Gaps = append(v.Gaps, v.First.Blind...)
	}
	whole := true
	for _, r := range rec.Rings {
		where := strings.Join(r.Points, ", ")
		if r.Lost == 0 {
			continue
		}
		whole = false
		for n, iv := range r.Intervals {
			if n == 8 {
				v.Losses = append(v.Losses, loss{where, fmt.Sprintf("%d more intervals", len(r.Intervals)-n)})
				break
			}
			v.Losses = append(v.Losses, loss{where, fmt.Sprintf("%d packets lost between %s and %s", iv.Lost, sinceText(iv.From.Sub(rec.Started)), sinceText(iv.To.Sub(rec.Started)))})
		}
	}
	for _, s := range render.Without(rec.Sources) {
		v.Losses = append(v.Losses, loss{"sources", s})
		whole = false
	}
	for i := range rec.Floods {
		v.Losses = append(v.Losses, loss{"requests", render.Flood(&rec.Floods[i])})
	}
	for _, s := range rec.Damage {
		v.Losses = append(v.Losses, loss{"recording", render.Damaged(s)})
		whole = false
	}
	if v.Cut {
		v.Losses = append(v.Losses, loss{"recording", "it was not ended in order: what came last may be missing"})
		whole = false
	}
	if v.Filter != "" {
		v.Losses = append(v.Losses, loss{"recording", "limited to: " + v.Filter})
	}
	if n := v.Document.Summary.Evicted; n > 0 {
		v.Losses = append(v.Losses, loss{"requests", fmt.Sprintf("%d were let go unjudged, to keep memory bounded", n)})
	}
	if n := v.Document.Summary.Open; n > 0 {
		v.Losses = append(v.Losses, loss{"requests", fmt.Sprintf("%d were too young to judge when the recording ended", n)})
	}
	v.Perfect = whole
}

// steps say how to see it again, and how to see that it is gone.
func (v *view) steps() {
	if v.First == nil {
		return
	}
	i := v.First
	for _, m := range v.Mappings {
		if m.Container == i.Container && m.Image != "" {
			v.Repeat = append(v.Repeat, step{"Start a container published alike.", m.Run})
		}
	}
	if i.Rule != nil {
		v.Repeat = append(v.Repeat, step{"Have this " + ruleKind(i.Rule) + " in " + i.Rule.Table + " " + i.Rule.Chain + ".", i.Rule.Text})
	}
	v.Repeat = append(v.Repeat, step{"Ask from " + fromWhere(i) + ".", requestCommand(i)})
	v.Repeat = append(v.Repeat, step{"Or judge the same recording again.", v.Command})
	if len(i.Fix) > 0 && i.Verdict != correlate.Delivered {
		for _, f := range i.Fix {
			v.Verify = append(v.Verify, step{"Change this.", f})
		}
	}
	v.Verify = append(v.Verify, step{"Watch while the client asks again: the exit code is 0 if the answer gets through.", "sudo dnatrace diagnose " + targetOf(i) + " -c 1 -d 60s --expect delivered"})
	v.Verify = append(v.Verify, step{"Ask from " + fromWhere(i) + ".", requestCommand(i)})
}

func ruleKind(r *correlate.RuleHit) string {
	if r.Kind == "policy" {
		return "policy"
	}
	return "rule"
}

func fromWhere(i *correlate.Incident) string {
	if i.ClientContainer != "" {
		return "container " + i.ClientContainer
	}
	return "the client, " + hostOf(i.Client)
}

func hostOf(end string) string {
	if a, err := netip.ParseAddrPort(end); err == nil {
		return a.Addr().String()
	}
	return end
}

// requestCommand is the plainest way to ask the same.
func requestCommand(i *correlate.Incident) string {
	a, err := netip.ParseAddrPort(i.Requested)
	switch {
	case err != nil:
		return "ping -c 3 " + Quoted(i.Requested)
	case i.Protocol == "udp":
		return fmt.Sprintf("echo | nc -u -w 3 %s %d", a.Addr(), a.Port())
	case i.Protocol == "sctp":
		return fmt.Sprintf("ncat --sctp -w 3 %s %d", a.Addr(), a.Port())
	}
	return fmt.Sprintf("nc -vz -w 3 %s %d", a.Addr(), a.Port())
}

func targetOf(i *correlate.Incident) string {
	a, err := netip.ParseAddrPort(i.Requested)
	if err != nil {
		return Quoted(i.Container)
	}
	if i.Protocol == "tcp" {
		return fmt.Sprint(a.Port())
	}
	return fmt.Sprintf("%d/%s", a.Port(), i.Protocol)
}

func (v *view) inputs(raw []File) {
	for n, f := range v.Files {
		in := input{Name: f.Name, Size: sizeText(f.Size), SHA256: f.SHA256}
		if len(raw[n].Data) > 0 {
			in.Link = template.URL("data:application/octet-stream;base64," + base64.StdEncoding.EncodeToString(raw[n].Data))
		}
		v.Inputs = append(v.Inputs, in)
	}
}

func sizeText(n int64) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// Quoted is a word that a shell takes for itself.
func Quoted(s string) string {
	plain := s != "" && s[0] != '-'
	for _, r := range s {
		plain = plain && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./:@", r))
	}
	if plain {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// dateText is the moment a request was first seen.
func dateText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000 UTC") }
