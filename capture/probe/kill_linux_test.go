package probe_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/opener"
	"dnatrace/capture/probe"
)

var (
	kills  = flag.Int("kills", 20, "how many probes are killed at random moments")
	within = flag.Int("within", 900, "milliseconds after their beginning by which they are, most of them much earlier")
)

// probeEnv makes the test binary a program that probes and is killed.
const probeEnv = "PROBE_TEST_WANT"

func TestMain(m *testing.M) {
	opener.Main()
	if want := os.Getenv(probeEnv); want != "" {
		os.Exit(victim(want))
	}
	os.Exit(m.Run())
}

func victim(want string) int {
	var w probe.Want
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		return 2
	}
	path := os.Args[1]
	o, err := opener.Start(path)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	f, err := o.Probe(path, w)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	p := probe.New(f, w)
	fmt.Println("begin")
	if err := p.Begin(); err != nil {
		return 2
	}
	<-p.Over()
	time.Sleep(time.Hour)
	return 0
}

// bed is a host with a container, and a client's end of the wire where nothing of
// a probe may be seen.
type bed struct {
	host, client, web string
	seen              atomic.Int64 // frames at the client's end that name the made-up client
	frames            atomic.Int64
}

const madeUp4, madeUp6 = "203.0.113.7", "2001:db8:ffff::7"

func newBed(t *testing.T) *bed {
	b := &bed{host: netnstest.New(t), client: netnstest.New(t), web: netnstest.New(t)}
	netnstest.Run(t, b.host, "sysctl -qw net.ipv4.ip_forward=1", "sysctl -qw net.ipv4.conf.all.rp_filter=1", "sysctl -qw net.ipv6.conf.all.forwarding=1", "sysctl -qw net.ipv6.conf.default.accept_dad=0")
	netnstest.Run(t, b.web, "sysctl -qw net.ipv6.conf.default.accept_dad=0")
	netnstest.Link(t, b.host, "eth0", "198.51.100.1/24", b.client, "eth0", "198.51.100.100/24")
	netnstest.Link(t, b.host, "vethweb", "172.17.0.1/16", b.web, "eth0", "172.17.0.2/16")
	netnstest.Run(t, b.host, "ip route add default via 198.51.100.100",
		"ip addr add 2001:db8:1::1/64 dev eth0 nodad", "ip addr add fd00:17::1/64 dev vethweb nodad", "ip route add default via 2001:db8:1::100",
		"nft add table inet nat", "nft add chain inet nat pre { type nat hook prerouting priority -100 ; }",
		"nft add rule inet nat pre iifname eth0 tcp dport 8080 dnat ip to 172.17.0.2:80",
		"nft add rule inet nat pre iifname eth0 tcp dport 8081 dnat ip to 172.17.0.2:80", // its source is hidden
		"nft add rule inet nat pre iifname eth0 udp dport 5300 dnat ip to 172.17.0.2:53",
		"nft add rule inet nat pre iifname eth0 tcp dport 8080 dnat ip6 to [fd00:17::2]:80",
		"nft add rule inet nat pre iifname eth0 tcp dport 9090 dnat ip to 198.51.100.77:80", // another machine
		"nft add chain inet nat post { type nat hook postrouting priority 100 ; }",
		"nft add rule inet nat post oifname eth0 masquerade",
		"nft add rule inet nat post oifname vethweb meta l4proto tcp ct original proto-dst 8081 masquerade fully-random",
		"nft add chain inet nat filter { type filter hook forward priority 0 ; }",
		"nft add rule inet nat filter tcp dport 81 drop")
	netnstest.Run(t, b.web, "ip route add default via 172.17.0.1", "ip addr add fd00:17::2/64 dev eth0 nodad", "ip route add default via fd00:17::1")
	b.tap(t)
	b.serve(t)
	return b
}

