package correlate_test

import (
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// stalls are about connections on which bytes stop getting through (rule 2).
var stalls = []row{
	{
		name:  "the server reads nothing and closes its window",
		story: shake + translated + ask + "0.4ms web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=151 win=0\n1s web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=151 win=0",
		want:  []string{"stalled at container: zero-window, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "a window that opens again is no stall",
		story: shake + translated + ask + "0.4ms web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=151 win=0\n0.1s web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=151",
		want:  []string{"unanswered at container: server-silent, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "the card takes less than the bridge, and no message says so",
		but: func(s *scene) {
			s.samples["host"].Links[1].MTU, s.samples["host"].Links[2].MTU = 1300, 1500
		},
		story: shake + translated + ask + heard + "0.5ms web:eth0 veth1 docker0 H > C P. seq=501 ack=151 len=1448\n0.8s web:eth0 veth1 docker0 H > C P. seq=501 ack=151 len=1448",
		want:  []string{"stalled between docker0 and eth0: mtu, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "rules are not asked where the bridge is not known by which the answer comes",
		but: func(s *scene) {
			s.engine = nil
			s.unwatch("docker0", "veth1")
			s.rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i docker0 -j ACCEPT\n-A FORWARD -o docker0 -j ACCEPT\nCOMMIT\n"
		},
		story: strings.NewReplacer("docker0 ", "", "veth1 ", "").Replace(shake + ask + heard + "0.5ms web:eth0 W > C P. seq=501 ack=151 len=1448\n0.8s web:eth0 W > C P. seq=501 ack=151 len=1448"),
		want:  []string{"stalled between web:eth0 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "nor where its name is not known",
		but: func(s *scene) {
			s.engine = nil
			s.point("docker0").Index, s.point("docker0").Name = 3, "if3"
			s.unwatch("veth1", "web:eth0")
			s.rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i docker0 -j ACCEPT\n-A FORWARD -o docker0 -j ACCEPT\nCOMMIT\n"
		},
		story: strings.NewReplacer("docker0", "if3", "veth1 ", "", "web:eth0 ", "").Replace(shake + ask + heard + "0.5ms docker0 W > C P. seq=501 ack=151 len=1448\n0.8s docker0 W > C P. seq=501 ack=151 len=1448"),
		want:  []string{"stalled between if3 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "an answer leaves again and again and is not acknowledged, and the client says that it is there: large packets vanish behind",
		story: shake + translated + ask + heard + "0.5ms web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n" +
			"2s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n5s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n" +
			"7s eth0 | docker0 veth1 web:eth0 C > H F. seq=151 ack=501",
		want: []string{"stalled at reply-nic: mtu, via dnat to 172.17.0.2:80, inferred, rev 3"},
	},
	{
		name: "an answer is not acknowledged by a client that is heard no more",
		story: shake + translated + ask + heard + "0.5ms web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n" +
			"2s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n5s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448",
		want: []string{"stalled at reply-nic: unknown, via dnat to 172.17.0.2:80, inferred, rev 2"},
	},
	{
		name: "an answer is sent again for the first time long after it began",
		story: shake + translated + ask + heard + "0.5ms web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n" +
			"7s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n12s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448",
		want: []string{"stalled at reply-nic: unknown, via dnat to 172.17.0.2:80, inferred, rev 2"},
	},
	{
		name: "the client has stopped reading",
		story: shake + translated + ask + heard + answer + "1s eth0 | docker0 veth1 web:eth0 C > H . seq=151 ack=701 win=0\n" +
			"2s web:eth0 veth1 docker0 | eth0 H > C . seq=700 ack=151\n2.1s eth0 | docker0 veth1 web:eth0 C > H . seq=151 ack=701 win=0\n" +
			"5s web:eth0 veth1 docker0 | eth0 H > C . seq=700 ack=151\n5.1s eth0 | docker0 veth1 web:eth0 C > H . seq=151 ack=701 win=0",
		want: []string{"stalled at reply-nic: zero-window, via dnat to 172.17.0.2:80, inferred, rev 2"},
	},
	{
		name: "an answer that is acknowledged late is delivered",
		story: shake + translated + ask + heard + answer + "2s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=200\n" +
			"4s eth0 | docker0 veth1 web:eth0 C > H . seq=151 ack=701\n9s web:eth0 veth1 docker0 | eth0 H > C P. seq=701 ack=151 len=20",
		want: []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name: "a stall is not claimed where acknowledgements may have been lost",
		story: shake + translated + ask + heard + "0.5ms web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n1s lost 3 at eth0 until 2s\n" +
			"2s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448\n5s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=1448",
		want: []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
}

func TestStalls(t *testing.T) { check(t, stalls) }

// TestOnlyWhatIsSentAgainIsLookedAfter: with hundreds of thousands of answers on
// their way at once, looking at each again and again costs more than all else.
func TestOnlyWhatIsSentAgainIsLookedAfter(t *testing.T) {
	ask := decode.Tuple{Src: decode.IPFrom(addr("198.51.100.9")), Dst: decode.IPFrom(addr("198.51.100.1")), SrcPort: 4000, DstPort: 8080, Proto: decode.TCP}
	answer := decode.Packet{Time: 4e5, Frame: 5, Kind: decode.Segment, Tuple: ask.Reverse(), Seq: 501, Ack: 151, Flags: decode.ACK, Payload: 1000, Window: 500}
	again := answer
	again.Time, again.Frame = 1e9, 6
	for _, row := range []struct {
		name  string
		more  []decode.Packet
		after int
	}{
		{"an answer that is not acknowledged yet is left alone", nil, 0},
		{"one that is sent again is not", []decode.Packet{again}, 1},
	} {
		tr := correlate.New(correlate.Config{})
		tr.Event(&decode.Point{Point: capture.Point{Name: "eth0", Netns: capture.HostNetns, Role: capture.RoleNIC, Link: 1}})
		tr.Packets(&decode.Batch{Packets: append([]decode.Packet{
			{Time: 1, Frame: 1, Kind: decode.Segment, Tuple: ask, Seq: 100, Flags: decode.SYN, Window: 500},
			{Time: 1e5, Frame: 2, Kind: decode.Segment, Tuple: ask.Reverse(), Seq: 500, Ack: 101, Flags: decode.SYN | decode.ACK, Window: 500},
			{Time: 2e5, Frame: 3, Kind: decode.Segment, Tuple: ask, Seq: 101, Ack: 501, Flags: decode.ACK, Window: 500},
			{Time: 3e5, Frame: 4, Kind: decode.Segment, Tuple: ask, Seq: 101, Ack: 501, Flags: decode.ACK, Payload: 50, Window: 500},
			answer,
		}, row.more...)})
		tr.Advance(4e9)
		if n := tr.LookedAfter(); n != row.after {
			t.Errorf("%s: %d answers are looked after, want %d", row.name, n, row.after)
		}
	}
}

// forgetful has the host's connection tracking remember idle connections for a
// second.
func forgetful(s *scene) {
	s.samples[capture.HostNetns].Sysctls["net.netfilter.nf_conntrack_tcp_timeout_established"] = "1"
}

// peer is a second container on the same bridge.
func (s *scene) peer() {
	s.engine.Containers = append(s.engine.Containers, engine.Container{
		ID: "bbbb", Name: "peer", State: "running", PID: 200, Mode: "bridge",
		Endpoints: []engine.Endpoint{{Network: "bridge", IPv4: addr("172.17.0.3"), MAC: "00:00:00:00:00:03"}},
	})
	s.engine.Containers[0].Endpoints[0].MAC = "00:00:00:00:00:02"
}

// strays are requests and answers that go where they were not meant to.
var strays = []row{
	{
		name: "another rule sent the port to another container, which answered",
		but:  (*scene).peer,
		story: "0ms eth0 C > H S seq=100\n0.01ms docker0 C > 172.17.0.3:80 S seq=100\n0.05ms conntrack new C > H translated 172.17.0.3:80 > C\n" +
			"0.1ms docker0 172.17.0.3:80 > C S. seq=500 ack=101\n0.11ms eth0 H > C S. seq=500 ack=101\n0.2ms eth0 C > H . seq=101 ack=501\n0.3ms eth0 C > H P. seq=101 ack=501 len=50\n" +
			"0.5ms eth0 H > C P. seq=501 ack=151 len=200",
		want: []string{"misdelivered at dnat: other-translation, via dnat to 172.17.0.3:80, inferred"},
	},
	{
		name: "nobody publishes the port, and somebody's own rule sends it to a container: that is a mapping too",
		but:  func(s *scene) { s.peer(); s.unpublish() },
		story: "0ms eth0 C > H S seq=100\n0.01ms docker0 C > 172.17.0.3:80 S seq=100\n0.05ms conntrack new C > H translated 172.17.0.3:80 > C\n" +
			"0.1ms docker0 172.17.0.3:80 > C S. seq=500 ack=101\n0.11ms eth0 H > C S. seq=500 ack=101\n0.2ms eth0 C > H . seq=101 ack=501\n0.3ms eth0 C > H P. seq=101 ack=501 len=50\n" +
			"0.5ms eth0 H > C P. seq=501 ack=151 len=200",
		want: []string{"delivered, via dnat to 172.17.0.3:80, proven"},
	},
	{
		name: "the engine has not told yet of the container that has the address: nobody is accused",
		story: "0ms eth0 C > H S seq=100\n0.01ms docker0 C > 172.17.0.9:80 S seq=100\n0.05ms conntrack new C > H translated 172.17.0.9:80 > C\n" +
			"0.1ms docker0 172.17.0.9:80 > C S. seq=500 ack=101\n0.11ms eth0 H > C S. seq=500 ack=101\n0.2ms eth0 C > H . seq=101 ack=501\n0.3ms eth0 C > H P. seq=101 ack=501 len=50\n" +
			"0.5ms eth0 H > C P. seq=501 ack=151 len=200",
		want: []string{"delivered, via dnat to 172.17.0.9:80, proven"},
	},
	{
		name:  "a rule redirects the port to one of the host where nobody listens",
		story: "0ms eth0 C > H S seq=100\n0.02ms conntrack new C > H translated 198.51.100.1:9 > C\n0.1ms eth0 H > C R. seq=0 ack=101",
		want:  []string{"refused at host: other-translation, via dnat to 198.51.100.1:9, proven"},
	},
	{
		name:  "the answer leaves by another link than the request came in at",
		but:   func(s *scene) { s.watch("wg0", 0, "host", 0, "") },
		story: syn + translated + "0.1ms web:eth0 veth1 docker0 | wg0 H > C S. seq=500 ack=101",
		want:  []string{"answer-lost at reply-route between wg0 and eth0: reply-misrouted, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the answer comes out with the container's own address",
		story: syn + translated + "0.1ms web:eth0 veth1 docker0 eth0 W > C S. seq=500 ack=101",
		want:  []string{"answer-lost at reply-prerouting: untranslated-source, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the container takes the client for a neighbour",
		story: syn + translated + "0.1ms docker0 arp who-has 198.51.100.9 tell 172.17.0.2\n1.1s docker0 arp who-has 198.51.100.9 tell 172.17.0.2",
		want:  []string{"unanswered at container: reply-misrouted, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "two answered for the container's address",
		but:   func(s *scene) { s.peer(); s.listens("tcp") },
		story: syn + translated + "0.02ms docker0 arp who-has 172.17.0.2\n0.03ms docker0 arp is-at 172.17.0.2 mac=3\n0.05ms docker0 arp is-at 172.17.0.2 mac=2\n" + rstInside,
		want:  []string{"refused at container: duplicate-address, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "one answered for the container's address, and it was the container",
		but:   func(s *scene) { s.peer(); s.listens("tcp") },
		story: syn + translated + "0.02ms docker0 arp who-has 172.17.0.2\n0.03ms docker0 arp is-at 172.17.0.2 mac=2\n" + rstInside,
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the host resets what the container had accepted: a segment was invalid to connection tracking",
		story: shake + translated + "0.3ms eth0 C > H P. seq=999999 ack=501 len=50\n0.4ms eth0 H > C R seq=501",
		want:  []string{"refused at host: conntrack-invalid, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the client said nothing for longer than connection tracking remembers",
		but:   forgetful,
		story: shake + translated + "2s eth0 C > H P. seq=101 ack=501 len=50\n2.0001s eth0 H > C R seq=501",
		want:  []string{"refused at host: conntrack-invalid, via dnat to 172.17.0.2:80, inferred"},
		why:   "forgets what is idle for 1s",
	},
	{
		name:  "connection tracking remembers for longer than the connection lasted",
		but:   forgetful,
		story: shake + translated + "0.3ms eth0 C > H P. seq=999999 ack=501 len=50\n0.4ms eth0 H > C R seq=501",
		want:  []string{"refused at host: conntrack-invalid, via dnat to 172.17.0.2:80, inferred"},
		why:   "found a segment of the client's invalid",
	},
	{
		name:  "the reset was seen at the card alone, and nothing behind it was watched: connection tracking is not accused",
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "web:eth0") },
		story: "0ms eth0 C > H S seq=100\n" + translated + "0.1ms eth0 H > C S. seq=500 ack=101\n0.2ms eth0 C > H . seq=101 ack=501\n0.3ms eth0 C > H P. seq=101 ack=501 len=50\n0.4ms eth0 H > C R seq=501",
		want:  []string{"refused: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "a connection of the host's to a proxied port, where the loopback is not watched, may be the proxy's: no request",
		but:   func(s *scene) { s.dockerProxy("tcp", "0.0.0.0:8080", "172.17.0.2:80"); s.unwatch("lo") },
		story: "0ms docker0 veth1 web:eth0 P > W S seq=100\n0.1ms web:eth0 veth1 docker0 W > P R. seq=0 ack=101",
	},
	{
		name:  "a connection of the host's to a proxied port, where the loopback is watched, is the host's own request",
		but:   func(s *scene) { s.dockerProxy("tcp", "0.0.0.0:8080", "172.17.0.2:80"); s.listens("tcp") },
		story: "0ms docker0 veth1 web:eth0 P > W S seq=100\n0.1ms web:eth0 veth1 docker0 W > P R. seq=0 ack=101",
		want:  []string{"refused at container: no-listener, direct, proven"},
	},
	{
		name: "connection tracking is full",
		but: func(s *scene) {
			s.later(func() {
				h := *s.samples["host"]
				h.Counters = map[string]uint64{"nf_conntrack.drop": 3}
				s.samples["host"] = &h
			})
		},
		story: "0ms eth0 C > H S seq=100\n1s eth0 C > H S seq=100\n3s eth0 C > H S seq=100",
		want:  []string{"dropped at prerouting between eth0 and docker0: conntrack-full, 3 tries, inferred"},
	},
	{
		name: "the engine holds the port without serving it, and the request got there untranslated",
		but:  func(s *scene) { s.hostListens("tcp", "0.0.0.0:8080", "dockerd") },
		story: "0ms eth0 C > H S seq=100\n0.02ms conntrack new C > H\n0.1ms eth0 H > C S. seq=500 ack=101\n0.2ms eth0 C > H . seq=101 ack=501\n" +
			"0.3ms eth0 C > H P. seq=101 ack=501 len=50\n0.31ms eth0 H > C . seq=501 ack=151",
		want: []string{"unanswered at host: rules-missing, inferred"},
	},
	{
		name:  "a UDP sender is older than the mapping, and connection tracking keeps it untranslated",
		story: "0ms conntrack new C > U udp\n1s eth0 C > U udp len=30",
		want:  []string{"unanswered at host: stale-translation, inferred"},
	},
	{
		name:  "the server listens in a namespace that its owner has left",
		but:   func(s *scene) { s.sidecar(); s.listens("tcp") },
		story: syn + translated + rstInside,
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, proven"},
	},
}

// sidecar is a container in web's namespace.
func (s *scene) sidecar() {
	s.engine.Containers = append(s.engine.Containers, engine.Container{ID: "cccc", Name: "sidecar", State: "running", PID: 300, Mode: "container:aaaa"})
	w := s.samples["web"]
	for i := range w.Sockets {
		w.Sockets[i].Container = "aaaa"
	}
}

func TestStrays(t *testing.T) { check(t, strays) }

// slownesses are notes that name where the time went.
var slownesses = []row{
	{
		name:  "the handshake is slow because the first SYN was lost on the way in",
		story: "0ms eth0 C > H S seq=100\n1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1.0005s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n1.001s eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n1.002s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n1.003s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=200",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, 2 tries, inferred"},
		note:  "slow: the handshake took 1.0 s, 1.0 s of it between eth0 and docker0",
	},
	{
		name:  "the server takes two seconds to answer a datagram",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n2s web:eth0 veth1 docker0 | eth0 U > C udp len=60",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, inferred"},
		note:  "slow: the first byte of the answer took 2.0 s, 2.0 s of it inside web",
	},
	{
		name:  "the answer to a datagram is held up between the bridge and the card",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1ms web:eth0 veth1 docker0 V > C udp len=60\n2s eth0 U > C udp len=60",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, inferred"},
		note:  "2.0 s of it between docker0 and eth0",
	},
}

func TestSlowness(t *testing.T) { check(t, slownesses) }
