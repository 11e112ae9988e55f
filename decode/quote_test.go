package decode_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"

	"dnatrace/decode"
)

type quoteStory struct {
	name  string
	frame []byte
	want  decode.Quote
}

// error4 is an ICMP error that quotes the first bytes of a packet.
func error4(t testing.TB, icmpType, code uint8, mtu uint16, quoted []byte) []byte {
	return serialise(t, ether(layers.EthernetTypeIPv4), ipv4(layers.IPProtocolICMPv4),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(icmpType, code), Seq: mtu}, gopacket.Payload(quoted))
}

func error6(t testing.TB, icmpType, code uint8, mtu uint32, quoted []byte) []byte {
	header := []byte{byte(mtu >> 24), byte(mtu >> 16), byte(mtu >> 8), byte(mtu)}
	return serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolICMPv6),
		&layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(icmpType, code)}, gopacket.Payload(append(header, quoted...)))
}

func quotes(t testing.TB) []quoteStory {
	syn4 := serialise(t, ipv4(layers.IPProtocolTCP), syn())
	syn6 := serialise(t, ether(layers.EthernetTypeIPv6), ipv6(layers.IPProtocolTCP), syn())
	ping := serialise(t, ipv4(layers.IPProtocolICMPv4), &layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77})
	dns := serialise(t, ipv4(layers.IPProtocolUDP), udp())
	later := changed(syn4, 7, 0x10)
	return []quoteStory{
		{"a port-unreachable names the datagram", error4(t, 3, 3, 0, dns),
			decode.Quote{Tuple: tuple(client4, server4, 50110, 5300, decode.UDP), Ports: true}},
		{"a reject names the SYN by eight bytes of it", error4(t, 3, 10, 0, syn4[:28]),
			decode.Quote{Tuple: tcp4(), Ports: true, Seq: 1000, HasSeq: true}},
		{"a quote that ends behind the ports has no sequence number", error4(t, 3, 10, 0, syn4[:24]),
			decode.Quote{Tuple: tcp4(), Ports: true}},
		{"a quote that ends with the IP header still tells who", error4(t, 11, 0, 0, syn4[:20]),
			decode.Quote{Tuple: tuple(client4, server4, 0, 0, decode.TCP)}},
		{"fragmentation needed tells the MTU", error4(t, 3, 4, 1400, syn4[:28]),
			decode.Quote{Tuple: tcp4(), Ports: true, Seq: 1000, HasSeq: true, MTU: 1400}},
		{"a quoted ping names its identifier", error4(t, 3, 1, 0, ping),
			decode.Quote{Tuple: tuple(client4, server4, 77, 77, decode.ICMP), Ports: true}},
		{"a quoted later fragment has no ports", error4(t, 11, 1, 0, later),
			decode.Quote{Tuple: tuple(client4, server4, 0, 0, decode.TCP)}},
		{"packet too big tells the MTU", error6(t, 2, 0, 1280, syn6[14:]),
			decode.Quote{Tuple: tcp6(), Ports: true, Seq: 1000, HasSeq: true, MTU: 1280}},
		{"an IPv6 reject sees through extension headers", error6(t, 1, 1, 0, behindExtensions(t, syn6)[14:]),
			decode.Quote{Tuple: tcp6(), Ports: true, Seq: 1000, HasSeq: true}},
	}
}

func TestAnICMPErrorQuotesAPacket(t *testing.T) {
	for _, s := range quotes(t) {
		t.Run(s.name, func(t *testing.T) {
			p, qs := decodeOne(t, s.frame)
			if p.Kind != decode.ICMPError || p.Quote != 1 || p.Truncated {
				t.Errorf("kind %v, quote %d, truncated %v; want a whole ICMP error with quote 1", p.Kind, p.Quote, p.Truncated)
			}
			if diff := cmp.Diff([]decode.Quote{s.want}, qs); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestAnErrorWithoutAQuoteIsTruncated(t *testing.T) {
	p, qs := decodeOne(t, error4(t, 3, 3, 0, make([]byte, 19)))
	if p.Kind != decode.ICMPError || p.Quote != 0 || !p.Truncated || len(qs) != 0 {
		t.Errorf("kind %v, quote %d of %d, truncated %v; want a truncated ICMP error without one", p.Kind, p.Quote, len(qs), p.Truncated)
	}
}
