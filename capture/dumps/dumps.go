// Package dumps reads what people save beside a capture: docker inspect, docker
// network inspect, iptables-save, ipset save and ipset list, nft list ruleset,
// conntrack -L, ip -j, sysctl and ss -lnp. It knows each by its content and turns it into the words of
// capture/engine, capture/host and capture/rules.
//
// A dump has no time and no before and after: what comes from one is marked
// undated, and nothing is proven by it. Of docker inspect, neither environment
// variables nor labels other than compose's leave the package.
//
// The package reads bytes that it is given and opens nothing. It must not import
// decode, correlate or cmd.
package dumps

import (
	"bytes"
	"errors"
	"fmt"
)

// Kind is the command that prints such a dump.
type Kind string

// The kinds of dumps. Of IPDump and Inspect, what it is about is told by each
// of its objects.
const (
	Empty     Kind = "an empty file"
	Inspect   Kind = "docker inspect"
	IPDump    Kind = "ip -j"
	IPTables  Kind = "iptables-save"
	IPSet     Kind = "ipset save"
	NFTText   Kind = "nft list ruleset"
	NFTJSON   Kind = "nft -j list ruleset"
	Conntrack Kind = "conntrack -L"
	Sysctl    Kind = "sysctl"
	Sockets   Kind = "ss -lnp"
)

// MaxSize is the most bytes a dump may have.
const MaxSize = 64 << 20

// ErrUnknown is wrapped by errors about what is no dump of a known kind.
var ErrUnknown = errors.New("neither a capture nor a dump that is known here")

// textKinds are told by their lines. The first that matches counts.
var textKinds = []struct {
	kind Kind
	is   func(line []byte) bool
}{
	{IPTables, isIPTables},
	{IPSet, isIPSet},
	{NFTText, isNFT},
	{Conntrack, isConntrack},
	{Sockets, isSocket},
	{Sysctl, isSysctl},
}

// Recognise tells the kind of a dump by its content; "" is none of them.
func Recognise(b []byte) Kind {
	b = trimmed(b)
	if len(b) == 0 {
		return Empty
	}
	if b[0] == '[' || b[0] == '{' {
		return recogniseJSON(b)
	}
	const most = 64 // lines of other things, such as warnings, before the dump
	for i, line := range lines(b) {
		if i == most {
			break
		}
		for _, t := range textKinds {
			if t.is(line) {
				return t.kind
			}
		}
	}
	return ""
}

// trimmed leaves out a byte order mark and white space around b.
func trimmed(b []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
}

// lines ranges over the lines of b that are not blank, without what ends them.
func lines(b []byte) func(func(int, []byte) bool) {
	return func(yield func(int, []byte) bool) {
		n := 0
		for len(b) > 0 {
			line, rest, _ := bytes.Cut(b, []byte{'\n'})
			b = rest
			if line = bytes.TrimRight(line, " \t\r"); len(line) == 0 {
				continue
			}
			if !yield(n, line) {
				return
			}
			n++
		}
	}
}

// Add reads a dump of a namespace; netns is "" where it is not known, which
// means the host's unless the content says otherwise. With an error, what could
// be read is kept. An error that wraps ErrUnknown says that it is no dump.
func (s *Set) Add(netns string, b []byte) (Kind, error) {
	kind := Recognise(b)
	if len(b) > MaxSize {
		return kind, fmt.Errorf("read %s: %d bytes are more than %d", kind, len(b), MaxSize)
	}
	b = trimmed(b)
	var err error
	switch kind {
	case Empty:
	case Inspect, IPDump:
		err = s.json(netns, b)
	case IPTables, IPSet, NFTText:
		s.rules(netns, kind, b)
	case NFTJSON:
		err = errors.New("only the text of nft list ruleset is read, without -j")
	case Conntrack:
		s.place(netns).conntrack = append(s.place(netns).conntrack, b)
	case Sysctl:
		s.sysctl(netns, b)
	case Sockets:
		err = s.sockets(netns, b)
	default:
		return "", ErrUnknown
	}
	if err != nil {
		return kind, fmt.Errorf("read %s: %w", kind, err)
	}
	return kind, nil
}
