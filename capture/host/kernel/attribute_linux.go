package kernel

import (
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// attributes reads a list of netlink attributes, their types without flags; nil
// if it is cut or malformed. (The parser of vishvananda/netlink panics on a cut
// last attribute.)
func attributes(b []byte) []netlink.Attribute {
	list, err := netlink.UnmarshalAttributes(b)
	if err != nil {
		return nil
	}
	for i := range list {
		list[i].Type &^= unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
	}
	return list
}
