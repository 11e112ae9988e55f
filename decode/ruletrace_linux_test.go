package decode_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"dnatrace/capture/rules"
	"dnatrace/capture/ruletrace"
	"dnatrace/decode"
)

// steps reads trace messages until none came for a while.
func steps(t *testing.T, f *os.File) (all []*decode.TraceStep) {
	t.Helper()
	buf := make([]byte, 1<<16)
	for {
		n, err := f.Read(buf)
		if errors.Is(err, unix.EAGAIN) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, traceSteps(t, buf[:n])...)
	}
}

func traceSteps(t *testing.T, data []byte) (all []*decode.TraceStep) {
	t.Helper()
	events, err := decode.Control(traceRecord(data))
	if err != nil {
		t.Fatalf("%v in %x", err, data)
	}
	for _, e := range events {
		all = append(all, e.(*decode.TraceStep))
	}
	return all
}

// routed is a router between a client and a server. Ports 8080 to 8082 are
// translated to the server's 80 to 82; what comes of that is up to the rules of
// FORWARD.
func routed(t *testing.T) {
	t.Helper()
	inNamespace(t)
	for _, line := range []string{
		"link add toclient type veth peer name eth0",
		"link add toserver type veth peer name server",
		"addr add 203.0.113.1/24 dev toclient",
		"addr add 2001:db8::1/64 dev toclient nodad",
		"addr add 172.17.0.1/16 dev toserver",
		"link set toclient up",
		"link set toserver up",
		"link set eth0 up",
		"link set server up",
		"route add default dev toclient",
	} {
		run(t, "ip", strings.Fields(line)...)
	}
	run(t, "nft", "delete table inet dnatrace")
	run(t, "nft", `
		table ip nat {
			chain PREROUTING {
				type nat hook prerouting priority -100;
				tcp dport 8080 dnat to 172.17.0.2:80
				tcp dport 8081 dnat to 172.17.0.2:81
				tcp dport 8082 dnat to 172.17.0.2:82
			}
		}
		table ip filter {
			chain DOCKER-USER { tcp dport 443 accept; tcp dport 80 drop; tcp dport 82 return; }
			chain FORWARD { type filter hook forward priority 0; policy drop; jump DOCKER-USER; }
		}`)
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0); err != nil {
		t.Skipf("needs forwarding: %v", err)
	}
}

// trace arms a trace of everything from and to the client, and returns a
// function that says what came of it.
func trace(t *testing.T) (seen func() []*decode.TraceStep) {
	t.Helper()
	f, err := ruletrace.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.SetsockoptTimeval(int(f.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 200_000}); err != nil {
		t.Fatal(err)
	}
	table, note, err := ruletrace.Arm(ruletrace.Want{Hosts: []netip.Addr{client4, client6}})
	if err != nil || note != "" {
		t.Fatal(note, err)
	}
	t.Cleanup(func() { table.Close() })
	return func() []*decode.TraceStep { return steps(t, f) }
}

var (
	tables   = regexp.MustCompile(`(?m)^table (\w+ \w+) `)
	chains   = regexp.MustCompile(`^\tchain ([-\w]+) `)
	numbered = regexp.MustCompile(`^\t\t(.*) # handle (\d+)$`)
)

// written is every rule as nft lists it, by table, chain and handle.
func written(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	table, chain := "", ""
	for line := range strings.Lines(run(t, "nft", "-a", "list", "ruleset")) {
		line = strings.TrimRight(line, "\n")
		if m := tables.FindStringSubmatch(line); m != nil {
			table = m[1]
		} else if m := chains.FindStringSubmatch(line); m != nil {
			chain = m[1]
		} else if m := numbered.FindStringSubmatch(line); m != nil {
			texts[fmt.Sprintf("%s %s %s", table, chain, m[2])] = m[1]
		}
	}
	return texts
}

// inOrder writes the steps in the tables of the test, each with its rule's text.
func inOrder(steps []*decode.TraceStep, texts map[string]string) (lines []string) {
	for _, s := range steps {
		if strings.HasPrefix(s.Table, rules.TracePrefix) {
			continue
		}
		what := "end"
		switch {
		case s.Type == decode.TracePolicy:
			what = "policy"
		case s.Handle != 0:
			what = texts[fmt.Sprintf("%s %s %s %d", s.Family, s.Table, s.Chain, s.Handle)]
		}
		lines = append(lines, fmt.Sprintf("%s %s %s: %s: %s", s.Family, s.Table, s.Chain, what, s.Verdict))
	}
	return lines
}

