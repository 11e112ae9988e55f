package pages

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// The kernel lists what was asked for as "hg" among the flags of a mapping
// (Documentation/filesystems/proc.rst).
func TestMemoryIsAskedForInLargePages(t *testing.T) {
	memory := make([]byte, 8<<20)
	if flagged(t, memory) {
		t.Fatal("large pages are asked for before anybody did: nothing is tested")
	}
	Large(memory)
	if !flagged(t, memory) {
		t.Error("no large pages were asked for")
	}
}

func TestWhatIsSmallerThanAPageIsLeftAlone(t *testing.T) {
	Large(nil)
	Large(make([]byte, 1))
	Large(make([]byte, 4097)[1:])
}

// flagged reports whether the middle of memory lies in a mapping with large pages.
func flagged(t *testing.T, memory []byte) bool {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skipf("this kernel does not list its mappings: %v", err)
	}
	defer f.Close()
	at, inside := uint64(uintptr(unsafe.Pointer(&memory[len(memory)/2]))), false
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uint64
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x", &from, &to); n == 2 {
			inside = from <= at && at < to
		}
		if flags, ok := strings.CutPrefix(lines.Text(), "VmFlags:"); ok && inside {
			return strings.Contains(flags+" ", " hg ")
		}
	}
	t.Skip("this kernel does not list the flags of its mappings")
	return false
}
