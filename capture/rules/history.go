package rules

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	"dnatrace/capture"
)

// History turns what netfilter.Read returns into records and remembers what it recorded,
// so that a ruleset that did not change, counters included, is not written
// again. The zero value is ready; it is not safe for concurrent use.
type History struct {
	last map[key]Ruleset
}

type key struct{ netns, backend, table string }

// Records returns one record of KindRuleset for each set, read in the named
// namespace ("host" or a container's name) at time now (Unix ns) because of why
// ("start", "change", "end"). A set that was there before and is no longer gets
// a last record without data.
func (h *History) Records(netns string, now int64, why string, sets []Ruleset) ([]capture.Record, error) {
	var news []Ruleset
	for _, s := range sets {
		news = append(news, h.next(netns, why, s))
	}
	return encode(netns, now, append(news, h.gone(netns, why, sets)...))
}

// Changed returns one record for each of a part of the namespace's sets that is
// not as it was, see Records.
func (h *History) Changed(netns string, now int64, why string, part []Ruleset) ([]capture.Record, error) {
	var news []Ruleset
	for _, s := range part {
		if next := h.next(netns, why, s); !next.Same {
			news = append(news, next)
		}
	}
	return encode(netns, now, news)
}

func encode(netns string, now int64, news []Ruleset) ([]capture.Record, error) {
	records := make([]capture.Record, 0, len(news))
	for _, s := range news {
		data, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("encode %s rules: %w", s.Backend, err)
		}
		records = append(records, capture.Record{
			Time: now, Origin: capture.OriginRules, Kind: capture.KindRuleset, Netns: netns, Data: data,
		})
	}
	return records, nil
}

// gone forgets the namespace's sets that are not in sets, and returns them
// emptied, in order.
func (h *History) gone(netns, why string, sets []Ruleset) []Ruleset {
	var gone []Ruleset
	for k := range h.last {
		same := func(s Ruleset) bool { return s.Backend == k.backend && s.Table == k.table }
		if k.netns == netns && !slices.ContainsFunc(sets, same) {
			gone = append(gone, Ruleset{Backend: k.backend, Why: why, Table: k.table})
			delete(h.last, k)
		}
	}
	slices.SortFunc(gone, func(a, b Ruleset) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.Table, b.Table))
	})
	return gone
}

func (h *History) next(netns, why string, s Ruleset) Ruleset {
	if h.last == nil {
		h.last = map[key]Ruleset{}
	}
	k := key{netns, s.Backend, s.Table}
	prev, known := h.last[k]
	h.last[k] = s
	s.Why = why
	if known && s.equal(prev) {
		return Ruleset{Backend: s.Backend, Why: why, Table: s.Table, Same: true}
	}
	return s
}

func (s Ruleset) equal(o Ruleset) bool {
	return s.Torn == o.Torn && s.Error == o.Error && bytes.Equal(s.Data, o.Data)
}
