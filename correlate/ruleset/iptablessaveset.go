package ruleset

import (
	"strings"

	"dnatrace/decode"
)

// saveSet reads the options of the match set.
func saveSet(_ *saveRule, options []option) (decode.XTInfo, bool) {
	var i decode.XTSet
	var others []option
	for _, o := range options {
		switch o.name {
		case "--match-set", "--set":
			var ok bool
			if i.IPSetRef, ok = saveSetRef(o); !ok || i.Name == "" {
				return nil, false
			}
			i.Not = o.not
			continue
		case "--return-nomatch":
			i.ReturnNoMatch = true
		case "--update-counters", "--update-subcounters":
		case "--packets-eq", "--packets-lt", "--packets-gt", "--bytes-eq", "--bytes-lt", "--bytes-gt":
			i.Counted = true
		default:
			return nil, false
		}
		others = append(others, o)
	}
	i.Options = rawText(others)
	return i, i.Name != ""
}

// saveSetRef reads the name of a set and what is looked up in it.
func saveSetRef(o option) (r decode.IPSetRef, ok bool) {
	if len(o.values) != 2 {
		return r, false
	}
	r.Name = o.values[0]
	for _, end := range strings.Split(o.values[1], ",") {
		r.Dim++
		switch {
		case r.Dim > 6 || end != "src" && end != "dst":
			return r, false
		case end == "src":
			r.Src |= 1 << r.Dim
		}
	}
	return r, true
}

// saveSetTarget reads the options of the target SET.
func saveSetTarget(_ *saveRule, s segment) (decode.XTInfo, bool) {
	var i decode.XTSetTarget
	var others []option
	for _, o := range s.options {
		to := map[string]*decode.IPSetRef{"--add-set": &i.Add, "--del-set": &i.Del, "--map-set": &i.Map}[o.name]
		if to == nil {
			others = append(others, o)
			continue
		}
		var ok bool
		if *to, ok = saveSetRef(o); !ok {
			return nil, false
		}
	}
	i.Options = rawText(others)
	return i, len(s.options) > len(others)
}
