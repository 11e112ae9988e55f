package docker

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"dnatrace/capture/engine"
)

// kernelRelease is what uname -r prints; "" if unknown.
func kernelRelease() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// findProcess looks the container's process up: by its control group, which the
// common runtimes name after the container, or else by the container's address
// in its network namespace.
func findProcess(c *engine.Container) error {
	dir := fmt.Sprintf("/proc/%d", c.PID)
	groups, err := os.ReadFile(dir + "/cgroup")
	if err != nil {
		return errors.New("no such process")
	}
	if c.ID != "" && strings.Contains(string(groups), c.ID) {
		return nil
	}
	for _, ep := range c.Endpoints {
		if hasAddr(dir, ep.IPv4) {
			return nil
		}
	}
	return errors.New("that number is another process")
}

// hasAddr finds an address of the process's namespace in the dump of its
// routing trie (net/ipv4/fib_trie.c).
func hasAddr(dir string, a netip.Addr) bool {
	if !a.Is4() {
		return false
	}
	trie, err := os.ReadFile(dir + "/net/fib_trie")
	return err == nil && strings.Contains(string(trie), "|-- "+a.String()+"\n")
}
