package multicast

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Join opens a netlink socket of the given family (unix.NETLINK_*) in the
// calling thread's namespace and joins the groups, by number. The receive
// buffer is set to size bytes, beyond the system's limit where privilege
// allows. Overruns are reported by the socket as ENOBUFS, once each.
func Join(family, size int, groups ...int) (*os.File, error) {
	return join(family, unix.SOCK_NONBLOCK, size, groups)
}

// Listen is Join for a reader that looks at its socket from time to time, with
// MSG_DONTWAIT: the arrival of a message wakes nobody.
func Listen(family, size int, groups ...int) (*os.File, error) {
	return join(family, 0, size, groups) // what blocks, the runtime does not poll
}

func join(family, flags, size int, groups []int) (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|flags, family)
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	f := os.NewFile(uintptr(fd), "netlink")
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
		// Without privilege the system's limit holds; overruns are reported.
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		f.Close()
		return nil, fmt.Errorf("bind netlink socket: %w", err)
	}
	for _, g := range groups {
		if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, g); err != nil {
			f.Close()
			return nil, fmt.Errorf("join netlink group %d: %w", g, err)
		}
	}
	return f, nil
}
