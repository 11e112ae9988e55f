// Package cut writes of a stream what some requests rest on, and holds how they are
// judged by it against how they were judged before.
//
// The package opens no file. It must not import render.
package cut

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/correlate"
	"dnatrace/decode"
	"dnatrace/decode/excerpt"
)

// Wanted says which packets and state the requests rest on.
func Wanted(chosen []*correlate.Incident) excerpt.Want {
	w := excerpt.Want{Frames: map[uint64]bool{}, Netns: map[string]bool{}, Points: map[string]bool{}}
	for _, r := range chosen {
		proto := decode.ParseProto(r.Protocol)
		for _, dst := range []string{r.Requested, r.Translated} {
			for _, src := range []string{r.Client, r.ClientSeen} {
				w.Tuples = append(w.Tuples, tupleOf(proto, src, dst))
			}
		}
		for _, h := range r.Hops {
			if h.Frame != 0 {
				w.Frames[h.Frame] = true
			}
			w.Points[h.Point] = true
			if in, _, ok := strings.Cut(h.Point, ":"); ok {
				w.Netns[in] = true
			}
		}
		for _, name := range append([]string{r.Container, r.ClientContainer}, r.Between...) {
			in, _, _ := strings.Cut(name, ":")
			w.Points[name] = true
			w.Netns[in] = true
		}
		first, last := r.First.UnixNano(), r.Last.UnixNano()
		if w.First == 0 || first < w.First {
			w.First = first
		}
		w.Last = max(w.Last, last)
	}
	return w
}

// tupleOf makes a tuple of two ends; zero if they are not addresses with ports.
func tupleOf(proto decode.Proto, src, dst string) decode.Tuple {
	from, err1 := netip.ParseAddrPort(src)
	to, err2 := netip.ParseAddrPort(dst)
	if err1 != nil || err2 != nil {
		return decode.Tuple{}
	}
	return decode.Tuple{Src: decode.IPFrom(from.Addr()), Dst: decode.IPFrom(to.Addr()), SrcPort: from.Port(), DstPort: to.Port(), Proto: proto}
}

// Write writes so much of a stream, which is ranged over twice, and returns how many
// packets that are.
func Write(ctx context.Context, w io.Writer, o recording.Options, src capture.Source, want excerpt.Want, extent excerpt.Extent) (packets uint64, err error) {
	e := excerpt.New(want, extent)
	for b, err := range src(ctx) {
		if err != nil {
			return 0, err
		}
		e.Learn(b)
	}
	e.Seal()
	o.Small = true
	out := recording.NewWriter(w, o)
	for b, err := range src(ctx) {
		if err != nil {
			return e.Packets(), err
		}
		if err := out.Write(e.Keep(b)); err != nil {
			return e.Packets(), err
		}
	}
	return e.Packets(), out.Close()
}

// Changed says which of the requests is not judged as before; "" for none.
func Changed(chosen []*correlate.Incident, is *correlate.Document) string {
	for _, r := range chosen {
		i := slices.IndexFunc(is.Requests, func(s correlate.Incident) bool {
			return s.Protocol == r.Protocol && s.Client == r.Client && s.Requested == r.Requested && s.First.Equal(r.First)
		})
		if i < 0 {
			return fmt.Sprintf("the request from %s to %s would not be seen", r.Client, r.Requested)
		}
		s := &is.Requests[i]
		d := differs(r, s, byName)
		switch {
		case d != "":
		case ruleText(r) != ruleText(s):
			d = fmt.Sprintf("rule %q is now %q", ruleText(r), ruleText(s))
		case !slices.Equal(r.Fix, s.Fix):
			d = "what to do about it is now another thing"
		}
		if d != "" {
			return fmt.Sprintf("the request from %s to %s would be judged otherwise: %s", r.Client, r.Requested, d)
		}
	}
	return ""
}

func ruleText(r *correlate.Incident) string {
	if r.Rule == nil {
		return ""
	}
	return r.Rule.Chain + " " + r.Rule.Text
}
