package live

import (
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// slack is by how much this process may be woken later than it asked for. While
// goroutines run, Go's runtime looks after them from a thread that sleeps 20 us
// at a time (sysmon); where they run for a millisecond of every capture.Pulse,
// that is an eighth of what watching costs. A pulse may well be as much late.
const (
	slack    = time.Millisecond
	ordinary = 50 * time.Microsecond
)

// giveWay has this process disturb the least whom it watches: it may be woken
// later, and when it is, whoever sends or answers a packet at that moment is not
// interrupted (SCHED_BATCH; its share of the CPU stays what it was). That holds
// for all threads, and so for those that they start later. It does nothing in a
// binary built with cgo, where Go does not know all threads.
func giveWay() {
	threads(slack, unix.SCHED_BATCH)
}

// hurrying has this process take its turn as everybody does, and a second core if Go
// was kept to one; or give way again.
func hurrying() func(on bool) {
	spread := false
	return func(on bool) {
		switch {
		case !on && spread:
			runtime.GOMAXPROCS(1)
			spread = false
		case on && runtime.GOMAXPROCS(0) == 1 && runtime.NumCPU() > 1 && os.Getenv("GOMAXPROCS") == "":
			runtime.GOMAXPROCS(2)
			spread = true
		}
		if on {
			threads(ordinary, unix.SCHED_NORMAL)
		} else {
			giveWay()
		}
	}
}

// threads sets all threads, and so those that they start later.
func threads(slack time.Duration, policy uintptr) {
	syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_TIMERSLACK, uintptr(slack), 0)
	var none int32 // struct sched_param
	syscall.AllThreadsSyscall(unix.SYS_SCHED_SETSCHEDULER, 0, policy, uintptr(unsafe.Pointer(&none)))
}

// Ordinarily calls start, which starts a program, in a thread that does not give
// way: a program would inherit it.
func Ordinarily(start func() error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	thread(ordinary, unix.SCHED_NORMAL)
	defer thread(slack, unix.SCHED_BATCH)
	return start()
}

// thread sets the calling thread alone. What fails is as it was.
func thread(slack time.Duration, policy uint32) {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(slack), 0, 0, 0)
	_ = unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy}, 0)
}
