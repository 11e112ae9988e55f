package probe

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"testing"
)

func ask(proto uint8, client, server, data string) *Ask {
	return &Ask{Proto: proto, Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(server), Data: []byte(data)}
}

// sums checks the checksums of a packet as a receiver does: what is summed up with
// them is zero.
func sums(t *testing.T, b []byte) {
	t.Helper()
	src, dst, proto, rest, ok := ipParts(b)
	if !ok {
		t.Fatalf("no packet: %x", b)
	}
	if b[0]>>4 == 4 && checksum(b[:ip4Size], 0) != 0 {
		t.Errorf("the IP header's checksum is wrong: %x", b[:ip4Size])
	}
	sum := uint32(0)
	if proto != ICMP {
		sum = pseudo(src, dst, proto, len(rest))
	}
	if got := checksum(rest, sum); got != 0 {
		t.Errorf("the checksum of protocol %d is off by %#x: %x", proto, got, rest)
	}
	if total(b) != len(b) {
		t.Errorf("it says that it has %d bytes, and has %d", total(b), len(b))
	}
}

func TestPacketsAreWhole(t *testing.T) {
	for _, r := range []struct {
		name   string
		packet []byte
	}{
		{"a SYN", tcpPacket(ask(TCP, "203.0.113.7:40000", "198.51.100.1:8080", ""), 1, segment{seq: 7, flags: syn, options: synOptions(true)})},
		{"a SYN over IPv6", tcpPacket(ask(TCP, "[2001:db8::7]:40000", "[2001:db8:1::1]:8080", ""), 1, segment{seq: 7, flags: syn, options: synOptions(false)})},
		{"an odd number of bytes", tcpPacket(ask(TCP, "203.0.113.7:40000", "198.51.100.1:8080", ""), 1, segment{flags: psh | ack, data: []byte("GET")})},
		{"a datagram", udpPacket(ask(UDP, "203.0.113.7:40000", "198.51.100.1:53", "x"), 2)},
		{"a datagram over IPv6 without data", udpPacket(ask(UDP, "[2001:db8::7]:40000", "[2001:db8:1::1]:53", ""), 2)},
		{"an echo", echoPacket(ask(ICMP, "203.0.113.7:99", "198.51.100.1:0", "ping"), 3, 1)},
		{"an echo over IPv6", echoPacket(ask(ICMP6, "[2001:db8::7]:99", "[2001:db8:1::1]:0", "ping"), 3, 1)},
	} {
		t.Run(r.name, func(t *testing.T) { sums(t, r.packet) })
	}
}

// The example of RFC 1071, §3.
func TestChecksumOfTheRFC(t *testing.T) {
	b, _ := hex.DecodeString("0001f203f4f5f6f7")
	if got := checksum(b, 0); got != ^uint16(0xddf2) {
		t.Errorf("%#x", got)
	}
}

func TestAFrameNamesItsProtocol(t *testing.T) {
	to, from := [6]byte{2, 0, 0, 0, 0, 1}, [6]byte{2, 0, 0, 0, 0, 2}
	four := Frame(to, from, udpPacket(ask(UDP, "203.0.113.7:1", "198.51.100.1:2", ""), 0))
	six := Frame(to, from, udpPacket(ask(UDP, "[2001:db8::7]:1", "[2001:db8::1]:2", ""), 0))
	if got := binary.BigEndian.Uint16(four[12:]); got != etherIPv4 || [6]byte(four) != to {
		t.Errorf("IPv4: %x", four[:14])
	}
	if got := binary.BigEndian.Uint16(six[12:]); got != etherIPv6 || [6]byte(six[6:]) != from {
		t.Errorf("IPv6: %x", six[:14])
	}
}

func TestWhatNoClientCanHaveIsRefused(t *testing.T) {
	for _, ip := range []string{"0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "::", "::1", "ff02::1", "fe80::1"} {
		if CheckClient(netip.MustParseAddr(ip)) == nil {
			t.Errorf("%s is taken for a client", ip)
		}
	}
	for _, ip := range []string{"203.0.113.7", "10.0.0.9", "2001:db8::7"} {
		if err := CheckClient(netip.MustParseAddr(ip)); err != nil {
			t.Error(err)
		}
	}
	w := Want{Asks: []Ask{*ask(TCP, "203.0.113.7:1", "[2001:db8::1]:2", "")}}
	if w.Check() == nil {
		t.Error("one family asks the other")
	}
}
