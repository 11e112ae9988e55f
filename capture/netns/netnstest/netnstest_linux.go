// Package netnstest gives tests network namespaces of their own, held by a file
// descriptor alone: nothing is left of them when the test ends, however it
// ends.
package netnstest

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dnatrace/capture/netns"
)

// New makes a namespace with lo up and returns its path. The test is skipped
// where that is not allowed.
func New(t testing.TB) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root: run sudo env PATH=\"$PATH\" go test")
	}
	f, err := create()
	if err != nil {
		t.Skipf("making network namespaces is not allowed here (%v): run as root outside of a confined container", err)
	}
	t.Cleanup(func() { f.Close() })
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
	Run(t, path, "ip link set lo up")
	return path
}

// create leaves its thread to die: it never was the process's own.
func create() (*os.File, error) {
	type made struct {
		file *os.File
		err  error
	}
	done := make(chan made)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- made{err: err}
			return
		}
		f, err := netns.Open("/proc/thread-self/ns/net")
		if home, err := netns.Open(""); err == nil {
			if unix.Setns(int(home.Fd()), unix.CLONE_NEWNET) == nil {
				runtime.UnlockOSThread()
			}
			home.Close()
		}
		done <- made{f, err}
	}()
	m := <-done
	return m.file, m.err
}

// Do runs fn on a thread inside the namespace.
func Do(t testing.TB, path string, fn func() error) {
	t.Helper()
	if err := netns.Do(path, fn); err != nil {
		t.Fatal(err)
	}
}

// Run runs command lines, words separated by blanks, inside the namespace. The
// test is skipped where the program does not exist.
func Run(t testing.TB, path string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		args := strings.Fields(line)
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("this test needs %s: install it (packages iproute2, nftables, iptables)", args[0])
		}
		Do(t, path, func() error {
			out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w: %s", line, err, out)
			}
			return nil
		})
	}
}

// Link joins two namespaces with a veth pair, one end in each, both up, with an
// address (CIDR) each.
func Link(t testing.TB, a, nameA, addrA, b, nameB, addrB string) {
	t.Helper()
	Run(t, a, fmt.Sprintf("ip link add %s type veth peer name %s netns %s", nameA, nameB, b))
	Run(t, a, "ip addr add "+addrA+" dev "+nameA, "ip link set "+nameA+" up")
	Run(t, b, "ip addr add "+addrB+" dev "+nameB, "ip link set "+nameB+" up")
}
