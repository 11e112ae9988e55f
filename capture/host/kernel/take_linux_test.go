package kernel_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"dnatrace/capture/host"
	"dnatrace/capture/host/kernel"
	"dnatrace/capture/netns"
	"dnatrace/capture/netns/netnstest"
)

// actEnv makes this binary take one sample of where it is, and print it.
const actEnv = "HOST_TEST_ACT"

func TestMain(m *testing.M) {
	// As a docker-proxy of its own making, this binary only waits to be ended.
	if filepath.Base(os.Args[0]) == "docker-proxy" {
		time.Sleep(time.Minute)
		return
	}
	if os.Getenv(actEnv) != "" {
		s, err := kernel.Take("", host.Options{})
		json.NewEncoder(os.Stdout).Encode(s)
		fmt.Fprintln(os.Stderr, err)
		return
	}
	goleak.VerifyTestMain(m)
}

func take(t *testing.T, path string, opts host.Options) *host.Sample {
	t.Helper()
	s, err := kernel.Take(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func link(t *testing.T, s *host.Sample, name string) host.Link {
	t.Helper()
	for _, l := range s.Links {
		if l.Name == name {
			return l
		}
	}
	t.Fatalf("no link %s in %+v", name, s.Links)
	return host.Link{}
}

func TestTheOtherEndOfAContainersVethIsFound(t *testing.T) {
	home, web := netnstest.New(t), netnstest.New(t)
	netnstest.Run(t, home, "ip link add docker0 type bridge", "ip link set docker0 up")
	netnstest.Link(t, home, "veth1", "203.0.113.1/24", web, "eth0", "172.17.0.2/16")
	netnstest.Run(t, home, "ip link set veth1 master docker0", "bridge link set dev veth1 hairpin on")

	inHost := take(t, home, host.Options{Peers: []string{"/proc/0/ns/net", web}})
	inWeb := take(t, web, host.Options{Container: "web", Peers: []string{home}})
	veth, eth0, bridge := link(t, inHost, "veth1"), link(t, inWeb, "eth0"), link(t, inHost, "docker0")
	webInode, err := netns.Inode(web)
	if err != nil {
		t.Fatal(err)
	}
	if veth.Kind != "veth" || !veth.Away || veth.PeerNetns != webInode || veth.Peer != eth0.Index {
		t.Errorf("host's end: got %+v, want one whose peer is %d in %d", veth, eth0.Index, webInode)
	}
	if eth0.PeerNetns != inHost.Inode || eth0.Peer != veth.Index {
		t.Errorf("container's end: got %+v, want one whose peer is %d in %d", eth0, veth.Index, inHost.Inode)
	}
	if bridge.Kind != "bridge" || veth.Master != bridge.Index || !veth.Hairpin {
		t.Errorf("got port %+v of bridge %+v, want a hairpin port", veth, bridge)
	}
	if unknown := link(t, take(t, home, host.Options{}), "veth1"); unknown.PeerNetns != 0 || !unknown.Away {
		t.Errorf("with no peers named: got %+v, want it away and unknown", unknown)
	}
}

func TestRoutingIsRead(t *testing.T) {
	path, other := netnstest.New(t), netnstest.New(t)
	netnstest.Link(t, path, "eth0", "198.51.100.1/24", other, "eth0", "198.51.100.2/24")
	netnstest.Run(t, path,
		"ip -6 addr add 2001:db8::1/64 dev eth0 nodad",
		"ip route add default via 198.51.100.2 metric 7",
		"ip route add blackhole 203.0.113.0/24 table 100",
		"ip rule add fwmark 0x1/0xff lookup 100 priority 50",
		"ip rule add from 203.0.113.7 prohibit priority 60",
		"ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev eth0 nud permanent")
	s := take(t, path, host.Options{})
	eth0 := link(t, s, "eth0").Index
	if a := (host.Addr{Link: eth0, Prefix: netip.MustParsePrefix("2001:db8::1/64")}); !slices.Contains(s.Addrs, a) {
		t.Errorf("no address %v in %v", a, s.Addrs)
	}
	for _, r := range []host.Route{
		{Table: 254, Type: "unicast", Dst: netip.MustParsePrefix("0.0.0.0/0"), Gateway: netip.MustParseAddr("198.51.100.2"), Link: eth0, Metric: 7},
		{Table: 100, Type: "blackhole", Dst: netip.MustParsePrefix("203.0.113.0/24")},
		{Table: 255, Type: "local", Dst: netip.MustParsePrefix("198.51.100.1/32"), Src: netip.MustParseAddr("198.51.100.1"), Link: eth0},
	} {
		if !slices.Contains(s.Routes, r) {
			t.Errorf("no route %+v in %+v", r, s.Routes)
		}
	}
	want := []host.Rule{
		{Priority: 0, Family: 4, Table: 255},
		{Priority: 50, Family: 4, Mark: 1, Mask: 0xff, Table: 100},
		{Priority: 60, Family: 4, From: netip.MustParsePrefix("203.0.113.7/32"), Action: "prohibit"},
		{Priority: 32766, Family: 4, Table: 254},
		{Priority: 32767, Family: 4, Table: 253},
		{Priority: 0, Family: 6, Table: 255},
		{Priority: 32766, Family: 6, Table: 254},
	}
	if d := cmp.Diff(want, s.Rules, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Errorf("policy rules (-want +got):\n%s", d)
	}
	neigh := host.Neighbour{Link: eth0, IP: netip.MustParseAddr("198.51.100.9"), MAC: "02:00:00:00:00:09", State: "permanent"}
	if !slices.Contains(s.Neighbours, neigh) {
		t.Errorf("no neighbour %+v in %+v", neigh, s.Neighbours)
	}
}

func TestSettingsAreThoseOfTheNamespace(t *testing.T) {
	forwards, not := netnstest.New(t), netnstest.New(t)
	netnstest.Run(t, forwards, "ip link add br-web type bridge", "sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.conf.br-web.rp_filter=2")
	netnstest.Run(t, not, "sysctl -q -w net.ipv4.ip_forward=0")
	s := take(t, forwards, host.Options{})
	for name, want := range map[string]string{
		"net.ipv4.ip_forward":             "1",
		"net.ipv4.conf.br-web.rp_filter":  "2",
		"net.ipv4.conf.br-web.forwarding": "1",
	} {
		if got := s.Sysctls[name]; got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	if got := take(t, not, host.Options{}).Sysctls["net.ipv4.ip_forward"]; got != "0" {
		t.Errorf("the other namespace: got ip_forward %q, want 0", got)
	}
}

// listen opens a socket inside the namespace for the rest of the test.
func listen(t *testing.T, path, network, addr string) {
	t.Helper()
	netnstest.Do(t, path, func() error {
		if strings.HasPrefix(network, "udp") {
			c, err := net.ListenPacket(network, addr)
			if err == nil {
				t.Cleanup(func() { c.Close() })
			}
			return err
		}
		l, err := net.Listen(network, addr)
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	})
}

func TestListenersAreFoundWithTheirProcess(t *testing.T) {
	path := netnstest.New(t)
	listen(t, path, "tcp4", "127.0.0.1:8080")
	listen(t, path, "tcp", "[::]:8081")
	listen(t, path, "tcp6", "[::1]:8082")
	listen(t, path, "udp4", "0.0.0.0:5353")
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	s := take(t, path, host.Options{})
	type socket struct {
		Proto, Local string
		V6, V6Only   bool
	}
	var got []socket
	for _, x := range s.Sockets {
		got = append(got, socket{x.Proto, x.Local.String(), x.V6, x.V6Only})
		if x.PID != os.Getpid() || x.Process != strings.TrimSpace(string(comm)) || x.Inode == 0 {
			t.Errorf("%s: got process %d %q, want %d %q", x.Local, x.PID, x.Process, os.Getpid(), comm)
		}
		if x.Proto == "tcp" && x.Backlog == 0 {
			t.Errorf("%s: no backlog", x.Local)
		}
	}
	want := []socket{
		{"udp", "0.0.0.0:5353", false, false},
		{"tcp", "127.0.0.1:8080", false, false},
		{"tcp", "[::]:8081", true, false},
		{"tcp", "[::1]:8082", true, true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sockets (-want +got):\n%s", d)
	}
	if len(s.Missing) > 0 {
		t.Errorf("missing: %q", s.Missing)
	}
}

func TestWithoutPrivilegeTheRestIsStillRead(t *testing.T) {
	path := netnstest.New(t)
	listen(t, path, "tcp4", "127.0.0.1:8080")
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = []string{actEnv + "=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	netnstest.Do(t, path, cmd.Run)
	var s host.Sample
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		t.Fatalf("%v: %s%s", err, out.Bytes(), errs.Bytes())
	}
	if len(s.Links) != 1 || len(s.Sysctls) == 0 || len(s.Sockets) != 1 || s.Sockets[0].PID != 0 {
		t.Errorf("got %+v, want a socket of nobody known", s)
	}
	if len(s.Missing) != 1 || !strings.Contains(s.Missing[0], "processes of some sockets") {
		t.Errorf("missing: %q, want the processes alone", s.Missing)
	}
}

func TestAFullAcceptQueueShowsInQueueAndCounters(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path, "sysctl -q -w net.core.somaxconn=1")
	listen(t, path, "tcp4", "127.0.0.1:8080") // and nobody accepts
	netnstest.Do(t, path, func() error {
		for range 4 {
			d := net.Dialer{Timeout: 50 * time.Millisecond}
			if c, err := d.Dial("tcp4", "127.0.0.1:8080"); err == nil {
				t.Cleanup(func() { c.Close() })
			}
		}
		return nil
	})
	s := take(t, path, host.Options{})
	if len(s.Sockets) != 1 || s.Sockets[0].Backlog != 1 || s.Sockets[0].Queue != 2 {
		t.Errorf("got sockets %+v, want one with 2 waiting where 1 may", s.Sockets)
	}
	if s.Counters["TcpExt.ListenOverflows"] == 0 {
		t.Errorf("no ListenOverflows in %v", s.Counters)
	}
}

func TestDockerProxiesOfTheNamespaceAreFound(t *testing.T) {
	path, other := netnstest.New(t), netnstest.New(t)
	pid := startProxy(t, path, "-proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd")
	startProxy(t, other, "-proto tcp -host-ip 0.0.0.0 -host-port 9090 -container-ip 172.17.0.3 -container-port 80")
	want := []host.Proxy{{
		PID: pid, Proto: "tcp",
		Host:      netip.MustParseAddrPort("0.0.0.0:8080"),
		Container: netip.MustParseAddrPort("172.17.0.2:80"),
	}}
	got := take(t, path, host.Options{}).Proxies
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// startProxy starts this test's binary as if it were a docker-proxy.
func startProxy(t *testing.T, path, args string) (pid int) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "docker-proxy")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, bin); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, bin, strings.Fields(args)...)
	t.Cleanup(func() { cancel(); cmd.Wait() })
	netnstest.Do(t, path, cmd.Start)
	return cmd.Process.Pid
}

