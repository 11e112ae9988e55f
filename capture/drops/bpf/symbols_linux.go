package bpf

import (
	"bufio"
	"cmp"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// symbols are the kernel's functions in order of their addresses.
type symbols []symbol

type symbol struct {
	address uint64
	name    string
}

// kernelSymbols reads the list at path, like /proc/kallsyms, when it is first
// asked for: it takes longer than all else that opening does, and most runs see
// no drop. The file is opened at once, as it shows what its opener may see.
func kernelSymbols(path string) func() symbols {
	f, err := os.Open(path)
	if err != nil {
		return func() symbols { return nil }
	}
	return sync.OnceValue(func() symbols {
		defer f.Close()
		return readSymbols(f)
	})
}

// readSymbols is empty where addresses are hidden (no CAP_SYSLOG, see
// kptr_restrict).
func readSymbols(f io.Reader) symbols {
	var all symbols
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 || !strings.Contains("tTwW", fields[1]) {
			continue
		}
		address, err := strconv.ParseUint(fields[0], 16, 64)
		if err == nil && address != 0 {
			all = append(all, symbol{address, strings.Clone(fields[2])})
		}
	}
	slices.SortFunc(all, func(a, b symbol) int { return cmp.Compare(a.address, b.address) })
	return all
}

// at is the function that holds an address; "" unless known.
func (s symbols) at(address uint64) string {
	i, exact := slices.BinarySearchFunc(s, address, func(x symbol, a uint64) int { return cmp.Compare(x.address, a) })
	switch {
	case exact:
		return s[i].name
	case i == 0:
		return ""
	}
	return s[i-1].name
}
