package ruletrace

import (
	"fmt"
	"os"
	"strings"
)

// logs says whether a family ("ip" or "ip6", and its number) has tables of
// iptables-legacy and something that logs for it, in the calling thread's
// namespace.
func logs(family string, number int) bool {
	names, err := os.ReadFile("/proc/thread-self/net/" + family + "_tables_names")
	if err != nil || len(strings.TrimSpace(string(names))) == 0 {
		return false
	}
	loggers, err := os.ReadFile("/proc/thread-self/net/netfilter/nf_log")
	return err != nil || bound(string(loggers), number)
}

// bound says whether a table of loggers (/proc/net/netfilter/nf_log: a family's
// number, its logger, those to choose from) has one bound to the family.
func bound(loggers string, family int) bool {
	for line := range strings.Lines(loggers) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == fmt.Sprint(family) {
			return fields[1] != "NONE"
		}
	}
	return false
}