func TestEqualStatesAreEqual(t *testing.T) {
	path, other := netnstest.New(t), netnstest.New(t)
	// IPv6 goes on changing addresses and routes for seconds.
	netnstest.Run(t, path, "sysctl -q -w net.ipv6.conf.all.disable_ipv6=1", "sysctl -q -w net.ipv6.conf.default.disable_ipv6=1")
	netnstest.Link(t, path, "eth0", "198.51.100.1/24", other, "eth0", "198.51.100.2/24")
	netnstest.Run(t, path, "ip link add docker0 type bridge")
	listen(t, path, "tcp4", "127.0.0.1:8080")
	settle(t, path)
	var r kernel.Reader
	var last *host.Sample
	for range 2 {
		s, err := r.Take(path, host.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if last != nil && !last.Equal(&s.State) {
			t.Errorf("nothing happened (-first +second):\n%s", cmp.Diff(fmt.Sprintf("%+v", last.State), fmt.Sprintf("%+v", s.State)))
		}
		last = s
	}
	netnstest.Run(t, path, "sysctl -q -w net.ipv4.ip_forward=1")
	s, err := r.Take(path, host.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if last.State.Same(&s.State) {
		t.Error("forwarding was turned on, and the states are the same")
	}
}

// settle waits until eth0 runs and no route of it is down: the kernel sees to
// that a while after both ends of a veth are up.
func settle(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		s := take(t, path, host.Options{})
		down := slices.ContainsFunc(s.Routes, func(r host.Route) bool { return r.Down })
		if link(t, s, "eth0").Running && !down {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("eth0 did not come up within ten seconds")
}

func TestChangesOfLinksAreAnnounced(t *testing.T) {
	path := netnstest.New(t)
	var f *os.File
	netnstest.Do(t, path, func() (err error) {
		f, err = kernel.Watch()
		return err
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	time.AfterFunc(20*time.Millisecond, func() { netnstest.Run(t, path, "ip link add docker0 type bridge") })
	for range kernel.Changes(ctx, f) {
		return
	}
	t.Error("a new bridge was not announced")
}

// BenchmarkTake samples a host with a bridge and 12 containers, as the opener
// does once a second.
func BenchmarkTake(b *testing.B) {
	home := netnstest.New(b)
	netnstest.Run(b, home, "ip link add docker0 type bridge", "ip addr add 172.17.0.1/16 dev docker0", "ip link set docker0 up")
	var peers []string
	for i := range 12 {
		web := netnstest.New(b)
		veth := fmt.Sprintf("veth%d", i)
		netnstest.Link(b, home, veth, fmt.Sprintf("203.0.113.%d/32", i+1), web, "eth0", fmt.Sprintf("172.17.0.%d/16", i+2))
		netnstest.Run(b, home, "ip link set "+veth+" master docker0")
		peers = append(peers, web)
	}
	for _, bench := range []struct {
		name string
		take func() error
	}{
		{"host", func() error { _, err := kernel.Take(home, host.Options{Peers: peers}); return err }},
		{"host, all namespaces", func() error {
			_, err := kernel.Take(home, host.Options{Peers: peers})
			for _, p := range peers {
				if _, e := kernel.Take(p, host.Options{Container: "web", Peers: []string{home}}); e != nil {
					err = e
				}
			}
			return err
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if err := bench.take(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
