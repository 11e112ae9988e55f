package redact

import (
	"regexp"
	"strings"
)

// Lines of ipset save and ipset list. Names may hold anything, spaces too, and
// comments anything but quotes; nothing is escaped.
var (
	ipsetCreate  = regexp.MustCompile(`^create (.+?)( (?:bitmap|hash|list):\S+.*)$`)
	ipsetNamed   = regexp.MustCompile(`^Name: (.*)$`)
	ipsetTitle   = regexp.MustCompile(`^(Type|Revision|Header|Size in memory|References|Number of entries|Members):`)
	ipsetComment = regexp.MustCompile(`^(.*?) comment "(.*)$`)
	ipsetKept    = regexp.MustCompile(`^([a-z0-9-]+:)?([0-9]+|0x[0-9a-fA-F]+|[a-z-]+|[0-9]+/[0-9]+)$`)
)

// ipsetText rewrites what ipset prints.
func (r *Redactor) ipsetText(s string) string {
	var b strings.Builder
	names := map[string]bool{}
	for line := range strings.Lines(s) {
		l := strings.TrimRight(line, "\r\n")
		b.WriteString(r.ipsetLine(l, names) + line[len(l):])
	}
	return b.String()
}

func (r *Redactor) ipsetLine(l string, names map[string]bool) string {
	if m := ipsetCreate.FindStringSubmatch(l); m != nil {
		names[m[1]] = true
		return "create " + r.names.ruleName(m[1]) + r.ruleLine(m[2], nil)
	}
	if m := ipsetNamed.FindStringSubmatch(l); m != nil {
		return "Name: " + r.names.ruleName(m[1])
	}
	if ipsetTitle.MatchString(l) {
		return r.ruleLine(l, nil)
	}
	if rest, ok := strings.CutPrefix(l, "add "); ok {
		name := longestName(rest, names)
		return "add " + r.names.ruleName(name) + r.ipsetMember(rest[len(name):])
	}
	if strings.HasPrefix(l, "#") {
		return "#"
	}
	return r.ipsetMember(l)
}

// longestName is the name that a line begins with.
func longestName(l string, names map[string]bool) string {
	best, _, _ := strings.Cut(l, " ")
	for n := range names {
		if len(n) > len(best) && strings.HasPrefix(l, n+" ") {
			best = n
		}
	}
	return best
}

// ipsetMember rewrites an entry and what is beside it.
func (r *Redactor) ipsetMember(l string) string {
	comment := ""
	if m := ipsetComment.FindStringSubmatch(l); m != nil {
		text, after := m[2], ""
		if i := strings.LastIndexByte(text, '"'); i >= 0 {
			text, after = text[:i], text[i+1:]
		}
		l, comment = m[1], ` comment "`+r.names.comment(text)+`"`+r.ruleLine(after, nil)
	}
	trimmed := strings.TrimLeft(l, " \t")
	entry, beside, _ := strings.Cut(trimmed, " ")
	parts := strings.Split(entry, ",")
	for i := range parts {
		parts[i] = r.ipsetPart(parts[i], i > 0)
	}
	out := l[:len(l)-len(trimmed)] + strings.Join(parts, ",")
	if len(beside) > 0 || len(trimmed) > len(entry) {
		out += " " + r.ruleLine(beside, nil)
	}
	return out + comment
}

// ipsetPart rewrites a part of an entry: an address, a protocol with its port, a
// mark, an interface. What stands alone and is none of them is a name of a set.
func (r *Redactor) ipsetPart(w string, further bool) string {
	if to, ok := r.address(w); ok {
		return to
	}
	if port, ok := strings.CutPrefix(w, "physdev:"); ok {
		return "physdev:" + r.iface(port)
	}
	switch {
	case w == "" || w[0] >= '0' && w[0] <= '9' && ipsetKept.MatchString(w):
		return w
	case further && strings.Contains(w, ":") && ipsetKept.MatchString(w):
		return w
	case further:
		return r.iface(w)
	}
	return r.names.ruleName(w)
}
