package ruletrace_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"dnatrace/capture"
	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/ring"
	"dnatrace/capture/ruletrace"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arm arms a trace where there is something to trace.
func arm(t *testing.T, path string, w ruletrace.Want) *os.File {
	t.Helper()
	netnstest.Run(t, path, "nft add table inet story")
	var f *os.File
	netnstest.Do(t, path, func() (err error) {
		var note string
		if f, note, err = ruletrace.Arm(w); note != "" {
			t.Errorf("left out: %s", note)
		}
		return err
	})
	t.Cleanup(func() { f.Close() })
	return f
}

func listen(t *testing.T, path string) (f *os.File) {
	t.Helper()
	netnstest.Do(t, path, func() (err error) {
		if f, err = ruletrace.Listen(); err == nil {
			err = unix.SetsockoptTimeval(int(f.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
		}
		return err
	})
	return f
}

// listed is the namespace's ruleset.
func listed(t *testing.T, path string) (text string) {
	t.Helper()
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("this test needs nft: install nftables")
	}
	netnstest.Do(t, path, func() error {
		out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
		text = string(out)
		return err
	})
	return text
}

func tcp(ports ...uint16) (all []ring.Port) {
	for _, p := range ports {
		all = append(all, ring.Port{Proto: unix.IPPROTO_TCP, Port: p})
	}
	return all
}

// connect tries to connect to a port of lo that nobody listens on, or sends a
// datagram there.
func connect(t *testing.T, path, network, addr string) {
	t.Helper()
	netnstest.Do(t, path, func() error {
		c, err := net.DialTimeout(network, addr, time.Second)
		if err == nil {
			c.Write([]byte("x"))
			c.Close()
		}
		return nil
	})
}

// heard counts trace messages until none came for a while.
func heard(t *testing.T, f *os.File) (n int) {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		if _, err := f.Read(buf); err != nil {
			return n
		}
		n++
	}
}

func TestOnlyTheTargetsPacketsAreTraced(t *testing.T) {
	t.Run("few ports", func(t *testing.T) { onlyTheTargets(t) })
	t.Run("many ports", func(t *testing.T) {
		var ports []uint16
		for p := range uint16(30) {
			ports = append(ports, 9000+p)
		}
		onlyTheTargets(t, tcp(ports...)...)
	})
}

// onlyTheTargets traces some ports of a target, and others that nobody asks for.
func onlyTheTargets(t *testing.T, others ...ring.Port) {
	path := netnstest.New(t)
	netnstest.Run(t, path, "ip addr add 172.17.0.2/32 dev lo", "ip addr add 172.17.0.3/32 dev lo", "ip addr add 172.17.0.4/32 dev lo", "ip addr add 2001:db8::2/128 dev lo nodad")
	f := listen(t, path)
	defer f.Close()
	arm(t, path, ruletrace.Want{
		Ports: append(append(tcp(8080), ring.Port{Proto: unix.IPPROTO_UDP, Port: 5300}), others...),
		Endpoints: []ring.Endpoint{
			{Addr: netip.MustParseAddr("172.17.0.2"), Ports: tcp(80)},
			{Addr: netip.MustParseAddr("2001:db8::2"), Ports: tcp(80)},
		},
		Hosts: []netip.Addr{netip.MustParseAddr("172.17.0.3")},
	})
	for _, r := range []struct {
		name, network, addr string
		traced              bool
	}{
		{"a published port", "tcp4", "127.0.0.1:8080", true},
		{"a published port over IPv6", "tcp6", "[::1]:8080", true},
		{"the same number of another protocol", "tcp4", "127.0.0.1:5300", false},
		{"a datagram to a published port", "udp4", "127.0.0.1:5300", true},
		{"a datagram over IPv6", "udp6", "[::1]:5300", true},
		{"a datagram to the number of a port of TCP", "udp4", "127.0.0.1:8080", false},
		{"a container's port", "tcp4", "172.17.0.2:80", true},
		{"a container's port over IPv6", "tcp6", "[2001:db8::2]:80", true},
		{"another port of that container", "tcp4", "172.17.0.2:81", false},
		{"any port of a container that is wanted whole", "tcp4", "172.17.0.3:4711", true},
		{"that port elsewhere", "tcp4", "172.17.0.4:80", false},
	} {
		connect(t, path, r.network, r.addr)
		if n := heard(t, f); n > 0 != r.traced {
			t.Errorf("%s: %d messages", r.name, n)
		}
	}
}

func TestARangeOfTenThousandPortsIsTraced(t *testing.T) {
	path := netnstest.New(t)
	f := listen(t, path)
	defer f.Close()
	arm(t, path, ruletrace.Want{Ranges: []ring.Range{{Proto: unix.IPPROTO_TCP, First: 10000, Last: 19999}, {Proto: unix.IPPROTO_UDP, First: 21000, Last: 30999}}})
	for _, r := range []struct {
		name, network, addr string
		traced              bool
	}{
		{"the first port", "tcp4", "127.0.0.1:10000", true},
		{"the last port", "tcp4", "127.0.0.1:19999", true},
		{"one between, over IPv6", "tcp6", "[::1]:12345", true},
		{"the port behind it", "tcp4", "127.0.0.1:20000", false},
		{"the port before it", "tcp4", "127.0.0.1:9999", false},
		{"a datagram to that number", "udp4", "127.0.0.1:12345", false},
		{"a datagram to the other range", "udp4", "127.0.0.1:21001", true},
	} {
		connect(t, path, r.network, r.addr)
		if n := heard(t, f); n > 0 != r.traced {
			t.Errorf("%s: %d messages", r.name, n)
		}
	}
}

