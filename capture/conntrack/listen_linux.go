package conntrack

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/mdlayher/netlink"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/multicast"
	"dnatrace/capture/netns"
	"dnatrace/capture/ring"
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

// Listen opens a socket in the calling thread's namespace that hears of new
// connections and, where ends is set, of ended ones. Changes of state, three of
// five events of a short connection, are left out: packets tell them better. It
// needs CAP_NET_ADMIN there.
func Listen(ends bool) (*os.File, error) {
	groups := []int{groupNew}
	if ends {
		groups = append(groups, groupDestroy)
	}
	f, err := multicast.Listen(unix.NETLINK_NETFILTER, receiveBuffer, groups...)
	if err != nil {
		return nil, fmt.Errorf("listen for conntrack events: %w", err)
	}
	return f, nil
}

// Filter has the socket f, from Listen, hear only what prog passes, a program of
// ring.BuildEvents; nil lets everything pass. The kernel puts nothing aside in
// f's queue, and wakes nobody, for what does not pass. It replaces an earlier
// filter and needs no privilege.
func Filter(f *os.File, prog []bpf.RawInstruction) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return fmt.Errorf("filter conntrack events: %w", err)
	}
	var failed error
	err = conn.Control(func(fd uintptr) { failed = attach(int(fd), prog) })
	if err := errors.Join(err, failed); err != nil {
		return fmt.Errorf("filter conntrack events: %w", err)
	}
	return nil
}

func attach(fd int, prog []bpf.RawInstruction) error {
	if len(prog) == 0 {
		err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
		if err == unix.ENOENT {
			return nil // there was none
		}
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog)
}

// Dump returns the wanted connections tracked in the namespace at path, IPv4 and
// IPv6, as raw netlink messages (nlmsghdr and payload, host byte order in the
// header), one after the other. Wanted are those whose events a program of
// ring.BuildEvents passes: a busy host has a million others. It needs
// CAP_NET_ADMIN there.
func Dump(path string, w ring.Want) ([]byte, error) {
	var raw []byte
	err := netns.Do(path, func() (err error) {
		raw, err = dump(newSelection(w))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dump conntrack: %w", err)
	}
	return raw, nil
}

func dump(s selection) ([]byte, error) {
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
		if !s.wants(m.Data) {
			continue
		}
		b, err := m.MarshalBinary()
		if err != nil {
			return nil, err
		}
		raw = append(raw, b...)
	}
	return raw, nil
}
