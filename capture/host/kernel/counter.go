package kernel

import (
	"strconv"
	"strings"
)

// telling are the counters that say why packets or connections were lost, as in
// /proc/net/netstat, snmp and snmp6 (RFC 4293, 4022, 4113 and Linux's own).
var telling = wordSet(`
	TcpExt.ListenOverflows TcpExt.ListenDrops TcpExt.TCPBacklogDrop TcpExt.TCPReqQFullDrop
	TcpExt.TCPReqQFullDoCookies TcpExt.SyncookiesSent TcpExt.SyncookiesFailed
	TcpExt.IPReversePathFilter TcpExt.PFMemallocDrop TcpExt.TCPMinTTLDrop
	TcpExt.TCPDeferAcceptDrop TcpExt.TCPRcvQDrop TcpExt.TCPZeroWindowDrop TcpExt.TCPOFODrop
	TcpExt.TCPAbortOnMemory TcpExt.TCPTimeouts TcpExt.TCPSynRetrans TcpExt.OutOfWindowIcmps
	TcpExt.ArpFilter TcpExt.PAWSActive TcpExt.PAWSEstab TcpExt.TSEcrRejected
	IpExt.InNoRoutes IpExt.InTruncatedPkts IpExt.InCsumErrors
	Ip.InHdrErrors Ip.InAddrErrors Ip.InUnknownProtos Ip.InDiscards Ip.OutDiscards
	Ip.OutNoRoutes Ip.ReasmFails Ip.FragFails
	Icmp.InErrors Icmp.InCsumErrors Icmp.OutErrors Icmp.OutRateLimitGlobal Icmp.OutRateLimitHost
	Tcp.AttemptFails Tcp.InErrs Tcp.OutRsts Tcp.InCsumErrors
	Udp.NoPorts Udp.InErrors Udp.RcvbufErrors Udp.SndbufErrors Udp.InCsumErrors Udp.MemErrors
	Ip6.InHdrErrors Ip6.InTooBigErrors Ip6.InNoRoutes Ip6.InAddrErrors Ip6.InUnknownProtos
	Ip6.InTruncatedPkts Ip6.InDiscards Ip6.OutDiscards Ip6.OutNoRoutes Ip6.ReasmFails
	Ip6.FragFails Icmp6.InErrors Icmp6.OutErrors Icmp6.InCsumErrors Icmp6.OutRateLimitHost
	Udp6.NoPorts Udp6.InErrors Udp6.RcvbufErrors Udp6.SndbufErrors Udp6.InCsumErrors`)

// tellingConntrack are those of /proc/net/stat/nf_conntrack.
var tellingConntrack = wordSet(`
	invalid insert_failed drop early_drop error search_restart clash_resolve chaintoolong`)

func wordSet(words string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(words) {
		m[w] = true
	}
	return m
}

// parseSNMP reads /proc/net/snmp or netstat: pairs of lines, the first with the
// names, the second with the values of a group.
func parseSNMP(counters map[string]uint64, text string) {
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		group, names, _ := strings.Cut(lines[i], ":")
		again, values, ok := strings.Cut(lines[i+1], ":")
		if !ok || group != again {
			continue
		}
		v := strings.Fields(values)
		for j, name := range strings.Fields(names) {
			if key := group + "." + name; j < len(v) && telling[key] {
				keep(counters, key, v[j], 10)
			}
		}
	}
}

// parseSNMP6 reads /proc/net/snmp6: "Ip6InNoRoutes   0".
func parseSNMP6(counters map[string]uint64, text string) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 2 {
			continue
		}
		group, name, ok := strings.Cut(f[0], "6")
		if key := group + "6." + name; ok && telling[key] {
			keep(counters, key, f[1], 10)
		}
	}
}

// parseConntrack reads /proc/net/stat/nf_conntrack: a line of names and one of
// hexadecimal values for each CPU, of which the first is the same on all.
func parseConntrack(counters map[string]uint64, text string) {
	header, rows, _ := strings.Cut(text, "\n")
	names := strings.Fields(header)
	for row := range strings.Lines(rows) {
		v := strings.Fields(row)
		for j, name := range names {
			if j < len(v) && tellingConntrack[name] {
				keep(counters, "nf_conntrack."+name, v[j], 16)
			}
		}
	}
}

// keep adds to a counter; kernels differ in whether they have it at all.
func keep(counters map[string]uint64, key, value string, base int) {
	if n, err := strconv.ParseUint(value, base, 64); err == nil {
		counters[key] += n
	}
}
