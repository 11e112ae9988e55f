package ring

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attach gives a program to the kernel, which judges it, on a socket that
// anyone may have.
func attach(fd int, prog []Instruction) error {
	f := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f)
}

func programs(t *testing.T) map[string][]Instruction {
	withHosts := web()
	withHosts.Hosts, withHosts.Echo = networks(3), true
	m := map[string][]Instruction{}
	for name, w := range map[string]Want{
		"nothing": {}, "everything": {All: true}, "one target": web(), "one target and hosts": withHosts, "ports of many hosts": distinct40(),
		"ten containers": many(10), "five hundred containers": many(500), "sixty ports": {Ports: many(60).Ports},
	} {
		prog, width, err := Build(w)
		if err != nil {
			t.Fatal(err)
		}
		m[name] = limited(prog, []int32{1, 2, 3}, 96)
		t.Logf("%s: %d instructions, %v", name, len(prog), width)
	}
	return m
}

func TestTheKernelTakesEveryProgram(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for name, prog := range programs(t) {
		if err := attach(fd, prog); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOldKernelsHaveRoomToSwapPrograms(t *testing.T) {
	old := newSpace(t)
	old.do(func() {
		const before68 = "20480" // the default then, of all namespaces
		if os.WriteFile("/proc/sys/net/core/optmem_max", []byte(before68), 0) != nil {
			return // such a kernel: its own limit is the test
		}
	})
	old.do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		must(t, err)
		defer unix.Close(fd)
		for name, prog := range programs(t) {
			for range 2 {
				if err := attach(fd, prog); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	})
}
