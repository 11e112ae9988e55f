package live

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// slack is by how much this process may be woken later than it asked for. While
// goroutines run, Go's runtime looks after them from a thread that sleeps 20 us
// at a time (sysmon); where they run for a millisecond of every capture.Pulse,
// that is an eighth of what watching costs. A pulse may well be as much late.
const slack = time.Millisecond

// slacken sets that for all threads, and so for those that they start later. It
// does nothing in a binary built with cgo, where Go does not know all threads.
func slacken() {
	syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, uintptr(slack), 0)
}
