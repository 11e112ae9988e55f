package decode

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
)

// Unread counts frames of one point that may carry what requests are made of,
// and are not decoded.
type Unread struct {
	Point   uint16 // capture.Point.ID
	What    string // of which link type, or tunnel
	Packets int
}

type unreadKey struct {
	point uint16
	what  string
}

// skip counts a frame that is not decoded.
func (d *Decoder) skip(p *Packet, what string) {
	if d.unread == nil {
		d.unread = map[unreadKey]int{}
	}
	d.unread[unreadKey{p.Point, what}]++
}

// Unread are the frames that were not decoded since the last call, in order; nil
// for none.
func (d *Decoder) Unread() []Unread {
	if len(d.unread) == 0 {
		return nil
	}
	keys := slices.SortedFunc(maps.Keys(d.unread), func(a, b unreadKey) int {
		return cmp.Or(cmp.Compare(a.point, b.point), cmp.Compare(a.what, b.what))
	})
	out := make([]Unread, 0, len(keys))
	for _, k := range keys {
		out = append(out, Unread{k.point, k.what, d.unread[k]})
	}
	clear(d.unread)
	return out
}

// linkNames are link types that are not decoded, as tcpdump names them.
var linkNames = map[uint16]string{
	3: "AX25", 6: "IEEE802", 7: "ARCNET", 107: "FRELAY",
	143: "DOCSIS", 187: "BLUETOOTH_HCI_H4", 189: "USB_LINUX",
	195: "IEEE802_15_4", 201: "BLUETOOTH_HCI_H4_WITH_PHDR", 220: "USB_LINUX_MMAPPED", 226: "IPNET",
	227: "CAN_SOCKETCAN", 247: "INFINIBAND", 249: "USBPCAP", 252: "WIRESHARK_UPPER_PDU", 253: "NETLINK", 271: "VSOCK",
	285: "DSA_TAG_DSA",
}

func linkName(link uint16) string {
	if name := linkNames[link]; name != "" {
		return fmt.Sprintf("link type %d (%s)", link, name)
	}
	return fmt.Sprintf("link type %d", link)
}

// tunnels are IP protocols that carry other packets (IANA's numbers). AH is
// walked over with IPv6 only.
var tunnels = map[Proto]string{
	4: "IP in IP", 41: "IPv6 in IP", 47: "GRE", 50: "ESP, which is encrypted", 51: "AH", 94: "IPIP", 97: "EtherIP",
	98: "ENCAP", 108: "IPComp", 115: "L2TP", 137: "MPLS in IP",
}

// carriers are EtherTypes behind which there may be IP, and which are not
// decoded.
var carriers = map[uint16]string{
	0x22f3: "TRILL", 0x4305: "batman-adv", 0x88e5: "MACsec", 0x88e7: "provider backbone bridging", 0x892f: "HSR", 0x894f: "NSH",
	etherVLAN: "more VLAN tags than four", etherQinQ: "more VLAN tags than four", etherQOld: "more VLAN tags than four",
}