func TestEstablishedConnectionsAreNotTraced(t *testing.T) {
	path := netnstest.New(t)
	f := listen(t, path)
	defer f.Close()
	arm(t, path, ruletrace.Want{Ports: tcp(8080)})
	netnstest.Do(t, path, func() error {
		l, err := net.Listen("tcp4", "127.0.0.1:8080")
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := net.Dial("tcp4", "127.0.0.1:8080")
		if err != nil {
			return err
		}
		defer c.Close()
		if heard(t, f) == 0 {
			t.Error("the handshake was not traced")
		}
		for range 10 {
			if _, err := c.Write([]byte("data")); err != nil {
				return err
			}
		}
		if n := heard(t, f); n > 0 {
			t.Errorf("%d messages about data", n)
		}
		return nil
	})
}

func TestAFloodIsTracedAtABoundedRate(t *testing.T) {
	path := netnstest.New(t)
	f := listen(t, path)
	defer f.Close()
	arm(t, path, ruletrace.Want{Ports: tcp(8080)})
	began := time.Now()
	for range 3000 { // a SYN and a reset each, both marked when sent and when received
		connect(t, path, "tcp4", "127.0.0.1:8080")
	}
	took := time.Since(began).Seconds() + 0.2
	// Each way both chains mark as many: what output marks is traced in both, what
	// prerouting marks there alone, in two steps each.
	most := 2 * (2 + 1) * 2 * (ruletrace.Burst + int(ruletrace.Rate*took))
	if n := heard(t, f); n == 0 || n > most {
		t.Errorf("%d messages in %.1f s, want no more than %d", n, took, most)
	}
}

func TestTwoRunsAtOnceDoNotDisturbEachOther(t *testing.T) {
	path := netnstest.New(t)
	f := listen(t, path)
	defer f.Close()
	first := arm(t, path, ruletrace.Want{Ports: tcp(8080)})
	second := arm(t, path, ruletrace.Want{Ports: tcp(9090)})
	if err := ruletrace.Update(second, ruletrace.Want{Ports: tcp(9191)}); err != nil {
		t.Error(err)
	}
	netnstest.Run(t, path, "nft flush ruleset") // somebody reloads a firewall
	first.Close()
	connect(t, path, "tcp4", "127.0.0.1:8080")
	if n := heard(t, f); n > 0 {
		t.Errorf("the first run is over, and still there are %d messages", n)
	}
	connect(t, path, "tcp4", "127.0.0.1:9191")
	if heard(t, f) == 0 {
		t.Error("the second run hears nothing any more")
	}
	if err := ruletrace.Update(first, ruletrace.Want{}); err == nil {
		t.Error("a table that is gone was updated")
	}
	second.Close()
	if text := listed(t, path); text != "" {
		t.Errorf("there is\n%s", text)
	}
}

func TestBridgedFramesAreTracedWhereTheyAreFiltered(t *testing.T) {
	path := netnstest.New(t)
	web := bridged(t, path) // rules that are older than the first bridge see nothing of it
	table := arm(t, path, ruletrace.Want{Ports: tcp(8080)})
	if text := listed(t, path); strings.Contains(text, "table bridge") {
		t.Errorf("nobody filters bridged frames, and there is\n%s", text)
	}
	netnstest.Run(t, path, "nft add table bridge story",
		"nft add chain bridge story forward { type filter hook forward priority 0 ; }",
		"nft add rule bridge story forward tcp dport 9090 drop")
	if err := ruletrace.Update(table, ruletrace.Want{Ports: tcp(9090)}); err != nil {
		t.Fatal(err)
	}
	f := listen(t, path)
	defer f.Close()
	connect(t, web, "tcp4", "172.17.0.3:9090")
	if !heardOf(t, f, unix.NFPROTO_BRIDGE, "story\x00") {
		t.Error("the rule that drops between two ports of a bridge was not traced")
	}
	other := arm(t, path, ruletrace.Want{Ports: tcp(8080)})
	if n := strings.Count(listed(t, path), "table bridge dnatrace"); n != 2 {
		t.Errorf("%d tables of family bridge, want one of each run", n)
	}
	table.Close()
	other.Close()
	if text := listed(t, path); strings.Contains(text, "dnatrace") {
		t.Errorf("there is\n%s", text)
	}
}

