package ruleset

import (
	"bytes"
	"slices"

	"dnatrace/decode"
)

// interval is an element of a set as a span of keys, both ends included.
type interval struct {
	from, to []byte
	element  *decode.Element
}

// intervals returns a set's elements in the order of their keys, catch-all last.
func intervals(set *decode.NamedSet) []interval {
	var list []interval
	if set.Flags&decode.SetInterval != 0 && set.Flags&decode.SetConcat == 0 {
		list = spans(set)
	} else {
		for i := range set.Elements {
			e := &set.Elements[i]
			to := e.Key
			if e.KeyEnd != nil {
				to = e.KeyEnd
			}
			list = append(list, interval{e.Key, to, e})
		}
	}
	slices.SortStableFunc(list, func(a, b interval) int {
		if a.element.CatchAll != b.element.CatchAll {
			if a.element.CatchAll {
				return 1
			}
			return -1
		}
		return bytes.Compare(a.from, b.from)
	})
	return list
}

// spans joins the elements that begin intervals with those that end them.
func spans(set *decode.NamedSet) []interval {
	sorted := make([]*decode.Element, 0, len(set.Elements))
	var list []interval
	for i := range set.Elements {
		e := &set.Elements[i]
		if e.CatchAll {
			list = append(list, interval{element: e})
			continue
		}
		sorted = append(sorted, e)
	}
	slices.SortStableFunc(sorted, func(a, b *decode.Element) int {
		if c := bytes.Compare(a.Key, b.Key); c != 0 {
			return c
		}
		if a.End == b.End {
			return 0
		}
		if a.End { // one ends where the next begins
			return -1
		}
		return 1
	})
	for i, e := range sorted {
		if e.End {
			continue
		}
		to := bytes.Repeat([]byte{0xff}, len(e.Key))
		if i+1 < len(sorted) {
			to = minusOne(sorted[i+1].Key)
		}
		list = append(list, interval{e.Key, to, e})
	}
	return list
}

// minusOne is the key before k.
func minusOne(k []byte) []byte {
	k = slices.Clone(k)
	for i := len(k) - 1; i >= 0; i-- {
		k[i]--
		if k[i] != 0xff {
			break
		}
	}
	return k
}

// find returns the element that holds key: 16-byte-aligned parts as they are in
// registers.
func find(set *decode.NamedSet, key []byte) *decode.Element {
	var catchAll *decode.Element
	for _, iv := range intervals(set) {
		if iv.element.CatchAll {
			catchAll = iv.element
			continue
		}
		if holds(set, iv, key) {
			return iv.element
		}
	}
	return catchAll
}

func holds(set *decode.NamedSet, iv interval, key []byte) bool {
	if len(iv.from) != len(key) || len(iv.to) != len(key) {
		return false
	}
	if set.Flags&decode.SetInterval == 0 {
		return bytes.Equal(iv.from, key)
	}
	at := 0
	for _, n := range set.FieldLens {
		end := min(at+n, len(key))
		if bytes.Compare(key[at:end], iv.from[at:end]) < 0 || bytes.Compare(key[at:end], iv.to[at:end]) > 0 {
			return false
		}
		at = min(at+words(n)*4, len(key))
	}
	if len(set.FieldLens) > 0 {
		return true
	}
	return bytes.Compare(key, iv.from) >= 0 && bytes.Compare(key, iv.to) <= 0
}