// tap counts frames at the client's end that have the made-up client in them, be
// it in an IP header, in ARP, or quoted.
func (b *bed) tap(t *testing.T) {
	var fd int
	netnstest.Do(t, b.client, func() (err error) {
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, int(htons(unix.ETH_P_ALL)))
		return err
	})
	_ = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 100_000})
	var done atomic.Bool
	ended := make(chan struct{})
	four, six := netip.MustParseAddr(madeUp4).AsSlice(), netip.MustParseAddr(madeUp6).AsSlice()
	go func() {
		defer close(ended)
		buf := make([]byte, 1<<16)
		for !done.Load() {
			n, _, err := unix.Recvfrom(fd, buf, 0)
			if err != nil {
				continue
			}
			b.frames.Add(1)
			if bytes.Contains(buf[:n], four) || bytes.Contains(buf[:n], six) {
				b.seen.Add(1)
			}
		}
	}()
	t.Cleanup(func() {
		done.Store(true)
		<-ended
		unix.Close(fd)
	})
}

func htons(n uint16) uint16 { return n<<8 | n>>8 }

// serve answers in the container: a greeting first on port 80, a datagram for
// each on 53.
func (b *bed) serve(t *testing.T) {
	netnstest.Do(t, b.web, func() error {
		l, err := net.Listen("tcp", ":80")
		if err != nil {
			return err
		}
		u, err := net.ListenPacket("udp4", ":53")
		if err != nil {
			return err
		}
		t.Cleanup(func() { l.Close(); u.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					defer c.Close()
					_ = c.SetDeadline(time.Now().Add(time.Minute))
					buf := make([]byte, 1024)
					if n, err := c.Read(buf); err == nil {
						_, _ = c.Write(buf[:n])
						_, _ = io.Copy(io.Discard, c)
					}
				}()
			}
		}()
		go func() {
			buf := make([]byte, 1024)
			for {
				n, from, err := u.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = u.WriteTo(buf[:n], from)
			}
		}()
		return nil
	})
}

// want asks for something with a port of its own.
func (b *bed) want(t *testing.T, port uint16, asks ...probe.Ask) probe.Want {
	w := probe.Want{Link: "eth0", From: "02:00:5e:00:53:fe", Outside: []string{"eth0"}, Wait: time.Second}
	netnstest.Do(t, b.host, func() error {
		l, err := net.InterfaceByName("eth0")
		if err == nil {
			w.To = l.HardwareAddr.String()
		}
		return err
	})
	for i, a := range asks {
		a.Client = netip.AddrPortFrom(a.Client.Addr(), port+uint16(i))
		w.Asks = append(w.Asks, a)
	}
	return w
}

func from4(proto uint8, server, data string) probe.Ask {
	return probe.Ask{Proto: proto, Client: netip.MustParseAddrPort(madeUp4 + ":1"), Server: netip.MustParseAddrPort(server), Data: []byte(data)}
}

func from6(proto uint8, server, data string) probe.Ask {
	return probe.Ask{Proto: proto, Client: netip.MustParseAddrPort("[" + madeUp6 + "]:1"), Server: netip.MustParseAddrPort(server), Data: []byte(data)}
}

// asks are of every kind: answered, refused, dropped, sent on to another machine,
// and to a neighbour that is not there.
func asks() []probe.Ask {
	return []probe.Ask{
		from4(probe.TCP, "198.51.100.1:8080", "hello"),
		from4(probe.TCP, "198.51.100.1:8080", ""),
		from4(probe.TCP, "198.51.100.1:9090", ""),
		from4(probe.TCP, "198.51.100.1:22", ""),
		from4(probe.TCP, "198.51.100.1:8081", "hidden"),
		from4(probe.UDP, "198.51.100.1:5300", "hello"),
		from4(probe.UDP, "198.51.100.1:9", "nobody"),
		from4(probe.ICMP, "198.51.100.1:0", "hello"),
		from4(probe.TCP, "172.17.0.9:80", ""),
		from4(probe.TCP, "172.17.0.2:81", ""),
		from6(probe.TCP, "[2001:db8:1::1]:8080", "hello"),
		from6(probe.TCP, "[2001:db8:1::1]:22", ""),
		from6(probe.ICMP6, "[2001:db8:1::1]:0", "hello"),
	}
}

