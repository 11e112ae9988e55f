package ruleset_test

import (
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"dnatrace/capture/rules/netfilter"
)

// inNamespace moves the test's thread into a namespace of its own, for good.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: run the tests with sudo")
	}
	for _, name := range []string{"ip", "nft", "iptables-nft-restore"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("needs %s: install iproute2, nftables and iptables", name)
		}
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("make a namespace: %v", err)
	}
}

func run(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// The router of these tests: eth0 towards clients, docker0 and br-app towards
// containers, each with its other end in the same namespace, where packets are
// put on the wire.
var (
	hostAddrs = []netip.Addr{
		netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("198.51.100.2"),
		netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr("172.18.0.1"),
		netip.MustParseAddr("2001:db8:1::1"), netip.MustParseAddr("fd00:17::1"),
	}
	routes = []struct {
		to  netip.Prefix
		oif string
	}{
		{netip.MustParsePrefix("172.17.0.0/16"), "docker0"},
		{netip.MustParsePrefix("172.18.0.0/16"), "br-app"},
		{netip.MustParsePrefix("fd00:17::/64"), "docker0"},
		{netip.MustParsePrefix("0.0.0.0/0"), "eth0"},
		{netip.MustParsePrefix("::/0"), "eth0"},
	}
)

func router(t *testing.T) {
	t.Helper()
	inNamespace(t)
	for _, line := range []string{
		"link set lo up",
		"link add eth0 type veth peer name eth0-peer",
		"link add docker0 type veth peer name docker0-peer",
		"link add br-app type veth peer name br-app-peer",
		"addr add 198.51.100.1/24 dev eth0",
		"addr add 198.51.100.2/24 dev eth0",
		"addr add 172.17.0.1/16 dev docker0",
		"addr add 172.18.0.1/16 dev br-app",
		"addr add 2001:db8:1::1/64 dev eth0 nodad",
		"addr add fd00:17::1/64 dev docker0 nodad",
		"link set eth0 up", "link set docker0 up", "link set br-app up",
		"link set eth0-peer up", "link set docker0-peer up", "link set br-app-peer up",
		"route add default dev eth0",
		"-6 route add default dev eth0",
	} {
		run(t, "", "ip", strings.Fields(line)...)
	}
	for path, v := range map[string]string{
		"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv4/conf/all/rp_filter": "0",
		"net/ipv4/conf/eth0/rp_filter": "0", "net/ipv4/conf/docker0/rp_filter": "0", "net/ipv4/conf/br-app/rp_filter": "0",
	} {
		if err := os.WriteFile("/proc/sys/"+path, []byte(v), 0); err != nil {
			t.Skipf("needs to set %s: %v", path, err)
		}
	}
}

// install puts the rules of a file into the kernel.
func install(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	switch filepath.Ext(file) {
	case ".rules4", ".iptables":
		run(t, string(text), "iptables-nft-restore")
	case ".rules6", ".ip6tables":
		run(t, string(text), "ip6tables-nft-restore")
	default:
		run(t, string(text), "nft", "-f", "-")
	}
}

// installed are the rules in the kernel, raw and as text.
func installed(t *testing.T) recorded {
	t.Helper()
	sets, err := netfilter.Read("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	r := recorded{}
	for _, s := range sets {
		r[s.Backend] = s.Data
	}
	r["iptables-save"] = []byte(run(t, "", "iptables-nft-save", "-c"))
	r["ip6tables-save"] = []byte(run(t, "", "ip6tables-nft-save", "-c"))
	r["nft-text"] = []byte(run(t, "", "nft", "-a", "list", "ruleset"))
	return r
}
