package pair

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// New makes a socket pair of a kind (unix.SOCK_STREAM, unix.SOCK_SEQPACKET): one end to
// use, the other to give away. The names are those of the ends' files.
func New(kind int, oursName, theirsName string) (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	f := os.NewFile(uintptr(fds[0]), oursName)
	theirs = os.NewFile(uintptr(fds[1]), theirsName)
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return c.(*net.UnixConn), theirs, nil
}
