package decode

import "net/netip"

// IPSet is one set of the kernel's ipset subsystem, which rules of iptables refer
// to with -m set, by its number or its name.
type IPSet struct {
	Name     string
	Index    uint16 // by which rules in binary refer to it; valid iff Indexed
	Indexed  bool
	Type     string // "hash:ip,port": how elements are kept, and what they consist of
	Revision uint8
	Family   Family     // FamilyIPv4 or FamilyIPv6; 0 of sets without addresses
	Netmask  uint8      // that addresses are cut to before they are looked up; 0 for none
	Bitmask  netip.Addr // the same, as a mask; invalid for none
	MarkMask uint32     // the same, of marks; 0 for none
	Timeouts bool       // entries may go away by themselves
	// First and Last bound what a bitmap of addresses can hold; invalid of others.
	First, Last netip.Addr
	// FirstPort and LastPort bound what bitmap:port can hold; 0 of others.
	FirstPort, LastPort uint16
	Count               uint32 // entries, as the kernel counts them; 0 if it does not say
	Entries             []IPSetEntry
	Absent              bool // its entries were not in the dump, or could not be read
}

// Short reports whether the kernel counted more entries than there are, of a set
// whose entries do not go away by themselves.
func (s *IPSet) Short() bool { return !s.Timeouts && uint64(s.Count) > uint64(len(s.Entries)) }

// IPSetEntry is one entry of an IPSet. Which fields are valid is told by the
// set's type, unless said otherwise.
type IPSetEntry struct {
	Addr, Addr2 netip.Prefix // a whole address has all its bits
	Proto       Proto
	Port        uint16 // of ICMP and ICMPv6: type and code, a byte each
	MAC         [6]byte
	HasMAC      bool // of bitmap:ip,mac, where it may not be known yet
	Iface       string
	Physdev     bool // Iface is a port of a bridge
	Wildcard    bool // Iface is the beginning of names
	Mark        uint32
	Set         string // of list:set
	NoMatch     bool   // what it holds is not in the set, whatever less specific entry says
	Timeout     uint32 // seconds left when it was read; 0: it stays
	Comment     string
}