// bridged joins two namespaces by a bridge in the one at path, and returns the
// one that has 172.17.0.2; the other has 172.17.0.3.
func bridged(t *testing.T, path string) string {
	t.Helper()
	web, db := netnstest.New(t), netnstest.New(t)
	netnstest.Run(t, path, "ip link add docker0 type bridge", "ip link set docker0 up")
	netnstest.Link(t, path, "vethweb", "203.0.113.1/30", web, "eth0", "172.17.0.2/16")
	netnstest.Link(t, path, "vethdb", "203.0.113.5/30", db, "eth0", "172.17.0.3/16")
	netnstest.Run(t, path, "ip link set vethweb master docker0", "ip link set vethdb master docker0")
	return web
}

// heardOf says whether there is a message about a family's table.
func heardOf(t *testing.T, f *os.File, family byte, table string) bool {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, err := f.Read(buf)
		if err != nil {
			return false
		}
		if n > unix.SizeofNlMsghdr && buf[unix.SizeofNlMsghdr] == family && strings.Contains(string(buf[:n]), table) {
			return true
		}
	}
}

func TestWhereThereAreNoRulesNothingIsTraced(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path, "nft add table netdev story") // whose chains are not traced
	before := listed(t, path)
	netnstest.Do(t, path, func() error {
		_, _, err := ruletrace.Arm(ruletrace.Want{Ports: tcp(8080)})
		if !ruletrace.NoRules(err) {
			t.Errorf("got %v", err)
		}
		return nil
	})
	if text := listed(t, path); text != before {
		t.Errorf("there is\n%s", text)
	}
	arm(t, path, ruletrace.Want{Ports: tcp(8080)}).Close()
}

func TestTooMuchIsRefused(t *testing.T) {
	many := ruletrace.Want{}
	for p := range 5000 {
		many.Ports = append(many.Ports, tcp(uint16(p))...)
	}
	if _, _, err := ruletrace.Arm(many); err == nil || !strings.Contains(err.Error(), "5000") {
		t.Errorf("got %v, want that 5000 are too many", err)
	}
	path := netnstest.New(t)
	table := arm(t, path, ruletrace.Want{})
	many.Ports = many.Ports[:4000]
	if err := ruletrace.Update(table, many); err != nil {
		t.Error(err)
	}
}

func TestStepsComeTogetherAndLossesAreReported(t *testing.T) {
	path := netnstest.New(t)
	f := listen(t, path)
	c, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) })
	arm(t, path, ruletrace.Want{Ports: tcp(8080)})
	for range 20 { // nobody reads meanwhile
		connect(t, path, "tcp4", "127.0.0.1:8080")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var lost, together bool
	for b, err := range ruletrace.Source(f, "web")(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			var s capture.SourceState
			switch {
			case r.Netns != "web":
				t.Fatalf("a record of %q", r.Netns)
			case r.Kind == capture.KindSource && json.Unmarshal(r.Data, &s) == nil:
				lost = lost || s.Name == capture.OriginRuleTrace && s.State == capture.SourceOK && strings.Contains(s.Why, "lost")
			case r.Origin == capture.OriginRuleTrace && r.Kind == capture.KindEvent:
				together = together || int(binary.NativeEndian.Uint32(r.Data)) < len(r.Data)
			default:
				t.Fatalf("got %+v", r)
			}
		}
		if lost && together {
			return
		}
	}
	t.Fatalf("loss reported: %t, several steps in a record: %t", lost, together)
}

func TestNoMarkWhereTheKernelsLogWouldFill(t *testing.T) {
	path := netnstest.New(t)
	legacy := func(program string) {
		netnstest.Run(t, path, "nft add table inet story")
		netnstest.Do(t, path, func() error {
			if out, err := exec.Command(program, "-A", "INPUT", "-j", "ACCEPT").CombinedOutput(); err != nil {
				t.Skipf("this test needs %s (%v): %s", program, err, out)
			}
			b, err := os.ReadFile("/proc/thread-self/net/netfilter/nf_log")
			if err != nil || strings.Contains(string(b), " 2 NONE") || strings.Contains(string(b), "10 NONE") {
				t.Skip("this test needs netfilter loggers for both families: modprobe nf_log_syslog")
			}
			return nil
		})
	}
	try := func() (note string, err error) {
		netnstest.Do(t, path, func() error {
			var f *os.File
			if f, note, err = ruletrace.Arm(ruletrace.Want{Ports: tcp(8080)}); err == nil {
				defer f.Close()
				if text := listed(t, path); strings.Contains(text, "table inet dnatrace") || strings.Contains(text, "table ip dnatrace") {
					t.Errorf("IPv4 is marked:\n%s", text)
				}
			}
			return nil
		})
		return note, err
	}
	legacy("iptables-legacy")
	if note, err := try(); err != nil || !strings.HasPrefix(note, "not for IPv4: ") {
		t.Errorf("with rules for IPv4: %q, %v", note, err)
	}
	legacy("ip6tables-legacy")
	if note, err := try(); err == nil || note != "" || !strings.Contains(err.Error(), "kernel's log") {
		t.Errorf("with rules for both: %q, %v", note, err)
	}
	if text := listed(t, path); strings.Contains(text, "dnatrace") {
		t.Errorf("there is\n%s", text)
	}
}
