package conntrack

import (
	"fmt"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/multicast"
	"dnatrace/capture/netns"
)

// Netlink groups and messages of ctnetlink (linux/netfilter/nfnetlink_compat.h,
// nfnetlink_conntrack.h).
const (
	groupNew     = 1
	groupDestroy = 3

	getConntrack = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1 // IPCTNL_MSG_CT_GET
)

// receiveBuffer holds about 20,000 events, for when this process is not given
// the CPU for a while.
const receiveBuffer = 16 << 20

// Listen opens a socket in the calling thread's namespace that hears of new and
// ended connections. Changes of state, three of five events of a short
// connection, are left out: packets tell them better. It needs CAP_NET_ADMIN
// there.
func Listen() (*os.File, error) {
	f, err := multicast.Join(unix.NETLINK_NETFILTER, receiveBuffer, groupNew, groupDestroy)
	if err != nil {
		return nil, fmt.Errorf("listen for conntrack events: %w", err)
	}
	return f, nil
}

// Dump returns the connections tracked in the namespace at path, IPv4 and IPv6,
// as raw netlink messages (nlmsghdr and payload, host byte order in the header),
// one after the other. It needs CAP_NET_ADMIN there.
func Dump(path string) ([]byte, error) {
	var raw []byte
	err := netns.Do(path, func() (err error) {
		raw, err = dump()
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dump conntrack: %w", err)
	}
	return raw, nil
}

func dump() ([]byte, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	_, err = c.Send(netlink.Message{
		Header: netlink.Header{Type: getConntrack, Flags: netlink.Request | netlink.Dump},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0}, // nfgenmsg
	})
	if err != nil {
		return nil, err
	}
	var raw []byte
	for m, err := range c.ReceiveIter() {
		if err != nil {
			return nil, err
		}
		b, err := m.MarshalBinary()
		if err != nil {
			return nil, err
		}
		raw = append(raw, b...)
	}
	return raw, nil
}
