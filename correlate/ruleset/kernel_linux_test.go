package ruleset_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"golang.org/x/sys/unix"

	"dnatrace/capture"
	"dnatrace/capture/ruletrace"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

func rulesets(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.[nr]*[ts46]")
	if err != nil || len(files) < 5 {
		t.Fatalf("rulesets: %v %v", files, err)
	}
	return files
}

func TestRulesInTheKernelReadAsProgramsPrintThem(t *testing.T) {
	for _, file := range rulesets(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			router(t)
			install(t, file)
			same, all := compareTexts(t, file, installed(t))
			t.Logf("%d of %d", same, all)
		})
	}
}

func TestTheKernelAndTheEvaluationMeetTheSameRules(t *testing.T) {
	if testing.Short() {
		t.Skip("sends a thousand packets and waits for their traces: run without -short")
	}
	for _, file := range rulesets(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			router(t)
			install(t, file)
			set := parse(t, installed(t)["nft"])
			trace := listen(t)
			sure, all, steps := 0, 0, 0
			for batch := range slices.Chunk(packets(), 20) {
				for i := range batch {
					batch[i].Tuple.SrcPort += uint16(all + i) // tells them apart
					send(t, batch[i])
				}
				all += len(batch)
				seen := trace(t)
				for _, p := range batch {
					want := seen[p.Tuple.SrcPort]
					steps += len(want)
					o := set.Evaluate(p)
					if !o.Certain() {
						continue
					}
					sure++
					if d := cmp.Diff(want, evaluated(o)); d != "" {
						t.Errorf("%s from %s (-kernel +evaluation):\n%s", p.Tuple, p.IIF, d)
					}
				}
			}
			if sure < all*3/4 || steps == 0 {
				t.Errorf("of %d packets, with %d steps, only %d are certain", all, steps, sure)
			}
			t.Logf("%d packets, %d steps, %d certain", all, steps, sure)
		})
	}
}

// packets are first packets of connections of all kinds that the rules tell
// apart.
func packets() []ruleset.Packet {
	var list []ruleset.Packet
	add := func(iif, src, dst string, proto decode.Proto, port uint16) {
		p := ruleset.Packet{IIF: iif, Length: 40, TTL: 64, AddrType: ruleset.LocalAddrs(hostAddrs...), Route: func(a netip.Addr) (string, bool) { return oif(a), true }}
		p.Tuple = decode.Tuple{Src: decode.IPFrom(netip.MustParseAddr(src)), Dst: decode.IPFrom(netip.MustParseAddr(dst)), SrcPort: 41000, DstPort: port, Proto: proto}
		switch proto {
		case decode.TCP:
			p.TCPFlags = 2
		case decode.UDP:
			p.Length = 28
		}
		if p.Tuple.Dst.Is4() != p.Tuple.Src.Is4() {
			return
		}
		if !p.Tuple.Dst.Is4() {
			p.Length += 20
		}
		list = append(list, p)
	}
	for _, port := range []uint16{22, 80, 81, 88, 90, 9000, 9001, 9002, 9003, 9004, 9015, 9030, 9031, 9040, 9041, 8080, 8081, 8082, 8085, 8086, 8087, 8088, 8443} {
		add("eth0", "203.0.113.100", "198.51.100.1", decode.TCP, port)
		add("eth0", "203.0.113.200", "198.51.100.2", decode.TCP, port)
		add("eth0", "203.0.113.7", "172.17.0.2", decode.TCP, port)
		add("br-app", "172.18.0.2", "172.17.0.2", decode.TCP, port)
	}
	for _, port := range []uint16{53, 5353, 5500, 4000} {
		add("eth0", "203.0.113.100", "198.51.100.1", decode.UDP, port)
		add("docker0", "172.17.0.2", "172.18.0.2", decode.UDP, port)
		add("docker0", "172.17.0.2", "203.0.113.100", decode.UDP, port)
	}
	for _, port := range []uint16{80, 9003, 443} {
		add("eth0", "2001:db8:2::100", "2001:db8:1::1", decode.TCP, port)
		add("eth0", "2001:db8:2::100", "fd00:17::2", decode.TCP, port)
		add("docker0", "fd00:17::2", "2001:db8:2::100", decode.UDP, port)
	}
	return list
}

func oif(a netip.Addr) string {
	for _, r := range routes {
		if r.to.Contains(a) {
			return r.oif
		}
	}
	return ""
}

