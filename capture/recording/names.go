package recording

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
)

// Name is what an address is called in the tools that show a recording.
type Name struct {
	Addr netip.Addr
	Name string
}

// maxNames bounds the addresses that names are kept of.
const maxNames = 1 << 16

// names are those of containers and of the host's interfaces, as the evidence
// that goes by tells them.
type names struct{ known map[netip.Addr]string }

// learn returns what a record newly says that addresses are called, in order of
// address: containers by their name, the host's own by "host-" and the
// interface. None are when too many are known.
func (n *names) learn(r capture.Record) []Name {
	var said []Name
	switch {
	case r.Kind == capture.KindSnapshot:
		said = containers(r.Data)
	case r.Kind == capture.KindSample && r.Netns == capture.HostNetns:
		said = interfaces(r.Data)
	}
	said = slices.DeleteFunc(said, func(s Name) bool { return !s.Addr.IsValid() || s.Name == "" || n.known[s.Addr] == s.Name })
	if n.known == nil {
		n.known = map[netip.Addr]string{}
	}
	if len(n.known)+len(said) > maxNames {
		return nil
	}
	for _, s := range said {
		n.known[s.Addr] = s.Name
	}
	slices.SortFunc(said, func(a, b Name) int { return cmp.Or(a.Addr.Compare(b.Addr), strings.Compare(a.Name, b.Name)) })
	return slices.Compact(said)
}

func containers(data []byte) (out []Name) {
	var s engine.Snapshot
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	for _, c := range s.Containers {
		for _, e := range c.Endpoints {
			out = append(out, Name{e.IPv4, hostName(c.Name)}, Name{e.IPv6, hostName(c.Name)})
		}
	}
	return out
}

func interfaces(data []byte) (out []Name) {
	var s host.Sample
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	for _, a := range s.Addrs {
		if l := s.Link(a.Link); l != nil && !l.Loopback {
			out = append(out, Name{a.Prefix.Addr(), hostName("host-" + l.Name)})
		}
	}
	return out
}

// hostName makes a name one that any tool takes for a host's (RFC 952, and the
// underscores of compose).
func hostName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.', r == '_':
			return r
		}
		return '-'
	}, s)
	return s[:min(len(s), 63)]
}

// Types of the records of a name resolution block (pcapng §4.5).
const (
	nameIPv4 = 1
	nameIPv6 = 2
)

// appendNames appends name resolution blocks, none for no names. Wireshark takes
// such a block anywhere.
func appendNames(b []byte, names []Name) []byte {
	for part := range slices.Chunk(names, 1000) {
		b = appendBlock(b, blockNames, func(b []byte) []byte {
			for _, n := range part {
				b = appendName(b, n)
			}
			return append(b, 0, 0, 0, 0) // end of the names; options follow
		})
	}
	return b
}

func appendName(b []byte, n Name) []byte {
	typ, addr := uint16(nameIPv4), n.Addr.Unmap().AsSlice()
	if len(addr) == 16 {
		typ = nameIPv6
	}
	size := len(addr) + len(n.Name) + 1
	b = binary.LittleEndian.AppendUint16(b, typ)
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	b = append(append(append(b, addr...), n.Name...), 0)
	return append(b, "\x00\x00\x00"[:pad4(size)-size]...)
}
