package live

import (
	"errors"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// inherited is what a program that is started now inherits.
func inherited(t *testing.T, start func(func() error) error) (slack string, batch bool) {
	t.Helper()
	c := exec.Command("sh", "-c", "cat /proc/$$/timerslack_ns; awk '/^policy/ { print $3 }' /proc/$$/sched")
	var out strings.Builder
	c.Stdout = &out
	if err := start(c.Start); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Skipf("what a process inherits cannot be read here: %v", err)
	}
	fields := strings.Fields(out.String())
	if len(fields) != 2 {
		t.Skipf("this kernel does not tell how a process is scheduled: %q", out.String())
	}
	return fields[0], fields[1] == "3"
}

func TestTheWatcherGivesWayAndItsCommandDoesNot(t *testing.T) {
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0); errors.Is(errno, syscall.ENOTSUP) {
		t.Skip("Go does not know all threads in a binary built with cgo: set CGO_ENABLED=0")
	}
	giveWay()
	if slack, batch := inherited(t, func(f func() error) error { return f() }); slack != "1000000" || !batch {
		t.Errorf("the watcher has a slack of %s ns, batch is %v, want a millisecond and true", slack, batch)
	}
	for range 3 { // whatever thread it comes to
		if slack, batch := inherited(t, Ordinarily); slack != "50000" || batch {
			t.Errorf("its command has a slack of %s ns, batch is %v, want 50 us and false", slack, batch)
		}
	}
	if slack, batch := inherited(t, func(f func() error) error { return f() }); slack != "1000000" || !batch {
		t.Errorf("after a command the watcher has a slack of %s ns, batch is %v, want what it had", slack, batch)
	}
}

func TestAWatcherThatIsBehindDoesNotGiveWay(t *testing.T) {
	if _, _, errno := syscall.AllThreadsSyscall(unix.SYS_GETPID, 0, 0, 0); errors.Is(errno, syscall.ENOTSUP) {
		t.Skip("Go does not know all threads in a binary built with cgo: set CGO_ENABLED=0")
	}
	t.Setenv("GOMAXPROCS", "")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	giveWay()
	hurry := hurrying()
	for _, on := range []bool{true, false, true, false} {
		hurry(on)
		if slack, batch := inherited(t, func(f func() error) error { return f() }); (slack == "50000") != on || batch == on {
			t.Errorf("in a hurry: %v, and it has a slack of %s ns, batch is %v", on, slack, batch)
		}
		if n, want := runtime.GOMAXPROCS(0), map[bool]int{true: min(2, runtime.NumCPU()), false: 1}[on]; n != want {
			t.Errorf("in a hurry: %v, and Go has %d cores, want %d", on, n, want)
		}
	}
}
