package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
)

// names maps names, word by word, so that a project's name in that of its
// container is the same word in both.
type names struct {
	key     []byte
	made    map[string]string // pseudonym by word
	learned map[string]bool   // words of names, to be found in texts
	ifaces  map[string]bool   // names of interfaces, likewise
	kept    map[string]bool   // words that are to stay
	sealed  bool
}

func newNames(key []byte) *names {
	return &names{key: derive(key, "names"), made: map[string]string{}, learned: map[string]bool{}, ifaces: map[string]bool{}, kept: map[string]bool{}}
}

func (n *names) seal() {
	n.sealed = true
	clear(n.made)
}

// fixed are names and words that say nothing about whose they are.
var fixed = map[string]bool{
	"": true, "host": true, "bridge": true, "none": true, "default": true, "ingress": true,
	"docker_gwbridge": true, "nat": true, "null": true, "sha256": true, "latest": true,
	"container": true, "network": true, "service": true,
}

// keptProcesses are programs that requests are judged by, or that every host of
// containers runs.
var keptProcesses = map[string]bool{
	"docker-proxy": true, "dnatrace": true, "dockerd": true, "containerd": true, "systemd": true, "systemd-resolve": true, "sshd": true,
}

var (
	isWord = regexp.MustCompile(`[A-Za-z0-9\x80-\xff]+`)
	isHex  = regexp.MustCompile(`^[0-9a-f]{10,}$`)
	isNum  = regexp.MustCompile(`^[0-9]{1,5}$`)
)

// learn notes the words of a name.
func (n *names) learn(name string) {
	if fixed[name] || n.kept[name] {
		return
	}
	for _, w := range isWord.FindAllString(name, -1) {
		if !fixed[w] && !n.kept[w] && !isNum.MatchString(w) && !isHex.MatchString(w) {
			n.learned[w] = true
		}
	}
}

// name maps a name. Short numbers, and what stands between words, stay.
func (n *names) name(s string) string {
	if fixed[s] || n.kept[s] {
		return s
	}
	return isWord.ReplaceAllStringFunc(s, n.word)
}

// word maps one word to one that can be said.
func (n *names) word(w string) string {
	switch {
	case fixed[w], n.kept[w], isNum.MatchString(w):
		return w
	case isHex.MatchString(w):
		return n.hex(w)
	}
	if to, ok := n.made[w]; ok {
		return to
	}
	to := n.pronounceable(w, 0)
	for i := byte(1); n.sealed && i < 32 && n.holdsLearned(to); i++ {
		to = n.pronounceable(w, i)
	}
	n.made[w] = to
	return to
}

const (
	consonants = "bdfgjklmnprstvz"
	vowels     = "aeiou"
)

func (n *names) pronounceable(w string, try byte) string {
	sum := n.sum("word", w, try)
	var b strings.Builder
	for i := range 5 {
		b.WriteByte(consonants[int(binary.BigEndian.Uint16(sum[4*i:]))%len(consonants)])
		b.WriteByte(vowels[int(sum[4*i+2])%len(vowels)])
	}
	return b.String()
}

// holdsLearned reports whether a pseudonym happens to hold a name that is to go.
func (n *names) holdsLearned(s string) bool {
	for i := range s { // s is short, and there may be tens of thousands of names
		for j := i + 2; j <= len(s); j++ {
			if n.learned[s[i:j]] {
				return true
			}
		}
	}
	return false
}

func (n *names) sum(label, s string, try byte) []byte {
	h := hmac.New(sha256.New, n.key)
	h.Write([]byte(label))
	h.Write([]byte{0, try})
	h.Write([]byte(s))
	return h.Sum(nil)
}

// netns maps the name of a namespace.
func (n *names) netns(s string) string { return n.name(s) }

// process maps the name of a program.
func (n *names) process(s string) string {
	if keptProcesses[s] || n.kept[s] {
		return s
	}
	return n.name(s)
}

// action maps what the engine says was done: commands that were run inside are
// left out.
func (n *names) action(s string) string {
	if slices.Contains(eventActions, s) {
		return s
	}
	verb, _, _ := strings.Cut(s, ":")
	if slices.Contains(eventActions, verb) {
		return verb
	}
	return n.name(s)
}

// hex maps an id. Two ids share as many leading digits afterwards as before, so
// that the beginning of an id still is one.
func (n *names) hex(s string) string {
	return n.each("hex", s, func(c byte) string {
		switch {
		case c >= '0' && c <= '9', c >= 'a' && c <= 'f':
			return "0123456789abcdef"
		}
		return ""
	})
}

// chars maps a text to one of the same length, letters to letters and digits to
// digits. Two texts share as many leading characters afterwards as before.
func (n *names) chars(s string) string {
	to := []byte(n.mapped(s))
	for _, at := range isWord.FindAllStringIndex(s, -1) {
		if n.kept[s[at[0]:at[1]]] {
			copy(to[at[0]:at[1]], s[at[0]:at[1]])
		}
	}
	return string(to)
}

func (n *names) mapped(s string) string {
	return n.each("chars", s, func(c byte) string {
		switch {
		case c >= 'a' && c <= 'z':
			return "abcdefghijklmnopqrstuvwxyz"
		case c >= 'A' && c <= 'Z':
			return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		case c >= '0' && c <= '9':
			return "0123456789"
		case c >= 0x80:
			return "xyz"
		}
		return ""
	})
}

// each replaces each character by one of its kind, in an order that depends on
// what is before it.
func (n *names) each(label, s string, kind func(byte) string) string {
	out := []byte(s)
	for i := range out {
		of := kind(s[i])
		if of == "" {
			continue
		}
		sum := n.sum(label, s[:i], of[0])
		out[i] = permuted(of, sum, s[i])
	}
	return string(out)
}

// permuted shuffles of by sum and returns what came to where c was. What is not
// in of becomes one of it.
func permuted(of string, sum []byte, c byte) byte {
	at := strings.IndexByte(of, c)
	if at < 0 {
		return of[int(sum[0])%len(of)]
	}
	b := []byte(of)
	for i := len(b) - 1; i > 0; i-- {
		j := int(sum[i%len(sum)]^byte(i)*37) % (i + 1)
		b[i], b[j] = b[j], b[i]
	}
	return b[at]
}
