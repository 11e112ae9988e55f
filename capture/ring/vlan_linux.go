package ring

import "golang.org/x/sys/unix"

const (
	vlanTagLen = 4
	macsLen    = 12 // destination and source, in front of the tag
)

// extent returns where a frame lies in its block, its length there and on the
// wire. The VLAN tag the kernel took out is put back in place: the addresses
// move into the room in front of the frame. Frames without an Ethernet header
// start at their network header.
func (b block) extent(f frame, off uint32, ethernet bool) (start, length, orig uint32) {
	start, length, orig = off+uint32(f.Mac), f.Snaplen, f.Len
	if !ethernet {
		skip := min(uint32(max(f.Net, f.Mac)-f.Mac), length, orig)
		return start + skip, length - skip, orig - skip
	}
	if !f.tagged() || length < macsLen || uint32(f.Mac) < sllOffset+unix.SizeofSockaddrLinklayer+vlanTagLen {
		return start, length, orig
	}
	tag := f.tag()
	start -= vlanTagLen
	copy(b[start:], b[start+vlanTagLen:start+vlanTagLen+macsLen])
	copy(b[start+macsLen:], tag[:])
	return start, length + vlanTagLen, orig + vlanTagLen
}
