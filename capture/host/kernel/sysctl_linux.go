package kernel

import (
	"bytes"

	"golang.org/x/sys/unix"

	"dnatrace/capture/host"
)

// The settings that bear on whether a port can be reached, by their names in
// sysctl; an interface's name stands in them as it is.
var (
	sysctlNames = []string{
		"net.core.somaxconn",
		"net.ipv4.ip_forward",
		"net.ipv4.ip_local_port_range",
		"net.ipv4.ip_local_reserved_ports",
		"net.ipv4.ip_nonlocal_bind",
		"net.ipv4.ip_unprivileged_port_start",
		"net.ipv4.icmp_echo_ignore_all",
		"net.ipv4.tcp_abort_on_overflow",
		"net.ipv4.tcp_max_syn_backlog",
		"net.ipv4.tcp_mtu_probing",
		"net.ipv4.tcp_syncookies",
		"net.ipv4.neigh.default.gc_thresh3",
		"net.ipv6.bindv6only",
		"net.ipv6.neigh.default.gc_thresh3",
		"net.bridge.bridge-nf-call-iptables",
		"net.bridge.bridge-nf-call-ip6tables",
		"net.netfilter.nf_conntrack_acct",
		"net.netfilter.nf_conntrack_buckets",
		"net.netfilter.nf_conntrack_events",
		"net.netfilter.nf_conntrack_max",
		"net.netfilter.nf_conntrack_tcp_be_liberal",
		"net.netfilter.nf_conntrack_tcp_loose",
		"net.netfilter.nf_conntrack_tcp_timeout_established",
		"net.netfilter.nf_conntrack_timestamp",
		"net.netfilter.nf_conntrack_udp_timeout",
		"net.netfilter.nf_conntrack_udp_timeout_stream",
		"net.netfilter.nf_log.2",
		"net.netfilter.nf_log.10",
		"net.netfilter.nf_log_all_netns",
	}
	sysctls4 = []string{
		"forwarding", "rp_filter", "route_localnet", "accept_local", "src_valid_mark",
		"arp_ignore", "arp_announce", "arp_filter", "proxy_arp",
	}
	sysctls6 = []string{"forwarding", "disable_ipv6", "proxy_ndp"}
)

// readSysctls reads the settings of the calling thread's namespace. One that
// this kernel does not have is left out.
func readSysctls(links []host.Link) map[string]string {
	found := map[string]string{}
	buf := make([]byte, 4096)
	for _, name := range sysctlNames {
		readSysctl(found, buf, name, sysctlPath(name))
	}
	names := []string{"all", "default"}
	for _, l := range links {
		names = append(names, l.Name)
	}
	for _, n := range names {
		for _, key := range sysctls4 {
			readSysctl(found, buf, "net.ipv4.conf."+n+"."+key, "/proc/sys/net/ipv4/conf/"+n+"/"+key)
		}
		for _, key := range sysctls6 {
			readSysctl(found, buf, "net.ipv6.conf."+n+"."+key, "/proc/sys/net/ipv6/conf/"+n+"/"+key)
		}
	}
	return found
}

// sysctlPath is the file of a name without an interface in it.
func sysctlPath(name string) string {
	path := []byte("/proc/sys/" + name)
	return string(bytes.ReplaceAll(path, []byte("."), []byte("/")))
}

func readSysctl(found map[string]string, buf []byte, name, path string) {
	if b, err := readSmall(path, buf); err == nil {
		found[name] = string(bytes.TrimSpace(b))
	}
}

// readSmall reads a file of /proc that fits into buf. With hundreds of them a
// sample, os.ReadFile's way through the poller shows.
func readSmall(path string, buf []byte) ([]byte, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return nil, err
	}
	return buf[:n], nil
}
