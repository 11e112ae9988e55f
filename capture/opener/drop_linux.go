package opener

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"dnatrace/capture/privilege"
)

// needed is what the opener keeps: sockets and rules (NET_ADMIN, NET_RAW),
// entering namespaces (SYS_ADMIN), other users' processes (SYS_PTRACE,
// DAC_READ_SEARCH).
const needed = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_NET_RAW | 1<<unix.CAP_SYS_ADMIN |
	1<<unix.CAP_SYS_PTRACE | 1<<unix.CAP_DAC_READ_SEARCH

// Files are the capabilities that KeepFiles keeps.
const Files = 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_CHOWN

// Drop gives up every capability on every thread of this process, for good. It
// fails, and then may have dropped nothing, in a binary built with cgo, where
// Go does not know all threads.
//
// A process of user 0 keeps what that user may do without capabilities, such as
// writing root's files.
func Drop(options ...DropOption) error {
	keepExec := slices.Contains(options, KeepExec)
	if !keepExec {
		if err := privilege.NoNew(); err != nil {
			return fmt.Errorf("drop privileges: %w", err)
		}
		if err := privilege.Bound(0); err != nil {
			return fmt.Errorf("drop privileges: %w", err)
		}
	}
	var kept uint64
	if slices.Contains(options, KeepFiles) {
		kept = Files
	}
	if err := privilege.Keep(kept); err != nil {
		return fmt.Errorf("drop privileges: %w", err)
	}
	return nil
}
