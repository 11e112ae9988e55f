package ring

import (
	"bytes"
	"net"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// iface is what the ioctls say about an interface. They are asked of the packet
// socket itself, so they answer for its namespace whatever namespace the caller
// is in, and need no privilege. /sys would show another namespace.
type iface struct {
	index    int32
	name     string
	hatype   uint16 // ARPHRD_*
	mac      string
	loopback bool
	driver   string // as ethtool -i names it: "veth", "bridge", "vxlan", …; "" unknown
	network  bool   // has an IPv4 address with neighbours: not a /32
	gone     bool   // no longer there
}

// ifreq is struct ifreq (linux/if.h).
type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data [24]byte
}

func (q *ifreq) do(fd int, request uint) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(q)))
	if errno != 0 {
		return errno
	}
	return nil
}

func (q *ifreq) uint16() uint16 { return *(*uint16)(unsafe.Pointer(&q.data)) }

// nameOf returns the name of the interface with an index, "" if there is none.
func nameOf(fd int, index int32) string {
	var q ifreq
	*(*int32)(unsafe.Pointer(&q.data)) = index
	if q.do(fd, unix.SIOCGIFNAME) != nil {
		return ""
	}
	return unix.ByteSliceToString(q.name[:])
}

// describe asks everything about an interface. What cannot be told, because it
// is gone by now, stays zero.
func describe(fd int, index int32, name string) iface {
	f := iface{index: index, name: name}
	var q ifreq
	copy(q.name[:unix.IFNAMSIZ-1], name)
	if req := q; req.do(fd, unix.SIOCGIFHWADDR) == nil {
		f.hatype = req.uint16()
		f.mac = macOf(f.hatype, req.data[2:8])
	}
	if req := q; req.do(fd, unix.SIOCGIFFLAGS) == nil {
		f.loopback = req.uint16()&unix.IFF_LOOPBACK != 0
	}
	if req := q; req.do(fd, unix.SIOCGIFNETMASK) == nil {
		f.network = !bytes.Equal(req.data[4:8], []byte{255, 255, 255, 255})
	}
	if info, err := unix.IoctlGetEthtoolDrvinfo(fd, name); err == nil {
		f.driver = unix.ByteSliceToString(info.Driver[:])
	}
	return f
}

func macOf(hatype uint16, b []byte) string {
	if hatype != unix.ARPHRD_ETHER || bytes.Equal(b, make([]byte, 6)) {
		return ""
	}
	return net.HardwareAddr(b).String()
}

// role says what kind of place an interface of the host's namespace is.
//
// A veth is the host-side end of a container's pair, unless it is what the
// namespace reaches the outside by, as in a lab of namespaces: then it is named
// like a NIC or has a network of its own.
func (f iface) role() capture.Role {
	switch {
	case f.name == "":
		return capture.RoleOther
	case f.loopback:
		return capture.RoleLoopback
	case f.driver == "bridge", f.driver == "openvswitch":
		return capture.RoleBridge
	case f.driver == "veth" && !f.network && !named(f.name, "eth", "en"):
		return capture.RoleVeth
	case overlays[f.driver]:
		return capture.RoleOverlay
	case f.hatype != unix.ARPHRD_ETHER || f.driver == "dummy" || f.driver == "tun":
		return capture.RoleOther
	}
	return capture.RoleNIC
}

var overlays = map[string]bool{
	"vxlan": true, "geneve": true, "gre": true, "gretap": true, "ip6gre": true, "ip6gretap": true, "erspan": true,
	"ipip": true, "ip6tnl": true, "sit": true, "wireguard": true,
}

func named(name string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// framed reports whether frames of this hardware type start with an Ethernet
// header. All others are captured from their network header on, as raw IP:
// tunnels do not agree with themselves about what is in front of it.
func framed(hatype uint16) bool {
	return hatype == unix.ARPHRD_ETHER || hatype == unix.ARPHRD_LOOPBACK
}

// LINKTYPE_ numbers (www.tcpdump.org/linktypes.html).
const (
	linkEthernet = 1
	linkRaw      = 101
)

func linkOf(hatype uint16) uint16 {
	if framed(hatype) {
		return linkEthernet
	}
	return linkRaw
}

// Interfaces are looked for by index, because no ioctl lists those without an
// IPv4 address. The search starts from those with one and goes on until so many
// indexes in a row are unused; busy hosts number new veths far beyond old
// bridges.
const (
	gap      = 1 << 14
	newAhead = 64 // unused indexes looked at beyond the highest known one, later on
)

// list returns the interfaces of the socket's namespace.
func list(fd int) []iface {
	last := highestWithAddress(fd)
	var all []iface
	for i := int32(1); i <= last+gap; i++ {
		if name := nameOf(fd, i); name != "" {
			all = append(all, describe(fd, i, name))
			last = max(last, i)
		}
	}
	return all
}

// highestWithAddress returns the highest index of an interface that has an IPv4
// address, 0 if none has.
func highestWithAddress(fd int) int32 {
	reqs := make([]ifreq, 256)
	conf := struct {
		len int32
		buf unsafe.Pointer
	}{int32(len(reqs) * int(unsafe.Sizeof(ifreq{}))), unsafe.Pointer(&reqs[0])}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGIFCONF, uintptr(unsafe.Pointer(&conf))); errno != 0 {
		return 0
	}
	var highest int32
	for _, q := range reqs[:int(conf.len)/int(unsafe.Sizeof(ifreq{}))] {
		q.data = [24]byte{}
		if q.do(fd, unix.SIOCGIFINDEX) == nil {
			highest = max(highest, *(*int32)(unsafe.Pointer(&q.data)))
		}
	}
	return highest
}
