package bpf

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
)

// symbols are the kernel's functions in order of their addresses.
type symbols []symbol

type symbol struct {
	address uint64
	name    string
}

// readSymbols reads a list like /proc/kallsyms. It is empty where addresses are
// hidden from this process (no CAP_SYSLOG, see kptr_restrict).
func readSymbols(path string) symbols {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
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
	slices.SortFunc(all, func(a, b symbol) int {
		switch {
		case a.address < b.address:
			return -1
		case a.address > b.address:
			return 1
		}
		return 0
	})
	return all
}

// at is the function that holds an address; "" unless known.
func (s symbols) at(address uint64) string {
	i, exact := slices.BinarySearchFunc(s, address, func(x symbol, a uint64) int {
		switch {
		case x.address < a:
			return -1
		case x.address > a:
			return 1
		}
		return 0
	})
	switch {
	case exact:
		return s[i].name
	case i == 0:
		return ""
	}
	return s[i-1].name
}
