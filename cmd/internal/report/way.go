package report

import (
	"slices"
	"strings"
	"time"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

// stop is one place on the way of a request, or something done to it there.
type stop struct {
	Kind    string // "client", a role of a point, "action", "proxy", "server" or "host"
	Name    string
	Sub     string
	Address string // destination as the packet had it here
	Zone    string
	Text    string // of an action: the rule, or what was done
	Note    int    // number of the note with Text; 0 for none
	Reached bool
	Replied bool   // the way back passed here
	End     string // what became of the request here; "" if it went on
	Before  bool   // valid iff End: it ended on the way to this stop
	Time    string // since the first sighting
}

// Action reports whether the stop is something done, not a place.
func (s stop) Action() bool { return s.Kind == "action" || s.Kind == "proxy" }

// way is the path of a request, outward from the client.
type way struct {
	Stops     []stop
	Verdict   correlate.Verdict
	ReplyLost int // index of the stop that the answer passed last; -1 if it was not lost
	ReplyText string
	Answered  bool // the answer came back to the client
}

// wayOf lays out what the document says about one request; it concludes nothing.
func wayOf(i *correlate.Incident, points []correlate.PointReport) way {
	b := builder{i: i, points: points, w: way{Verdict: i.Verdict, ReplyLost: -1}}
	b.client()
	b.sightings()
	b.actions()
	b.unseen()
	b.server()
	b.ending()
	b.reply()
	b.number()
	return b.w
}

type builder struct {
	i      *correlate.Incident
	points []correlate.PointReport
	w      way
	told   bool // the translation is among the stops
}

func (b *builder) add(s stop) { b.w.Stops = append(b.w.Stops, s) }
func (b *builder) last() *stop {
	return &b.w.Stops[len(b.w.Stops)-1]
}

func (b *builder) client() {
	s := stop{Kind: "client", Name: "client", Sub: b.i.Client, Zone: "outside", Reached: true}
	if b.i.ClientContainer != "" {
		s.Name, s.Zone = b.i.ClientContainer, "container "+b.i.ClientContainer
	}
	if from := hostOf(b.i.Client); from == hostOf(b.i.Requested) || from == "127.0.0.1" || from == "::1" {
		s.Zone = hostZone
	}
	b.add(s)
}

// hostZone is where the engine runs.
const hostZone = "this host"

// sightings adds every point that saw the request, and the translation where the
// address changed.
func (b *builder) sightings() {
	address := b.i.Requested
	for _, h := range b.i.Hops {
		if h.Direction == "reply" || h.Kind != correlate.HopSeen && h.Kind != correlate.HopDelivered || b.has(h.Point) {
			continue
		}
		if h.Before != address && h.Before == b.i.Translated {
			b.translation()
			address = h.Before
		}
		s := b.point(h.Point)
		s.Address, s.Reached, s.Time = h.Before, true, b.since(h.Time)
		b.add(s)
	}
}

func (b *builder) has(point string) bool {
	return slices.ContainsFunc(b.w.Stops, func(s stop) bool { return s.Name == point && !s.Action() && s.Kind != "client" })
}

func (b *builder) since(t time.Time) string {
	if t.IsZero() || t.Before(b.i.First) {
		return ""
	}
	return sinceText(t.Sub(b.i.First))
}

// point is the stop of a capture point.
func (b *builder) point(name string) stop {
	for _, p := range b.points {
		if p.Name == name {
			return stop{Kind: p.Role, Name: name, Sub: roleWord(p), Zone: zoneOf(p)}
		}
	}
	return stop{Kind: "other", Name: name, Zone: hostZone}
}

func zoneOf(p correlate.PointReport) string {
	if p.Role == "container" || p.Netns != "host" && p.Netns != "" {
		return "container " + p.Netns
	}
	return hostZone
}

func roleWord(p correlate.PointReport) string {
	switch p.Role {
	case "nic":
		return "NIC"
	case "veth":
		if p.Container != "" {
			return "veth of " + p.Container
		}
	case "container":
		return "inside"
	case "other":
		return ""
	}
	return p.Role
}

// translation adds what translated the request.
func (b *builder) translation() {
	for _, h := range b.i.Hops {
		if h.Kind != correlate.HopTranslated || b.told {
			continue
		}
		s := stop{Kind: "action", Name: h.Point, Sub: "translated", Zone: hostZone, Reached: true, Time: b.since(h.Time), Address: h.After,
			Text: h.Before + " → " + h.After + "; " + h.Detail}
		if h.Point == "docker-proxy" {
			s.Kind, s.Sub = "proxy", "new connection"
		}
		b.add(s)
		b.told = true
	}
}

// actions adds the translation that no point saw, and what ended the request.
func (b *builder) actions() {
	if !b.told {
		b.translation()
	}
	for _, h := range b.i.Hops {
		if h.Kind == correlate.HopDropped && !strings.Contains(h.Point, " → ") {
			b.add(stop{Kind: "action", Name: h.Point, Sub: "dropped", Zone: hostZone, Reached: true, Address: h.Before, Time: b.since(h.Time), Text: h.Detail, End: b.i.Verdict.String()})
			return
		}
	}
	if b.i.Verdict != correlate.Refused {
		return
	}
	switch r := b.i.Rule; {
	case b.i.Stage == stage.Neighbour || b.i.Stage == stage.Route:
		if r != nil && !b.told {
			b.add(stop{Kind: "action", Name: r.Table + " " + r.Chain, Sub: "translated", Zone: hostZone, Reached: true, Address: b.i.Translated, Text: ruleText(r)})
		}
		b.add(stop{Kind: "action", Name: string(b.i.Stage), Sub: "refused", Zone: hostZone, Reached: true, Address: b.target(), Text: render.Where(b.i), End: b.i.Verdict.String()})
	case r != nil && !servers[b.i.Stage]:
		b.add(stop{Kind: "action", Name: r.Table + " " + r.Chain, Sub: "rejected", Zone: hostZone, Reached: true, Address: b.last().Address, Text: ruleText(r), End: b.i.Verdict.String()})
	}
}

// servers are the stages that are somebody who answers, not a hook.
var servers = map[stage.Stage]bool{stage.Container: true, stage.Host: true, stage.Proxy: true}

func ruleText(r *correlate.RuleHit) string {
	return strings.TrimPrefix(string(r.Owner)+": "+r.Text, ": ")
}

func (b *builder) unseen() {
	for _, u := range b.i.Unseen {
		if u.Direction == "reply" || b.has(u.Point) {
			continue
		}
		s := b.point(u.Point)
		s.Text = u.Detail
		b.add(s)
	}
}

// server adds who was to answer.
func (b *builder) server() {
	i := b.i
	byHost := i.Via == correlate.ViaHost || i.Stage == stage.Host || i.Stage == stage.Input
	switch {
	case byHost:
		b.add(stop{Kind: "host", Name: "this host", Sub: "its own process", Zone: hostZone, Address: i.Requested, Reached: b.reached() || i.Stage == stage.Host})
	case i.Container != "":
		b.add(stop{Kind: "server", Name: i.Container, Sub: "server", Zone: "container " + i.Container, Address: b.target(), Reached: b.reached()})
	case i.Translated != "":
		b.add(stop{Kind: "server", Name: i.Translated, Sub: "server", Zone: "container", Address: i.Translated, Reached: b.reached()})
	default:
		b.add(stop{Kind: "server", Name: i.Requested, Sub: "server", Zone: hostZone, Address: i.Requested, Reached: b.reached()})
	}
}

func (b *builder) target() string {
	if b.i.Translated != "" {
		return b.i.Translated
	}
	return b.i.Requested
}

// reached repeats what the verdict says of the server.
func (b *builder) reached() bool {
	switch b.i.Verdict {
	case correlate.Delivered, correlate.Misdelivered, correlate.Unanswered, correlate.AnswerLost, correlate.Stalled:
		return true
	case correlate.Refused:
		return b.i.Stage == stage.Container || b.i.Stage == stage.Host
	case correlate.Dropped, correlate.Undetermined, correlate.Absent:
	}
	return false
}

// ending marks where the request ended, unless what ended it is a stop already.
func (b *builder) ending() {
	word := b.i.Verdict.String()
	if b.i.Verdict == correlate.Delivered || b.i.Verdict == correlate.AnswerLost || slices.ContainsFunc(b.w.Stops, func(s stop) bool { return s.End != "" }) {
		return
	}
	for n := range b.w.Stops {
		if b.i.Stage == stage.Proxy && b.w.Stops[n].Kind == "proxy" {
			b.w.Stops[n].End = word
			return
		}
	}
	for n := range b.w.Stops {
		if !b.w.Stops[n].Reached {
			b.w.Stops[n].End, b.w.Stops[n].Before = word, true
			return
		}
	}
	b.last().End = word
}

// reply marks the stops that the way back passed.
func (b *builder) reply() {
	first := len(b.w.Stops)
	for n := range b.w.Stops {
		s := &b.w.Stops[n]
		s.Replied = slices.ContainsFunc(b.i.Hops, func(h correlate.Hop) bool { return h.Direction == "reply" && h.Point == s.Name && !s.Action() })
		if s.Replied {
			first = min(first, n)
		}
	}
	for _, h := range b.i.Hops {
		b.w.Answered = b.w.Answered || h.Kind == correlate.HopAnswered || h.Kind == correlate.HopRefused
	}
	if b.i.Verdict != correlate.AnswerLost || first == len(b.w.Stops) {
		return
	}
	b.w.ReplyLost, b.w.Answered = first, false
	b.w.ReplyText = "The answer was lost " + strings.TrimPrefix(render.Where(b.i), "on the way back, ")
	if b.i.Rule != nil {
		b.w.ReplyText += ": " + b.i.Rule.Text
	}
}

func (b *builder) number() {
	n := 0
	for k := range b.w.Stops {
		if s := &b.w.Stops[k]; s.Action() {
			n++
			s.Note = n
		}
	}
}
