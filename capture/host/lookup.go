package host

import (
	"net/netip"
	"slices"
)

// Link is the interface with an index, nil if there is none. Index 0 is none.
func (s *State) Link(index int) *Link {
	if index == 0 {
		return nil
	}
	return s.find(func(l Link) bool { return l.Index == index })
}

// LinkName is the name of the interface with an index, "" if there is none.
func (s *State) LinkName(index int) string {
	if l := s.Link(index); l != nil {
		return l.Name
	}
	return ""
}

// LinkNamed is the interface of a name, nil if there is none.
func (s *State) LinkNamed(name string) *Link {
	return s.find(func(l Link) bool { return l.Name == name })
}

// LinkWith names the interface that has an address, "" if none has it.
func (s *State) LinkWith(ip netip.Addr) string {
	for _, a := range s.Addrs {
		if a.Prefix.Addr().Unmap() == ip {
			return s.LinkName(a.Link)
		}
	}
	return ""
}

// Addresses are those of all interfaces.
func (s *State) Addresses() []netip.Addr {
	out := make([]netip.Addr, 0, len(s.Addrs))
	for _, a := range s.Addrs {
		out = append(out, a.Prefix.Addr().Unmap())
	}
	return out
}

func (s *State) find(is func(Link) bool) *Link {
	if i := slices.IndexFunc(s.Links, is); i >= 0 {
		return &s.Links[i]
	}
	return nil
}