func TestATraceNamesTheRulesThatNftLists(t *testing.T) {
	routed(t)
	seen := trace(t)
	texts := written(t)
	for _, r := range []struct {
		name string
		port layers.TCPPort
		want []string
	}{
		{"a rule drops after translation", 8080, []string{
			"ip nat PREROUTING: tcp dport 8080 dnat to 172.17.0.2:80: accept",
			"ip filter FORWARD: jump DOCKER-USER: jump DOCKER-USER",
			"ip filter DOCKER-USER: tcp dport 80 drop: drop",
		}},
		{"no rule wants it, the policy drops", 8081, []string{
			"ip nat PREROUTING: tcp dport 8081 dnat to 172.17.0.2:81: accept",
			"ip filter FORWARD: jump DOCKER-USER: jump DOCKER-USER",
			"ip filter DOCKER-USER: end: continue",
			"ip filter FORWARD: end: continue",
			"ip filter FORWARD: policy: drop",
		}},
		{"a rule returns", 8082, []string{
			"ip nat PREROUTING: tcp dport 8082 dnat to 172.17.0.2:82: accept",
			"ip filter FORWARD: jump DOCKER-USER: jump DOCKER-USER",
			"ip filter DOCKER-USER: tcp dport 82 return: return",
			"ip filter FORWARD: end: continue",
			"ip filter FORWARD: policy: drop",
		}},
	} {
		ip := &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: layers.IPProtocolTCP, SrcIP: client4.AsSlice(), DstIP: net.IP{203, 0, 113, 1}}
		tcp := &layers.TCP{SrcPort: 50110, DstPort: r.port, SYN: true, Seq: 1000}
		tcp.SetNetworkLayerForChecksum(ip)
		arrive(t, ip, tcp)
		steps := seen()
		if diff := cmp.Diff(r.want, inOrder(steps, texts)); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", r.name, diff)
		}
		for _, s := range steps {
			if s.ID != steps[0].ID {
				t.Errorf("%s: one packet has the ids %d and %d", r.name, s.ID, steps[0].ID)
			}
		}
	}
}

func TestATraceHasThePacket(t *testing.T) {
	routed(t)
	seen := trace(t)
	home4, home6 := netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1")
	ip4 := func(p layers.IPProtocol) *layers.IPv4 {
		return &layers.IPv4{Version: 4, TTL: 64, Id: 7, Protocol: p, SrcIP: client4.AsSlice(), DstIP: home4.AsSlice()}
	}
	ip6 := func(p layers.IPProtocol) *layers.IPv6 {
		return &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: p, SrcIP: client6.AsSlice(), DstIP: home6.AsSlice()}
	}
	rst, udp6 := &layers.TCP{SrcPort: 50110, DstPort: 9, RST: true, Seq: 1000}, &layers.UDP{SrcPort: 50110, DstPort: 9}
	rst.SetNetworkLayerForChecksum(ip4(0))
	udp6.SetNetworkLayerForChecksum(ip6(0))
	ping6 := &layers.ICMPv6{TypeCode: layers.CreateICMPv6TypeCode(128, 0)}
	ping6.SetNetworkLayerForChecksum(ip6(0))
	data := gopacket.Payload("question")
	for _, r := range []struct {
		name    string
		network gopacket.SerializableLayer
		rest    []gopacket.SerializableLayer
		want    decode.Packet
	}{
		{"a reset with data", ip4(layers.IPProtocolTCP), []gopacket.SerializableLayer{rst, data}, decode.Packet{
			Tuple: tuple(client4, home4, 50110, 9, decode.TCP), Kind: decode.Segment, Seq: 1000, Flags: decode.RST, IPID: 7, TTL: 64, Payload: 8}},
		{"a ping", ip4(layers.IPProtocolICMPv4), []gopacket.SerializableLayer{&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77, Seq: 1}}, decode.Packet{
			Tuple: tuple(client4, home4, 77, 77, decode.ICMP), Kind: decode.EchoRequest, Type: 8, Seq: 1, IPID: 7, TTL: 64}},
		{"an IPv6 datagram", ip6(layers.IPProtocolUDP), []gopacket.SerializableLayer{udp6, data}, decode.Packet{
			Tuple: tuple(client6, home6, 50110, 9, decode.UDP), Kind: decode.Datagram, TTL: 64, Payload: 8}},
		{"an IPv6 ping", ip6(layers.IPProtocolICMPv6), []gopacket.SerializableLayer{ping6, gopacket.Payload{0, 78, 0, 2}}, decode.Packet{
			Tuple: tuple(client6, home6, 78, 78, decode.ICMPv6), Kind: decode.EchoRequest, Type: 128, Seq: 2, TTL: 64}},
	} {
		arrive(t, r.network, r.rest...)
		found := false
		for _, s := range seen() {
			if s.Packet.Kind == decode.Other || s.Packet.Src != r.want.Src {
				continue
			}
			found = true
			got := s.Packet
			if got.SrcMAC == [6]byte{} || got.DstMAC == [6]byte{} || s.IIF == 0 {
				t.Errorf("%s: from %x to %x by interface %d", r.name, got.SrcMAC, got.DstMAC, s.IIF)
			}
			got.SrcMAC, got.DstMAC = [6]byte{}, [6]byte{}
			withoutDigest(&got)
			if diff := cmp.Diff(r.want, got); diff != "" {
				t.Errorf("%s in %s %s: want (-), got (+):\n%s", r.name, s.Table, s.Chain, diff)
			}
		}
		if !found {
			t.Errorf("%s was not traced", r.name)
		}
	}
}

// arrive puts a packet from the client on the wire.
func arrive(t *testing.T, network gopacket.SerializableLayer, rest ...gopacket.SerializableLayer) {
	t.Helper()
	router, err := net.InterfaceByName("toclient")
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.InterfaceByName("eth0")
	if err != nil {
		t.Fatal(err)
	}
	kind := layers.EthernetTypeIPv4
	if _, ok := network.(*layers.IPv6); ok {
		kind = layers.EthernetTypeIPv6
	}
	frame := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(frame, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append([]gopacket.SerializableLayer{
		&layers.Ethernet{SrcMAC: client.HardwareAddr, DstMAC: router.HardwareAddr, EthernetType: kind}, network}, rest...)...); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, frame.Bytes(), 0, &unix.SockaddrLinklayer{Ifindex: client.Index}); err != nil {
		t.Fatal(err)
	}
}
