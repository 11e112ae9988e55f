package privilege

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NoNew has programs that this process starts get no privilege that it has not itself.
func NoNew() error {
	if err := onAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return fmt.Errorf("set no_new_privs: %w", err)
	}
	return nil
}

// Retain gives up all capabilities but those in the mask, for this process and
// those it starts.
func Retain(mask uint64) error {
	return errors.Join(Bound(mask), Keep(mask))
}

// Bound takes all capabilities but those in the mask out of the bounding set,
// so that no program started later can get them. Without CAP_SETPCAP it cannot
// be done, and is not needed: who had no more than file capabilities gives
// none on.
func Bound(mask uint64) error {
	for c := uintptr(0); c < 64; c++ {
		if mask&(1<<c) != 0 {
			continue
		}
		err := onAllThreads(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0)
		switch {
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EPERM): // beyond the last one
			return nil
		case err != nil:
			return fmt.Errorf("bound capabilities: %w", err)
		}
	}
	return nil
}

// Keep keeps of the permitted and effective capabilities those in the
// mask, and none to inherit, on every thread. It fails, and then may have dropped
// nothing, in a binary built with cgo, where Go does not know all threads.
func Keep(mask uint64) error {
	err := onAllThreads(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: a kernel without ambient ones
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	have, err := Capabilities()
	if err != nil {
		return err
	}
	mask &= have
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	data := [2]unix.CapUserData{
		{Effective: uint32(mask), Permitted: uint32(mask)},
		{Effective: uint32(mask >> 32), Permitted: uint32(mask >> 32)},
	}
	err = onAllThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0)
	if err != nil {
		return fmt.Errorf("set capabilities: %w", err)
	}
	return nil
}

// Capabilities returns the permitted ones of the calling thread.
func Capabilities() (uint64, error) {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&hdr, &data[0]); err != nil {
		return 0, fmt.Errorf("read capabilities: %w", err)
	}
	return uint64(data[1].Permitted)<<32 | uint64(data[0].Permitted), nil
}

// onAllThreads makes a system call on every thread. Credentials belong to
// threads: dropping them on one would leave them to the others.
//
//go:uintptrescapes
func onAllThreads(trap, a1, a2, a3 uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall6(trap, a1, a2, a3, 0, 0, 0)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return fmt.Errorf("this binary is built with cgo: %w", errno)
	}
	return errno
}
