package correlate

import (
	"cmp"
	"fmt"
	"slices"

	"dnatrace/capture"
	"dnatrace/capture/rules"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// rulesKey tells the dumps of one namespace apart: one of each back end, of
// legacy tables one each.
type rulesKey struct{ netns, backend, table string }

// parsedRules is a set and the dumps that it was made of.
type parsedRules struct {
	from []*decode.Ruleset
	set  *ruleset.Set
}

// rulesWere keeps a back end's rules as they were at a time.
func (w *world) rulesWere(e *decode.Ruleset) {
	key := rulesKey{e.Netns, e.Backend, e.Table}
	v := version[decode.Ruleset]{e.Time, e.Size, e}
	if last := latest(w.rules[key]); e.Same && last != nil {
		v.value, v.size = last, 0
	}
	w.rules[key] = keep(w, w.rules[key], v)
}

// ruleset is the rules of a namespace at a time, of all back ends, or nil.
func (w *world) ruleset(netns string, at int64) *ruleset.Set {
	from := w.dumpsAt(netns, at)
	for _, p := range w.parsed {
		if slices.Equal(p.from, from) {
			return p.set
		}
	}
	const most = 16 // parsed sets are large, and made again in a millisecond
	if len(w.parsed) >= most {
		w.parsed = w.parsed[:0]
	}
	var set *ruleset.Set
	if len(from) > 0 {
		dumps := make([]rules.Ruleset, len(from))
		for i, d := range from {
			dumps[i] = d.Ruleset
		}
		set, _ = ruleset.Parse(dumps) // what cannot be parsed makes what it says uncertain
	}
	w.parsed = append(w.parsed, parsedRules{from, set})
	return set
}

// dumpsAt are the latest dumps of a namespace, with anything in them, in an order
// that is always the same. Of sets, of whose changes no message tells, the next
// one that was read follows.
func (w *world) dumpsAt(netns string, at int64) []*decode.Ruleset {
	var from []*decode.Ruleset
	for k, versions := range w.rules {
		v := before(versions, at)
		if k.netns != netns || v == nil || len(v.value.Data) == 0 && v.value.Error == "" {
			continue
		}
		from = append(from, v.value)
		if next := after(versions, at); next != nil && rules.Sets(k.backend) && next.value != v.value {
			from = append(from, next.value)
		}
	}
	slices.SortFunc(from, func(a, b *decode.Ruleset) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.Table, b.Table), cmp.Compare(a.Time, b.Time))
	})
	return from
}

// hasRules reports whether any rules are in force in a namespace, as far as
// they were read.
func (w *world) hasRules(netns string) bool {
	for k := range w.rules {
		if last := latest(w.rules[k]); k.netns == netns && len(last.Data) > 0 && !rules.Sets(k.backend) {
			return true
		}
	}
	return false
}

// rulesLack says why the rules of a namespace cannot tell what becomes of packets
// of a family at a time: they were not given. "" if they can, be it that there are
// none.
func (w *world) rulesLack(netns string, family int, at int64) string {
	what := fmt.Sprintf("the rules of %s (IPv%d) are not in evidence", namespaceWords(netns), family)
	src := w.sources[capture.OriginRules]
	switch {
	case src != nil && src.State == capture.SourceFailed && src.Time <= at:
		return what + ": " + src.Why
	case w.rulesGiven(netns, family):
		return ""
	case src != nil && src.State == capture.SourceOK && src.Why != capture.FromDumps && w.host(netns) != nil:
		return "" // they were asked for, and there are none
	case src != nil && src.State != capture.SourceOK && src.Why != "":
		return what + ": " + src.Why
	}
	return what
}

// rulesGiven reports whether rules of a namespace and family were read. What a
// kernel was asked for is of all families, what a tool printed is of its own.
func (w *world) rulesGiven(netns string, family int) bool {
	for k := range w.rules {
		last := latest(w.rules[k])
		if k.netns != netns || rules.Sets(k.backend) {
			continue
		}
		of, one := rules.FamilyOf(k.backend)
		if !one || of == family || !last.Undated {
			return true
		}
	}
	return false
}

func namespaceWords(netns string) string {
	if netns == capture.HostNetns {
		return "the host"
	}
	return netns
}
