package ruleset_test

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
)

// guards are rules of the bridge family as people write them.
var guards = map[string]string{
	"by port of the bridge and address": `table bridge guard {
		set away { type ether_addr; elements = { 02:00:00:00:00:99 }; }
		chain in { type filter hook prerouting priority -300; iifname "port1" ip saddr 172.17.0.9 drop; ether saddr @away drop; ether type 0x8847 drop; }
		chain up { type filter hook input priority 0; iifname "port1" tcp dport 22 drop; udp dport 53 counter accept; iifname "port2" udp dport 1000-2000 drop; }
		chain across { type filter hook forward priority -200; policy drop;
			ether type arp accept
			iifname != "eth0" oifname { "port1", "port2" } jump ports
			ip6 nexthdr tcp tcp dport vmap { 80 : accept, 81 : drop }; }
		chain ports { iifname . tcp dport vmap { "port1" . 80 : accept, "port2" . 81 : goto last }; ether daddr 02:00:00:00:00:02 udp dport 53 accept; }
		chain last { counter accept; }
		chain out { type filter hook output priority 0; oifname "port2" ip daddr 172.17.0.0/16 tcp dport 80 drop; ip6 daddr fd00:17::2 udp dport { 53, 54 } drop; meta protocol ip meta mark 7 drop; }
		chain gone { type filter hook postrouting priority 300; oifname "port2" ether daddr 02:00:00:00:00:03 tcp dport 9000 drop; iifname != "port2" oifname "port1" tcp dport 9001 counter drop; }
	}`,
	"beside rules of IP": `table ip nat { chain pre { type nat hook prerouting priority -100; iifname "eth0" tcp dport 8080 dnat to 172.17.0.2:80; iifname "docker0" tcp dport 8081 dnat to 172.17.0.3:81; };
		chain post { type nat hook postrouting priority 100; oifname "docker0" tcp dport 81 masquerade; }; }
	table inet filter { chain forward { type filter hook forward priority 0; policy accept; tcp dport 82 drop; iifname "docker0" oifname "docker0" tcp dport 83 drop; }; }
	table bridge guard {
		chain in { type filter hook prerouting priority -300; tcp dport 8081 counter; tcp dport 84 drop; }
		chain late { type filter hook prerouting priority 300; tcp dport 8081 counter; tcp dport 85 drop; }
		chain across { type filter hook forward priority -200; tcp dport 83 counter; }
		chain out { type filter hook output priority 0; ip daddr 172.17.0.2 tcp dport 80 drop; meta l4proto udp accept; }
		chain gone { type filter hook postrouting priority 0; policy drop; tcp dport 81 accept; udp dport 53 accept; }
	}`,
}

// TestTheKernelAndTheEvaluationMeetTheSameRulesOfBridges sends frames over a
// real bridge.
func TestTheKernelAndTheEvaluationMeetTheSameRulesOfBridges(t *testing.T) {
	if testing.Short() {
		t.Skip("sends hundreds of frames and waits for their traces: run without -short")
	}
	for name, rules := range guards {
		for _, calls := range []bool{false, true} {
			t.Run(name+map[bool]string{true: ", with br_netfilter"}[calls], func(t *testing.T) {
				bridged(t, calls)
				run(t, rules, "nft", "-f", "-")
				set := parse(t, installed(t)["nft"])
				compareTraces(t, set, framesOn(calls))
			})
		}
	}
}

// compareTraces sends packets and has the kernel tell which rules they met.
func compareTraces(t *testing.T, set *ruleset.Set, packets []ruleset.Packet) {
	t.Helper()
	trace := listen(t)
	sure, dropped := 0, 0
	for i, p := range packets {
		p.Tuple.SrcPort += uint16(i) // tells them apart
		packets[i] = p
		sendFrame(t, p)
	}
	seen := trace(t)
	for _, p := range packets {
		o := set.Evaluate(p)
		want := seen[p.Tuple.SrcPort]
		if !o.Certain() {
			continue
		}
		sure++
		if o.Stage == stage.Bridge {
			dropped++
		}
		if d := cmp.Diff(want, evaluated(o)); d != "" {
			t.Errorf("%s from %s %s (-kernel +evaluation):\n%s", p.Tuple, p.IIF, p.Port.Name, d)
		}
	}
	t.Logf("%d packets, %d certain, %d dropped by bridges", len(packets), sure, dropped)
	if sure < len(packets)*3/4 || dropped == 0 {
		t.Errorf("of %d packets only %d are certain, and bridges drop %d", len(packets), sure, dropped)
	}
}

// sendFrame puts a packet on the wire of a port, to whom it is for; or of eth0.
func sendFrame(t *testing.T, p ruleset.Packet) {
	t.Helper()
	if p.Port.Name == "" {
		send(t, p)
		return
	}
	b, _ := p.Bridge("docker0")
	to := b.Port(p.Tuple.Dst.Addr()).MAC
	if to == (ruleset.MAC{}) {
		to = b.MAC
	}
	sendTo(t, p, p.Port.Name, to[:])
}