// left is what a probe could leave behind on the host.
func (b *bed) left(t *testing.T) string {
	t.Helper()
	var all []string
	netnstest.Do(t, b.host, func() error {
		for _, c := range []string{"nft list ruleset", "conntrack -L", "conntrack -L -f ipv6"} {
			args := strings.Fields(c)
			if _, err := exec.LookPath(args[0]); err != nil {
				continue
			}
			out, _ := exec.Command(args[0], args[1:]...).Output()
			for line := range strings.Lines(string(out)) {
				if args[0] == "nft" || strings.Contains(line, madeUp4) || strings.Contains(line, madeUp6) {
					all = append(all, line)
				}
			}
		}
		return nil
	})
	return strings.Join(all, "")
}

// openers are the processes that keep the privilege for a program.
func openers(t *testing.T) (n int) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	self, _ := os.Readlink("/proc/self/exe")
	for _, d := range dirs {
		line, _ := os.ReadFile("/proc/" + d.Name() + "/cmdline")
		exe, _ := os.Readlink("/proc/" + d.Name() + "/exe")
		if bytes.HasPrefix(line, []byte("dnatrace-opener")) && exe == self {
			n++
		}
	}
	return n
}

// A probe that is killed at any moment, with its whole group of processes, sends
// nothing, and leaves nothing behind.
func TestAKilledProbeSendsNothingAndLeavesNothing(t *testing.T) {
	b := newBed(t)
	before := b.left(t)
	all := asks()
	const atOnce = 4
	slots := make(chan struct{}, atOnce)
	for i := range *kills {
		slots <- struct{}{}
		w := b.want(t, uint16(20000+i*8%40000), all[i%len(all)])
		go func() {
			defer func() { <-slots }()
			b.kill(t, w, time.Duration(rand.IntN(*within))*time.Millisecond/time.Duration(1+rand.IntN(30)))
		}()
	}
	for range atOnce {
		slots <- struct{}{}
	}
	wait := time.Now().Add(20 * time.Second)
	for openers(t) > 0 && time.Now().Before(wait) {
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(1500 * time.Millisecond) // for what a server would send once more
	if n := openers(t); n > 0 {
		t.Errorf("%d processes are left", n)
	}
	if after := b.left(t); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	if n := b.seen.Load(); n > 0 {
		t.Errorf("%d frames of probes at the far end of the wire, of %d", n, b.frames.Load())
	}
	b.control(t)
	t.Logf("%d probes killed; %d frames at the far end, none of theirs", *kills, b.frames.Load())
}

// control makes sure that what leaves would be seen.
func (b *bed) control(t *testing.T) {
	t.Helper()
	netnstest.Do(t, b.host, func() error {
		c, err := net.Dial("udp4", madeUp4+":9")
		if err == nil {
			_, err = c.Write([]byte("seen"))
			c.Close()
		}
		return err
	})
	for range 100 {
		if b.seen.Load() > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("a packet that left the host was not seen at the far end of the wire")
}

// kill starts a probe and kills it some time after it has begun.
func (b *bed) kill(t *testing.T, w probe.Want, after time.Duration) {
	want, _ := json.Marshal(w)
	cmd := exec.Command("/proc/self/exe", b.host)
	cmd.Env = append(os.Environ(), probeEnv+"="+string(want))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Error(err)
		return
	}
	if _, err := io.ReadFull(out, make([]byte, len("begin\n"))); err != nil {
		t.Errorf("it did not begin: %v", err)
	}
	time.Sleep(after)
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Error(err)
	}
	_ = cmd.Wait()
	if said.Len() > 0 {
		t.Error(said.String())
	}
}
