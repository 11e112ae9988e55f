package annotate

import (
	"fmt"
	"slices"
	"strings"

	"dnatrace/correlate"
)

// commentsOf says by frame what happened there. With a point chosen, what is
// said of a request as a whole goes to its first packet at that point.
func commentsOf(d *correlate.Document, point string) map[uint64][]string {
	c := map[uint64][]string{}
	for i := range d.Requests {
		comment(c, &d.Requests[i], point)
	}
	return c
}

func comment(c map[uint64][]string, i *correlate.Incident, point string) {
	seen := packets(i.Hops, point)
	if len(seen) == 0 {
		return
	}
	say := func(frame uint64, format string, args ...any) {
		c[frame] = append(c[frame], "dnatrace #"+i.ID+": "+fmt.Sprintf(format, args...))
	}
	say(seen[0].Frame, "%s", headline(i))
	last := seen[0].Frame // the latest packet of the request so far
	var translated *correlate.Hop
	for n := range i.Hops {
		h := &i.Hops[n]
		shown := h.Frame != 0 && (point == "" || h.Point == point)
		if shown && translated != nil {
			say(h.Frame, "%s", translation(translated))
			translated = nil
		}
		switch {
		case h.Kind == correlate.HopTranslated && h.Frame == 0:
			translated = h
		case h.Kind == correlate.HopDropped, h.Kind == correlate.HopFiltered:
			say(last, "%s here, behind this packet's point, at %s: %s", h.Kind, h.Point, h.Detail)
		case shown && h.Kind == correlate.HopDelivered:
			say(h.Frame, "delivered to %s", recipient(i))
		case shown && h.Kind == correlate.HopAnswered:
			say(h.Frame, "answered: the answer leaves towards the client")
		case shown && h.Kind == correlate.HopRefused:
			say(h.Frame, "refused here: %s %s", h.Detail, i.Cause)
		}
		if shown {
			last = h.Frame
		}
	}
	if translated != nil {
		say(last, "%s, behind this packet's point", translation(translated))
	}
	if v := i.Verdict; v == correlate.Unanswered || v == correlate.AnswerLost || v == correlate.Stalled {
		say(last, "last packet in evidence: %s%s", where(i), rule(i))
	}
}

// packets are the hops that are packets, at a point, or at all.
func packets(hops []correlate.Hop, point string) []correlate.Hop {
	out := slices.DeleteFunc(slices.Clone(hops), func(h correlate.Hop) bool {
		return h.Frame == 0 || point != "" && h.Point != point
	})
	slices.SortStableFunc(out, func(a, b correlate.Hop) int { return int(int64(a.Frame) - int64(b.Frame)) })
	return out
}

// headline is what became of the request, and why.
func headline(i *correlate.Incident) string {
	s := fmt.Sprintf("%s → %s %s: %s", i.Client, i.Requested, i.Protocol, where(i))
	if i.Cause != correlate.CauseNone {
		s += fmt.Sprintf(", %s (%s)", i.Cause, i.Proof)
	}
	if i.Why != "" {
		s += "\n" + i.Why
	}
	if len(i.Fix) > 0 {
		s += "\nfix: " + i.Fix[0]
	}
	return s
}

func where(i *correlate.Incident) string {
	s := i.Verdict.String()
	if i.Stage != "" {
		s += " at " + string(i.Stage)
	}
	if len(i.Between) == 2 {
		s += " between " + i.Between[0] + " and " + i.Between[1]
	}
	return s
}

// rule names the deciding rule, "" if there is none.
func rule(i *correlate.Incident) string {
	if i.Rule == nil {
		return ""
	}
	return fmt.Sprintf(", by %s in %s %s: %s", i.Rule.Owner, i.Rule.Table, i.Rule.Chain, i.Rule.Text)
}

func translation(h *correlate.Hop) string {
	return strings.TrimSuffix(fmt.Sprintf("translated %s → %s at %s by %s", h.Before, h.After, h.Point, h.Detail), " by ")
}

func recipient(i *correlate.Incident) string {
	if i.Container != "" {
		return i.Container
	}
	return i.Requested
}