// bridged is a router whose docker0 is a bridge of two ports.
func bridged(t *testing.T, calls bool) {
	t.Helper()
	inNamespace(t)
	for _, line := range []string{
		"link set lo up",
		"link add eth0 type veth peer name eth0-peer",
		"link add docker0 address 02:00:00:00:00:01 type bridge forward_delay 0",
		"link add port1 type veth peer name port1-peer address 02:00:00:00:00:02",
		"link add port2 type veth peer name port2-peer address 02:00:00:00:00:03",
		"link set port1 master docker0", "link set port2 master docker0",
		"addr add 198.51.100.1/24 dev eth0", "addr add 172.17.0.1/16 dev docker0",
		"addr add 2001:db8:1::1/64 dev eth0 nodad", "addr add fd00:17::1/64 dev docker0 nodad",
		"link set eth0 up", "link set eth0-peer up", "link set docker0 up",
		"link set port1 up", "link set port1-peer up", "link set port2 up", "link set port2-peer up",
		"route add default dev eth0", "-6 route add default dev eth0",
		"neigh add 172.17.0.2 lladdr 02:00:00:00:00:02 dev docker0", "neigh add 172.17.0.3 lladdr 02:00:00:00:00:03 dev docker0",
		"neigh add fd00:17::2 lladdr 02:00:00:00:00:02 dev docker0", "neigh add fd00:17::3 lladdr 02:00:00:00:00:03 dev docker0",
	} {
		run(t, "", "ip", strings.Fields(line)...)
	}
	run(t, "", "bridge", "fdb", "replace", "02:00:00:00:00:02", "dev", "port1", "master", "static")
	run(t, "", "bridge", "fdb", "replace", "02:00:00:00:00:03", "dev", "port2", "master", "static")
	for path, v := range map[string]string{
		"net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv4/conf/all/rp_filter": "0",
		"net/ipv4/conf/eth0/rp_filter": "0", "net/ipv4/conf/docker0/rp_filter": "0",
		"net/bridge/bridge-nf-call-iptables":  map[bool]string{false: "0", true: "1"}[calls],
		"net/bridge/bridge-nf-call-ip6tables": map[bool]string{false: "0", true: "1"}[calls],
	} {
		err := os.WriteFile("/proc/sys/"+path, []byte(v), 0)
		if missing := os.IsNotExist(err) && strings.HasPrefix(path, "net/bridge/"); err != nil && (!missing || calls) {
			t.Skipf("needs to set %s: %v", path, err)
		}
	}
}

// behind are the ends behind the ports of the bridge.
var behind = map[string]ruleset.Port{
	"172.17.0.2": {Name: "port1", MAC: ruleset.MAC{2, 0, 0, 0, 0, 2}},
	"172.17.0.3": {Name: "port2", MAC: ruleset.MAC{2, 0, 0, 0, 0, 3}},
	"fd00:17::2": {Name: "port1", MAC: ruleset.MAC{2, 0, 0, 0, 0, 2}},
	"fd00:17::3": {Name: "port2", MAC: ruleset.MAC{2, 0, 0, 0, 0, 3}},
}

// framesOn are packets that cross the bridge, go up from it and come down to it.
func framesOn(calls bool) []ruleset.Packet {
	docker0 := ruleset.Bridge{MAC: ruleset.MAC{2, 0, 0, 0, 0, 1}, Calls: calls, Port: func(a netip.Addr) ruleset.Port { return behind[a.String()] }}
	var list []ruleset.Packet
	for _, way := range [][3]string{
		{"eth0", "203.0.113.100", "198.51.100.1"}, {"eth0", "203.0.113.100", "172.17.0.2"}, {"eth0", "203.0.113.100", "172.17.0.3"}, {"eth0", "2001:db8:2::100", "fd00:17::2"},
		{"port1", "172.17.0.2", "172.17.0.3"}, {"port2", "172.17.0.3", "172.17.0.2"}, {"port1", "172.17.0.2", "172.17.0.1"}, {"port2", "172.17.0.3", "172.17.0.1"},
		{"port1", "172.17.0.9", "172.17.0.3"}, {"port1", "172.17.0.2", "203.0.113.100"}, {"port2", "fd00:17::3", "fd00:17::2"}, {"port1", "fd00:17::2", "fd00:17::1"},
	} {
		for _, port := range []uint16{22, 80, 81, 82, 83, 84, 85, 8080, 8081, 9000, 9001, 53, 54, 1500} {
			p := ruleset.Packet{IIF: way[0], Length: 40, TTL: 64, TCPFlags: 2, AddrType: ruleset.LocalAddrs(hostAddrs...), Route: func(a netip.Addr) (string, bool) { return oif(a), true }}
			p.Tuple = decode.Tuple{Src: decode.IPFrom(netip.MustParseAddr(way[1])), Dst: decode.IPFrom(netip.MustParseAddr(way[2])), SrcPort: 41000, DstPort: port, Proto: decode.TCP}
			if slices.Contains([]uint16{53, 54, 1500}, port) {
				p.Tuple.Proto, p.TCPFlags, p.Length = decode.UDP, 0, 28
			}
			if way[0] != "eth0" {
				p.IIF, p.Port.Name = "docker0", way[0]
			}
			p.Bridge = func(link string) (*ruleset.Bridge, bool) {
				if link == "docker0" {
					return &docker0, true
				}
				return nil, true
			}
			list = append(list, p)
		}
	}
	return list
}
