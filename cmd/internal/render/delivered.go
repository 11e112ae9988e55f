package render

import (
	"fmt"
	"strings"
	"time"

	"dnatrace/cmd/internal/lang"
	"dnatrace/correlate"
)

// deliveredLine is all there is to say about a request that went well: who,
// whither, how fast and by which way. What a narrow terminal has no room for
// goes on a second line.
func (t *table) deliveredLine(i *correlate.Incident) string {
	word := t.g.good + " " + i.Verdict.String()
	head := strings.TrimSuffix(word+"  "+t.clock(i.First), "  ") + "  " + clientOf(i, t.o.Numeric) + " " + t.g.to + " " + t.serverOf(i)
	parts := []string{head, t.timing(i.Timing), t.way(i.Hops)}
	if i.Proof == correlate.Inferred {
		parts[1] = strings.TrimPrefix(parts[1]+t.comma()+t.tell("inferred"), t.comma())
	}
	if i.Revised {
		parts = append(parts, t.tell("judged again"))
	}
	line := flow(parts, t.o.Width, "    ")
	return t.paint.verdict(i.Verdict, word) + strings.TrimPrefix(line, word)
}

// serverOf names who answered, and by which way the request got there.
func (t *table) serverOf(i *correlate.Incident) string {
	proto := ""
	if i.Protocol != "tcp" {
		proto = "/" + i.Protocol
	}
	name := ""
	if i.Container != "" && !t.o.Numeric {
		name = i.Container + " "
	}
	if i.Translated == "" {
		return name + i.Requested + proto + t.tell(viaWord(i.Via))
	}
	s := t.say("%s via %s", name+i.Translated+proto, i.Requested)
	if i.Via == correlate.ViaProxy {
		s += " (docker-proxy)"
	}
	return s
}

func viaWord(via correlate.Via) string {
	switch via {
	case correlate.ViaHost:
		return " (host network)"
	case correlate.ViaDirect:
		return " (directly)"
	case correlate.ViaProxy:
		return " (docker-proxy)"
	case correlate.ViaIPVS:
		return " (IPVS)"
	case correlate.ViaDNAT:
	}
	return ""
}

func (t *table) timing(m correlate.Timing) string {
	var said []string
	if m.Connect > 0 {
		said = append(said, t.say("connect %s", millis(m.Connect)))
	}
	if m.FirstByte > 0 {
		said = append(said, t.say("first byte %s", millis(m.FirstByte)))
	}
	return strings.Join(said, t.comma())
}

// comma is what stands between the parts of a list.
func (t *table) comma() string {
	if t.o.Lang == lang.Chinese {
		return "，"
	}
	return ", "
}

func millis(s float64) string { return fmt.Sprintf("%.1f ms", s*1e3) }

// way is the path of the request in one line, with the milliseconds between the
// first sightings at its points: "eth0 →0.04→ docker0 →0.02→ web:eth0".
func (t *table) way(hops []correlate.Hop) string {
	var b strings.Builder
	var last time.Time
	been := map[string]bool{}
	for _, h := range hops {
		sighting := h.Kind == correlate.HopSeen || h.Kind == correlate.HopDelivered
		if !sighting || h.Direction == "reply" || been[h.Point] || h.Time.IsZero() {
			continue
		}
		if len(been) > 0 {
			fmt.Fprintf(&b, " %s%.2f%s ", t.g.to, h.Time.Sub(last).Seconds()*1e3, t.g.to)
		}
		b.WriteString(h.Point)
		been[h.Point], last = true, h.Time
	}
	return b.String()
}
