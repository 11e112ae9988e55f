package kernel

import (
	"os"
	"strings"
)

// readCounters reads those of the calling thread's namespace. A file that this
// kernel does not have is passed over.
func readCounters(counters map[string]uint64) {
	const dir = "/proc/thread-self/net/"
	for _, f := range []struct {
		path  string
		parse func(map[string]uint64, string)
	}{
		{dir + "netstat", parseSNMP},
		{dir + "snmp", parseSNMP},
		{dir + "snmp6", parseSNMP6},
		{dir + "stat/nf_conntrack", parseConntrack},
		{"/proc/sys/net/netfilter/nf_conntrack_count", parseCount},
	} {
		if b, err := os.ReadFile(f.path); err == nil {
			f.parse(counters, string(b))
		}
	}
}

// parseCount reads the connections tracked now. It changes all the time: among
// the settings it would make every sample differ.
func parseCount(counters map[string]uint64, text string) {
	keep(counters, "nf_conntrack.count", strings.TrimSpace(text), 10)
}
