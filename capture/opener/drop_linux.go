package opener

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// needed is what the opener keeps: sockets and rules (NET_ADMIN, NET_RAW),
// entering namespaces (SYS_ADMIN), other users' processes (SYS_PTRACE,
// DAC_READ_SEARCH).
const needed = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_ADMIN |
	1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH

// files is what KeepFiles keeps.
const files = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_CHOWN

// Drop gives up every capability on every thread of this process, for good. It
// fails, and then may have dropped nothing, in a binary built with cgo, where
// Go does not know all threads.
//
// A process of user 0 keeps what that user may do without capabilities, such as
// writing root's files.
func Drop(options ...DropOption) error {
	keepExec := slices.Contains(options, KeepExec)
	if !keepExec {
		if err := onAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
			return fmt.Errorf("drop privileges: set no_new_privs: %w", err)
		}
		if err := bound(0); err != nil {
			return fmt.Errorf("drop privileges: %w", err)
		}
	}
	var kept uint64
	if slices.Contains(options, KeepFiles) {
		kept = files
	}
	if err := setCapabilities(kept); err != nil {
		return fmt.Errorf("drop privileges: %w", err)
	}
	return nil
}

// retain gives up all capabilities but those in the mask, for this process and
// those it starts.
func retain(mask uint64) error {
	return errors.Join(bound(mask), setCapabilities(mask))
}

// bound takes all capabilities but those in the mask out of the bounding set,
// so that no program started later can get them. Without CAP_SETPCAP it cannot
// be done, and is not needed: who had no more than file capabilities gives
// none on.
func bound(mask uint64) error {
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

// setCapabilities keeps of the permitted and effective capabilities those in the
// mask, and none to inherit.
func setCapabilities(mask uint64) error {
	err := onAllThreads(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0)
	if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: a kernel without ambient ones
		return fmt.Errorf("clear ambient capabilities: %w", err)
	}
	have, err := capabilities()
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

// capabilities returns the permitted ones of the calling thread.
func capabilities() (uint64, error) {
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
