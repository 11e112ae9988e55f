package decode_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture"
	"dnatrace/decode"
)

// inNamespace gives the rest of the test a network namespace of its own, with
// connection tracking, times of entries, and port 8080 translated to 8081. The
// thread is never unlocked, so that it ends with the test and the namespace
// with it.
func inNamespace(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace: run it with sudo")
	}
	for _, tool := range []string{"ip", "nft", "conntrack"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s: install iproute2, nftables and conntrack", tool)
		}
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("needs a network namespace: %v", err)
	}
	run(t, "ip", "link", "set", "lo", "up")
	run(t, "nft", `
		table inet dnatrace {
			chain output { type nat hook output priority -100; meta l4proto { tcp, udp } th dport 8080 dnat to :8081; }
			chain input { type filter hook input priority 0; ct state new accept; }
		}`)
	if err := os.WriteFile("/proc/sys/net/netfilter/nf_conntrack_timestamp", []byte("1"), 0); err != nil {
		t.Skipf("needs times of conntrack entries: %v", err)
	}
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatalf("run %s %v: %v", name, args, err)
	}
	return string(out)
}

func dialConntrack(t *testing.T, groups ...uint32) *netlink.Conn {
	t.Helper()
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		t.Fatalf("open netlink: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	for _, g := range groups {
		if err := c.JoinGroup(g); err != nil {
			t.Fatalf("join conntrack group %d: %v", g, err)
		}
	}
	return c
}

// raw is what the kernel sent.
func raw(t *testing.T, ms []netlink.Message) (b []byte) {
	t.Helper()
	for _, m := range ms {
		one, err := m.MarshalBinary()
		if err != nil {
			t.Fatalf("marshal netlink message: %v", err)
		}
		b = append(b, one...)
	}
	return b
}

// changes reads conntrack events until none came for a while.
func changes(t *testing.T, c *netlink.Conn) (got []*decode.Conntrack) {
	t.Helper()
	for {
		c.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		ms, err := c.Receive()
		if err != nil {
			return got
		}
		for _, m := range ms {
			got = append(got, entries(t, capture.KindEvent, raw(t, []netlink.Message{m}))...)
		}
	}
}

func entries(t *testing.T, kind string, data []byte) (got []*decode.Conntrack) {
	t.Helper()
	events, err := decode.Control(capture.Record{Time: 1, Origin: capture.OriginConntrack, Kind: kind, Data: data})
	if err != nil {
		t.Fatalf("%v in %x", err, data)
	}
	for _, e := range events {
		got = append(got, e.(*decode.Conntrack))
	}
	return got
}

