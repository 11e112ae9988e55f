package events

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Bounds of what is received at once. Events of connection tracking and trace
// steps have less than a KiB; what is larger is said to be cut.
const (
	atOnce  = 32
	largest = 8 << 10
)

// datagrams are received many with one system call (recvmmsg(2)): when thousands
// of connections begin in a second, calls of their own would be half of what it
// takes to hear of them.
type datagrams struct {
	headers [atOnce]mmsghdr
	buffers [atOnce]unix.Iovec
	from    [atOnce]unix.RawSockaddrNetlink
	memory  []byte
}

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	header unix.Msghdr
	size   uint32 // bytes of the datagram, those that were cut off included
}

func newDatagrams() *datagrams {
	d := &datagrams{memory: make([]byte, atOnce*largest)}
	for i := range d.headers {
		d.buffers[i].Base = &d.memory[i*largest]
		d.buffers[i].SetLen(largest)
		h := &d.headers[i].header
		h.Iov = &d.buffers[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&d.from[i]))
		h.Namelen = uint32(unsafe.Sizeof(d.from[i]))
	}
	return d
}

// receive takes what is there, without waiting: at least one datagram, or an
// error, EAGAIN where there is none.
func (d *datagrams) receive(fd int) (n int, err error) {
	got, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.headers)), atOnce, unix.MSG_TRUNC|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(got), nil
}

// at is one of those received: its bytes, how many it had, and the port that
// sent it, 0 for the kernel.
func (d *datagrams) at(i int) (b []byte, size int, port uint32) {
	size = int(d.headers[i].size)
	return d.memory[i*largest:][:min(size, largest)], size, d.from[i].Pid
}
