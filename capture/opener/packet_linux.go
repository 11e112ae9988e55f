package opener

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// packetSocket opens a packet socket that sees nothing yet: without a protocol
// it is idle until a ring is bound to it.
func packetSocket() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}