// traffic makes an established connection, a refused one, datagrams and a ping,
// over IPv4 and IPv6.
func traffic(t *testing.T) {
	t.Helper()
	for _, host := range []string{"127.0.0.1", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "8081"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		c, err := net.Dial("tcp", net.JoinHostPort(host, "8080"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if _, err := net.Dial("tcp", net.JoinHostPort(host, "9")); err == nil {
			t.Fatal("connected to a closed port")
		}
		u, err := net.Dial("udp", net.JoinHostPort(host, "8080"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.Close() })
		u.Write([]byte("x"))
	}
	ping(t, "ip4:icmp", "127.0.0.1", []byte{8, 0, 0, 0, 0, 77, 0, 1})
	ping(t, "ip6:ipv6-icmp", "::1", []byte{128, 0, 0, 0, 0, 78, 0, 1})
}

func ping(t *testing.T, network, host string, message []byte) {
	t.Helper()
	c, err := net.Dial(network, host)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var sum uint32
	for i := 0; i < len(message); i += 2 {
		sum += uint32(message[i])<<8 | uint32(message[i+1])
	}
	sum = ^(sum + sum>>16)
	message[2], message[3] = byte(sum>>8), byte(sum) // the kernel writes ICMPv6's over it
	if _, err := c.Write(message); err != nil {
		t.Fatal(err)
	}
}

func TestConntrackSaysWhatTheConntrackToolSays(t *testing.T) {
	inNamespace(t)
	began := time.Now().UnixNano()
	events := dialConntrack(t, 1, 2, 3)
	traffic(t)
	seen := changes(t, events)

	ms, err := dialConntrack(t).Execute(netlink.Message{
		Header: netlink.Header{Type: 1<<8 | 1, Flags: netlink.Request | netlink.Dump},
		Data:   make([]byte, 4),
	})
	if err != nil {
		t.Fatalf("dump connection tracking: %v", err)
	}
	listed := entries(t, capture.KindDump, raw(t, ms))
	var got []string
	for _, c := range listed {
		got = append(got, inWords(c))
	}
	want := append(toolWords(run(t, "conntrack", "-L", "-f", "ipv4", "-o", "id")), toolWords(run(t, "conntrack", "-L", "-f", "ipv6", "-o", "id"))...)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("conntrack -L (-) and this package (+) disagree:\n%s", diff)
	}
	if len(got) < 6 {
		t.Errorf("%d entries listed: the comparison is thin", len(got))
	}

	refused := 0
	for _, c := range seen {
		if c.Time < began || c.Time > time.Now().UnixNano() {
			t.Errorf("%v changed at %d, outside the test", c.Orig, c.Time)
		}
		if c.Change == decode.ConntrackDestroyed && c.Orig.DstPort == 9 {
			refused++
			if c.State != decode.StateClose || c.Started < began || c.Time < c.Started {
				t.Errorf("a refused connection ended in state %d, from %d to %d", c.State, c.Started, c.Time)
			}
		}
	}
	if refused != 2 {
		t.Errorf("%d connections were destroyed, want the two refused ones", refused)
	}
}

var states = []string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}

// inWords writes an entry as the conntrack tool does, without what changes from
// moment to moment.
func inWords(c *decode.Conntrack) string {
	proto := c.Orig.Proto.String()
	if proto == "icmp6" {
		proto = "icmpv6"
	}
	words := []string{proto}
	if c.Orig.Proto == decode.TCP {
		words = append(words, states[c.State])
	}
	for _, d := range []decode.Tuple{c.Orig, c.Reply} {
		words = append(words, "src="+d.Src.Addr().String(), "dst="+d.Dst.Addr().String())
		switch d.Proto {
		case decode.ICMP, decode.ICMPv6:
			words = append(words, fmt.Sprintf("id=%d", d.SrcPort))
		default:
			words = append(words, fmt.Sprintf("sport=%d dport=%d", d.SrcPort, d.DstPort))
		}
	}
	if c.Status&decode.StatusSeenReply == 0 {
		words = append(words, "[UNREPLIED]")
	}
	if c.Status&decode.StatusAssured != 0 {
		words = append(words, "[ASSURED]")
	}
	return strings.Join(append(words, fmt.Sprintf("id=%d", c.ID)), " ")
}

var (
	numbers = regexp.MustCompile(`^(\w+) +\d+ \d+ `)
	noise   = regexp.MustCompile(`(type|code|mark|use|delta-time|zone)=\S+ ?|\[start=[^]]*\] ?`)
	address = regexp.MustCompile(`=([0-9a-f:]+:[0-9a-f:]*)`)
	mark    = regexp.MustCompile(`^(.*) (\[UNREPLIED\])( .*) (id=\d+)$`)
)

// toolWords reads conntrack -L.
func toolWords(out string) (lines []string) {
	for line := range strings.Lines(out) {
		line = numbers.ReplaceAllString(strings.TrimSpace(line), "$1 ")
		line = noise.ReplaceAllString(line, "")
		line = mark.ReplaceAllString(line, "$1$3 $2 $4") // the tool puts it between the tuples
		line = address.ReplaceAllStringFunc(line, func(a string) string {
			return "=" + netip.MustParseAddr(a[1:]).String()
		})
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}
