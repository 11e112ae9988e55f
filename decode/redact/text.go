package redact

import (
	"encoding/hex"
	"net/netip"
	"regexp"
	"strings"
)

// tokens are the parts of a text that are looked at, each as a whole: quoted
// strings last, in which the same is looked for.
var tokens = regexp.MustCompile(`[0-9A-Za-z_\x80-\xff][0-9A-Za-z_.:/@%+\-\x80-\xff]*|::[0-9A-Fa-f:.]*(/\d+)?|/[0-9A-Za-z_.:/@%+\-\x80-\xff]+`)

// phrases are kept in texts, as verdicts rest on them, or people's searches.
var phrases = []string{
	"port is already allocated", "address already in use", "driver failed programming external connectivity on endpoint",
	"failed to set up container networking", "failed to bind host port for", "failed to bind host port", "Bind for",
	"No chain/target/match by that name",
	"/var/run/docker.sock", "/run/docker.sock", "iptables", "nftables", "userland proxy",
}

// text maps a sentence: addresses, ids and names in it, and whatever is no plain
// word.
func (r *Redactor) text(s string) string {
	var b strings.Builder
	for s != "" {
		at, phrase := len(s), ""
		for _, p := range phrases {
			if i := strings.Index(s, p); i >= 0 && i < at {
				at, phrase = i, p
			}
		}
		b.WriteString(tokens.ReplaceAllStringFunc(s[:at], r.token))
		b.WriteString(phrase)
		s = s[at+len(phrase):]
	}
	return b.String()
}

// token maps one token of a sentence.
func (r *Redactor) token(s string) string {
	if to, ok := r.address(s); ok {
		return to
	}
	core := strings.TrimRight(s, ":,.")
	tail := s[len(core):]
	switch {
	case r.names.kept[core]:
		return s
	case r.names.ifaces[core]:
		return r.iface(core) + tail
	case r.names.learned[core]:
		return r.names.name(core) + tail
	case textWords[core], aTextNumber.MatchString(core), aPath.MatchString(core):
		return s
	}
	if parts := isWord.FindAllString(core, -1); len(parts) > 1 && !strings.ContainsAny(core, "/@%+") && r.allPlain(parts) {
		return s
	}
	return r.names.name(core) + tail
}

// allPlain reports whether the words of a compound may stay.
func (r *Redactor) allPlain(words []string) bool {
	for _, w := range words {
		if !textWords[w] || r.names.learned[w] {
			return false
		}
	}
	return true
}

// address maps what is an address, a prefix, an address and a port, a range of
// addresses, or a MAC address; false for anything else.
func (r *Redactor) address(s string) (string, bool) {
	core := strings.TrimRight(s, ",.")
	tail := s[len(core):]
	if !strings.ContainsAny(core, ".:") {
		return "", false
	}
	if a, err := netip.ParseAddr(core); err == nil {
		return r.addr(a).String() + tail, true
	}
	if p, err := netip.ParsePrefix(core); err == nil {
		return r.prefix(p).String() + tail, true
	}
	if ap, err := netip.ParseAddrPort(core); err == nil {
		return netip.AddrPortFrom(r.addr(ap.Addr()), ap.Port()).String() + tail, true
	}
	if to := r.macText(core); to != "" {
		return to + tail, true
	}
	return r.addresses(core, tail)
}

// addresses maps a range, an address and its mask, or an address and what
// follows it.
func (r *Redactor) addresses(core, tail string) (string, bool) {
	for _, sep := range []string{"-", "/", ":"} {
		from, to, ok := strings.Cut(core, sep)
		if !ok {
			continue
		}
		a, err := netip.ParseAddr(from)
		if err != nil {
			continue
		}
		switch b, err := netip.ParseAddr(to); {
		case err == nil && sep == "-":
			return r.addr(a).String() + sep + r.addr(b).String() + tail, true
		case err == nil && sep == "/":
			return r.masked(a, b).String() + sep + to + tail, true
		case sep == "-":
			continue
		}
		return r.addr(a).String() + sep + to + tail, true
	}
	return "", false
}

// masked maps an address and takes out what its mask does.
func (r *Redactor) masked(a, mask netip.Addr) netip.Addr {
	to, m := r.addr(a).AsSlice(), mask.AsSlice()
	for i := range min(len(to), len(m)) {
		to[i] &= m[i]
	}
	out, _ := netip.AddrFromSlice(to)
	return out
}

// macText maps a MAC address as text; "" if it is none.
func (r *Redactor) macText(s string) string {
	mac, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(mac) != 6 || len(s) != 17 {
		return ""
	}
	r.mac(mac)
	text := hex.EncodeToString(mac)
	for i := 10; i > 0; i -= 2 {
		text = text[:i] + ":" + text[i:]
	}
	return text
}
