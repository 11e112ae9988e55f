package netfilter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"dnatrace/capture/rules"
)

// legacy is one family of ip_tables (linux/netfilter_ipv4/ip_tables.h and its
// IPv6 twin, which share numbers and layouts).
type legacy struct {
	backend string
	family  int
	level   int
}

var (
	ipv4 = legacy{rules.Legacy, unix.AF_INET, unix.IPPROTO_IP}
	ipv6 = legacy{rules.Legacy6, unix.AF_INET6, unix.IPPROTO_IPV6}
)

const (
	optGetInfo    = 64 // IPT_SO_GET_INFO
	optGetEntries = 65 // IPT_SO_GET_ENTRIES

	tableName  = 32                       // XT_TABLE_MAXNAMELEN
	infoSize   = tableName + 13*4         // struct ipt_getinfo
	sizeOffset = tableName + 12*4         // ipt_getinfo.size
	entriesHdr = (tableName + 4 + 7) &^ 7 // struct ipt_get_entries before entrytable
)

// legacyTables returns the tables of a family ("ip" or "ip6") that are in use
// in the calling thread's namespace. Asking ip_tables for any other table would
// create it.
func legacyTables(family string) []string {
	b, err := os.ReadFile("/proc/thread-self/net/" + family + "_tables_names")
	if err != nil {
		return nil
	}
	return strings.Fields(string(b))
}

func readLegacy(l legacy, tables []string) []rules.Ruleset {
	var sets []rules.Ruleset
	for _, t := range tables {
		set := rules.Ruleset{Backend: l.backend, Table: t}
		data, err := l.readTable(t)
		if err != nil {
			set = failed(set, err)
		}
		set.Data = data
		sets = append(sets, set)
	}
	return sets
}

// readTable returns struct ipt_getinfo followed by struct ipt_get_entries.
func (l legacy) readTable(table string) ([]byte, error) {
	if len(table) >= tableName {
		return nil, fmt.Errorf("read %s table: name of %d bytes", l.backend, len(table))
	}
	fd, err := unix.Socket(l.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("open raw socket for %s: %w", l.backend, err)
	}
	defer unix.Close(fd)
	for range attempts {
		info := make([]byte, infoSize)
		copy(info, table)
		if err := getsockopt(fd, l.level, optGetInfo, info); err != nil {
			return nil, fmt.Errorf("read %s table %s: %w", l.backend, table, err)
		}
		size := binary.NativeEndian.Uint32(info[sizeOffset:])
		entries := make([]byte, entriesHdr+int(size))
		copy(entries, table)
		binary.NativeEndian.PutUint32(entries[tableName:], size)
		err = getsockopt(fd, l.level, optGetEntries, entries)
		if err == nil {
			return bytes.Join([][]byte{info, entries}, nil), nil
		}
		if !errors.Is(err, unix.EAGAIN) { // EAGAIN: the table changed in between
			break
		}
	}
	return nil, fmt.Errorf("read entries of %s table %s: %w", l.backend, table, err)
}

func getsockopt(fd, level, opt int, buf []byte) error {
	n := uint32(len(buf))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(unsafe.Pointer(&buf[0])), uintptr(unsafe.Pointer(&n)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