// listen arms a trace of everything the test sends, and returns what gives the
// steps since the last call, as lines, by source port.
func listen(t *testing.T) func(*testing.T) map[uint16][]string {
	t.Helper()
	f, err := ruletrace.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.SetsockoptTimeval(int(f.Fd()), unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 150_000}); err != nil {
		t.Fatal(err)
	}
	run(t, `table inet tracer { chain every { type filter hook prerouting priority -500; iifname { "eth0", "docker0", "br-app" } meta l4proto { tcp, udp } meta nftrace set 1; }; }
		table bridge tracer { chain every { type filter hook prerouting priority -500; meta l4proto { tcp, udp } meta nftrace set 1; }; }`+"\n", "nft", "-f", "-")
	return func(t *testing.T) map[uint16][]string { return traced(t, f) }
}

func traced(t *testing.T, f *os.File) map[uint16][]string {
	t.Helper()
	lines := map[uint16][]string{}
	ports := map[uint32]uint16{}
	buf := make([]byte, 1<<16)
	for {
		n, err := f.Read(buf)
		if errors.Is(err, unix.EAGAIN) {
			return lines
		}
		if err != nil {
			t.Fatal(err)
		}
		events, err := decode.Control(capture.Record{Origin: capture.OriginRuleTrace, Kind: capture.KindEvent, Data: buf[:n]})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range events {
			s := e.(*decode.TraceStep)
			if s.Packet.Kind >= decode.Segment && ports[s.ID] == 0 { // a bridge gives what it passes up another id
				ports[s.ID] = s.Packet.Tuple.SrcPort
			}
			if line := stepLine(s); line != "" && s.Table != "tracer" {
				lines[ports[s.ID]] = append(lines[ports[s.ID]], line)
			}
		}
	}
}

// stepLine is a step as evaluated writes it; "" for a chain's end.
func stepLine(s *decode.TraceStep) string {
	where := fmt.Sprintf("%s %s %s", s.Family, s.Table, s.Chain)
	switch {
	case s.Type == decode.TracePolicy:
		return where + " policy " + s.Verdict.String()
	case s.Handle != 0:
		return fmt.Sprintf("%s %d", where, s.Handle)
	}
	return ""
}

func evaluated(o ruleset.Outcome) (lines []string) {
	for _, s := range o.Steps {
		where := s.Rule.Table + " " + s.Rule.Chain
		if s.Rule.Policy {
			lines = append(lines, where+" "+s.Verdict)
		} else {
			lines = append(lines, fmt.Sprintf("%s %d", where, s.Rule.Handle))
		}
	}
	return lines
}

// send puts a packet on the wire to the interface it comes in by.
func send(t *testing.T, p ruleset.Packet) {
	t.Helper()
	in, err := net.InterfaceByName(p.IIF)
	if err != nil {
		t.Fatal(err)
	}
	sendTo(t, p, p.IIF, in.HardwareAddr)
}

// sendTo puts a packet on the wire to an interface, for a hardware address.
func sendTo(t *testing.T, p ruleset.Packet, link string, to net.HardwareAddr) {
	t.Helper()
	peer, err := net.InterfaceByName(link + "-peer")
	if err != nil {
		t.Fatal(err)
	}
	eth := &layers.Ethernet{SrcMAC: peer.HardwareAddr, DstMAC: to, EthernetType: layers.EthernetTypeIPv4}
	src, dst := p.Tuple.Src.Addr().AsSlice(), p.Tuple.Dst.Addr().AsSlice()
	var ip gopacket.SerializableLayer
	var network gopacket.NetworkLayer
	if p.Tuple.Dst.Is4() {
		l := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocol(p.Tuple.Proto), SrcIP: src, DstIP: dst}
		ip, network = l, l
	} else {
		eth.EthernetType = layers.EthernetTypeIPv6
		l := &layers.IPv6{Version: 6, HopLimit: 64, NextHeader: layers.IPProtocol(p.Tuple.Proto), SrcIP: src, DstIP: dst}
		ip, network = l, l
	}
	var upper gopacket.SerializableLayer
	if p.Tuple.Proto == decode.TCP {
		l := &layers.TCP{SrcPort: layers.TCPPort(p.Tuple.SrcPort), DstPort: layers.TCPPort(p.Tuple.DstPort), SYN: true, Window: 1000}
		l.SetNetworkLayerForChecksum(network)
		upper = l
	} else {
		l := &layers.UDP{SrcPort: layers.UDPPort(p.Tuple.SrcPort), DstPort: layers.UDPPort(p.Tuple.DstPort)}
		l.SetNetworkLayerForChecksum(network)
		upper = l
	}
	frame := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(frame, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, eth, ip, upper); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, frame.Bytes(), 0, &unix.SockaddrLinklayer{Ifindex: peer.Index}); err != nil {
		t.Fatal(err)
	}
}
