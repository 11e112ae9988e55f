package program

import (
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestTheKernelTakesEveryProgram(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, e := range expressions() {
		prog, err := Build(parse(t, e))
		if err != nil {
			t.Fatalf("%s: %v", e, err)
		}
		f := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
		if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &f); err != nil {
			t.Errorf("%s: %v", e, err)
		}
	}
}

func TestALongExpressionIsRefusedWithWhatToDo(t *testing.T) {
	long := "host 2001:db8::1" + strings.Repeat(" or 2001:db8::2", 40)
	if _, err := Build(parse(t, long)); err == nil || !strings.Contains(err.Error(), "net for many hosts") {
		t.Errorf("%v", err)
	}
	if _, err := Build(parse(t, "port 1"+strings.Repeat(" or 2", 10))); err != nil {
		t.Error(err)
	}
}
