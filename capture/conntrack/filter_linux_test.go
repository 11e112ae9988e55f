package conntrack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/conntrack"
	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/ring"
)

// flow is a first packet that conntrack announces.
type flow struct {
	network string // tcp, udp, ip4:icmp, ip6:ipv6-icmp
	addr    string
	port    uint16
}

// start sends it, to a port that nobody listens at.
func (f flow) start(t *testing.T, path string) {
	t.Helper()
	netnstest.Do(t, path, func() error {
		addr, message := f.addr, []byte{128, 0, 0, 0, 0, 1, 0, 1} // the kernel computes ICMPv6's checksum
		if f.port != 0 {
			addr = netip.AddrPortFrom(netip.MustParseAddr(f.addr), f.port).String()
		} else if f.network == "ip4:icmp" {
			message = []byte{8, 0, 0xf7, 0xfd, 0, 1, 0, 1}
		}
		c, err := net.Dial(f.network, addr)
		if err != nil && strings.Contains(err.Error(), "refused") {
			return nil
		}
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(message)
		return err
	})
}

// told reports whether a message is about it: attributes of the original tuple,
// as linux/netfilter/nfnetlink_conntrack.h numbers them.
func (f flow) told(message []byte) bool {
	attribute := func(kind uint16, value []byte) bool {
		b := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		return bytes.Contains(message, append(b, value...))
	}
	dst := uint16(2) // CTA_IP_V4_DST
	addr := netip.MustParseAddr(f.addr)
	if addr.Is6() {
		dst = 4 // CTA_IP_V6_DST
	}
	proto := map[string]byte{"tcp": 6, "udp": 17, "ip4:icmp": 1, "ip6:ipv6-icmp": 58}[f.network]
	return attribute(1, []byte{proto}) && attribute(dst, addr.AsSlice()) &&
		(f.port == 0 || attribute(3, binary.BigEndian.AppendUint16(nil, f.port))) // CTA_PROTO_DST_PORT
}

var (
	published = ring.Want{
		Ports:     []ring.Port{{Proto: 6, Port: 8080}, {Proto: 17, Port: 8080}},
		Ranges:    []ring.Range{{Proto: 6, First: 10000, Last: 19999}},
		Endpoints: []ring.Endpoint{{Addr: netip.MustParseAddr("127.0.0.2"), Ports: []ring.Port{{Proto: 6, Port: 80}, {Proto: 17, Port: 80}}}},
	}
	last = flow{"tcp", "127.0.0.1", 8080}
)

// filtered is a socket in a namespace that hears of the published only.
func filtered(t *testing.T) (path string, f *os.File) {
	t.Helper()
	path = tracked(t)
	netnstest.Run(t, path, "nft add rule inet watch in accept") // refused connections keep their entries
	f = listen(t, path)
	filterWith(t, f, published)
	return path, f
}

func filterWith(t *testing.T, f *os.File, w ring.Want) {
	t.Helper()
	prog, _, err := ring.BuildEvents(w)
	if err != nil {
		t.Fatal(err)
	}
	if err := conntrack.Filter(f, prog); err != nil {
		t.Fatal(err)
	}
}

// heard are the messages up to one about the last flow, and whether some were
// lost.
func heard(t *testing.T, f *os.File, last flow) (messages [][]byte, lost bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for b, err := range conntrack.Source(f, "host")(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Kind == capture.KindSource {
				lost = true
				continue
			}
			messages = append(messages, bytes.Clone(r.Data))
		}
		if slices.ContainsFunc(messages, last.told) || lost {
			return messages, lost
		}
	}
	t.Fatalf("never heard of %v", last)
	return nil, false
}

func TestAFilterPassesTheTargetsEventsAndNoOthers(t *testing.T) {
	path, f := filtered(t)
	flows := map[flow]bool{
		{"ip4:icmp", "127.0.0.1", 0}: true, {"ip6:ipv6-icmp", "::1", 0}: true,
		{"udp", "127.0.0.1", 8080}: true, {"tcp", "::1", 8080}: true, {"udp", "::1", 8080}: true,
		{"tcp", "127.0.0.2", 80}: true, {"udp", "127.0.0.2", 80}: true,
		{"tcp", "127.0.0.1", 10000}: true, {"tcp", "::1", 19999}: true, {"udp", "127.0.0.1", 10000}: false, {"tcp", "127.0.0.1", 20000}: false,
		{"tcp", "127.0.0.1", 8081}: false, {"udp", "127.0.0.1", 8081}: false, {"tcp", "::1", 8081}: false, {"udp", "::1", 8081}: false,
		{"tcp", "127.0.0.2", 443}: false, {"udp", "127.0.0.2", 443}: false, {"tcp", "127.0.0.3", 80}: false, {"udp", "::1", 80}: false,
	}
	for fl := range flows {
		fl.start(t, path)
	}
	last.start(t, path)
	messages, _ := heard(t, f, last)
	for fl, want := range flows {
		if got := slices.ContainsFunc(messages, fl.told); got != want {
			t.Errorf("%v: heard of %t, want %t", fl, got, want)
		}
	}
}

func TestWithoutAFilterEverythingIsHeardAgain(t *testing.T) {
	path, f := filtered(t)
	other := flow{"udp", "127.0.0.1", 8081}
	other.start(t, path)
	for range 2 { // the second time there is none to take away
		if err := conntrack.Filter(f, nil); err != nil {
			t.Fatal(err)
		}
	}
	again := flow{"udp", "127.0.0.1", 8082}
	again.start(t, path)
	messages, _ := heard(t, f, again)
	if slices.ContainsFunc(messages, other.told) {
		t.Error("the filter let another's event pass")
	}
}

func TestOnlyWantedEventsOverrunAFilteredSocketAndThatIsSaid(t *testing.T) {
	path, f := filtered(t)
	shrink(t, f)
	for range 200 { // nobody reads meanwhile
		flow{"udp", "127.0.0.1", 8081}.start(t, path)
	}
	last.start(t, path)
	if _, lost := heard(t, f, last); lost {
		t.Error("what did not pass the filter overran the socket")
	}
	path, f = filtered(t)
	shrink(t, f)
	for range 200 {
		flow{"udp", "127.0.0.1", 8080}.start(t, path)
	}
	if _, lost := heard(t, f, flow{"tcp", "127.0.0.1", 1}); !lost {
		t.Error("a socket that was overrun does not say so")
	}
}

func TestEndsAreHeardOfOnlyIfAsked(t *testing.T) {
	path := tracked(t)
	var f *os.File
	netnstest.Do(t, path, func() (err error) {
		f, err = conntrack.Listen(false)
		return err
	})
	connect(t, path, "tcp4", "127.0.0.1:0")
	netnstest.Run(t, path, "conntrack -F")
	again := flow{"udp", "127.0.0.1", 8082}
	again.start(t, path)
	messages, _ := heard(t, f, again)
	for _, m := range messages {
		if kind := binary.NativeEndian.Uint16(m[4:]); kind != msgNew {
			t.Errorf("got a message of type %x", kind)
		}
	}
}
