package opener

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// onlyParent makes sure that who asks is the program that started this process, and
// the same program as this one: a binary with capabilities in its file may be started
// by anyone, with anything at the other end of the socket. From then on the kernel
// says with every message who sent it.
func onlyParent(conn *net.UnixConn) (int32, error) {
	parent := os.Getppid()
	if err := sameProgram(parent); err != nil {
		return 0, fmt.Errorf("refuse to serve: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, fmt.Errorf("ask who asks: %w", err)
	}
	var failed error
	err = raw.Control(func(fd uintptr) { // what was sent before comes from nobody
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	if err := errors.Join(err, failed); err != nil {
		return 0, fmt.Errorf("ask who asks: %w", err)
	}
	return int32(parent), nil
}

// sameProgram reports why a process does not run the file that this one does.
func sameProgram(pid int) error {
	var own, other unix.Stat_t
	if err := unix.Stat("/proc/self/exe", &own); err != nil {
		return fmt.Errorf("look at this program: %w", err)
	}
	if err := unix.Stat(fmt.Sprintf("/proc/%d/exe", pid), &other); err != nil {
		return fmt.Errorf("look at the program of process %d: %w", pid, err)
	}
	if own.Dev != other.Dev || own.Ino != other.Ino {
		return fmt.Errorf("process %d runs another program", pid)
	}
	return nil
}
