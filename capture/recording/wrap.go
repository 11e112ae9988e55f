package recording

import (
	"encoding/binary"
	"encoding/json"

	"dnatrace/capture"
)

// Link types (LINKTYPE_ registry).
const (
	linkEthernet = 1
	linkRaw      = 101
)

const etherHeader = 14 // bytes

// link settles the link type of a new point. libpcap, and with it tcpdump,
// refuses files whose interfaces differ in it: among Ethernet interfaces, those
// without a link layer (tun, WireGuard) are written with an Ethernet header of
// which only the type is set.
func (w *Writer) link(data []byte) []byte {
	var p capture.Point
	if json.Unmarshal(data, &p) != nil {
		return data
	}
	if int(p.ID) == len(w.wrapped) {
		w.wrapped = append(w.wrapped, p.Link == linkRaw && w.ethernet)
		w.ethernet = w.ethernet || p.Link == linkEthernet
	}
	if int(p.ID) >= len(w.wrapped) || !w.wrapped[p.ID] {
		return data
	}
	p.Link = linkEthernet
	out, err := json.Marshal(p)
	if err != nil {
		return data
	}
	return out
}

// wrap puts an Ethernet header in front of an IP packet. The result is valid
// until the next.
func (w *Writer) wrap(data []byte) []byte {
	w.framed = append(w.framed[:0], make([]byte, etherHeader)...)
	if len(data) > 0 {
		ether := map[byte]uint16{4: 0x0800, 6: 0x86dd}[data[0]>>4]
		binary.BigEndian.PutUint16(w.framed[12:], ether)
	}
	w.framed = append(w.framed, data...)
	return w.framed
}
