package correlate_test

import (
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// unseen are about packets that were there and are not in the capture: the ring lost
// them, or they came before it began (rules 1, 7, 20, 21).
var unseen = []row{
	{
		name:  "a datagram that was taken up is not delivered where the ring may have lost its answer",
		story: "0ms lost 2 at docker0 until 9ms\n1ms eth0 | docker0 veth1 web:eth0 C > U udp seq=5 len=30\n",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:53, inferred"},
		blind: "2 packets were lost at veth1 meanwhile",
	},
	{
		name:  "nor where an ICMP error to its client may be about it",
		story: "1ms eth0 | docker0 veth1 web:eth0 C > U udp seq=5 len=30\n2ms eth0 198.51.100.1 > C unreachable 3 about C > U udp cut out\n",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:53, inferred"},
		blind: "too little of an ICMP error",
	},
	{
		name:  "a datagram that the container saw before the card did is the request's own",
		scene: packetsOnly,
		but:   withStrangersDoor,
		story: "0ms lost 2 at eth0 until 1ms\n0.5ms web:eth0 C > V udp seq=7 ipid=1 len=6 in\n1s eth0 | docker0 web:eth0 C > U udp seq=7 ipid=2 len=6\n",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:53, inferred"},
		blind: "whether the protocol answers at all",
	},
	{
		name:  "and does not lack in another container's what it had been told of there before",
		scene: packetsOnly,
		but:   withStrangersDoor,
		story: "0ms lost 2 at eth0 until 1ms\n0.5ms web:eth0 C > V udp seq=7 ipid=1 len=6 in\n5s eth0 | docker0 web:eth0 C > U udp seq=7 ipid=2 len=6\n",
		want:  []string{"undetermined: unknown, 2 tries, inferred", "undetermined: unknown, via dnat to 172.17.0.2:53, inferred"},
		blind: "had been taken for a request of its own",
	},
	{
		name:  "what a client says on a port that it uses again is no late word of the connection before, though its SYN was lost",
		scene: packetsOnly,
		story: answeredAndClosed + "400ms eth0 C > H P. seq=2751783788 ack=2508485411 len=43\n401ms eth0 H > C P. seq=2508485411 ack=2751783831 len=9\n",
		want:  []string{"delivered, inferred", "delivered, inferred"},
	},
	{
		name:  "nor is the SYN-ACK that a server answers it with, though the connection before was not seen to end",
		scene: packetsOnly,
		story: answeredOutside + "400ms eth0 H > C S. seq=2508485410 ack=2751783788\n401ms eth0 C > H P. seq=2751783788 ack=2508485411 len=43\n402ms eth0 H > C P. seq=2508485411 ack=2751783831 len=9\n",
		want:  []string{"delivered, inferred", "delivered, inferred"},
	},
	{
		name:  "a segment that comes late is of the connection that is over",
		scene: packetsOnly,
		story: answeredAndClosed + "400ms eth0 H > C P. seq=501 ack=151 len=9\n401ms eth0 C > H . seq=152 ack=511\n",
		want:  []string{"delivered, inferred"},
	},
	{
		name:  "the answer is seen leaving the container alone: it was not silent",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "lo") },
		story: "0ms lost 3 at web:eth0 until 9ms\n1ms eth0 C > H S seq=100\n1.5ms conntrack new C > H translated W > C\n2ms eth0 H > C S. seq=500 ack=101\n3ms eth0 C > H . seq=101 ack=501\n4ms eth0 C > H P. seq=101 ack=501 len=43\n" +
			"5ms web:eth0 W > C . seq=501 ack=144\n5.1ms eth0 H > C . seq=501 ack=144\n300ms web:eth0 W > C P. seq=501 ack=144 len=1405\n600ms web:eth0 W > C P. seq=501 ack=144 len=1405\n1400ms web:eth0 W > C P. seq=501 ack=144 len=1405\n",
		want: []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the answer left the container by the interface at which the request was lost to the ring, not by another",
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "lo") },
		story: "0ms lost 1 at web:eth0 until 1ms\n0.1ms eth0 C > H S seq=100\n0.2ms web:eth0 W > C S. seq=500 ack=101\n",
		want:  []string{"answer-lost between web:eth0 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "what may have gone into any of the containers is not missing where one of them lost packets",
		scene: packetsOnly,
		but: func(s *scene) {
			withStrangersDoor(s)
			s.unwatch("docker0", "veth1", "lo")
		},
		story: "0ms lost 1 at web:eth0 until 5s\n1ms eth0 C > H S seq=100\n",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "1 packets were lost at web:eth0 meanwhile",
	},
	{
		name: "rules are not followed from a container's door where its bridge is not in evidence",
		but: func(s *scene) {
			s.unwatch("docker0", "web:eth0", "lo")
			s.engine, s.samples = nil, map[string]*host.Sample{capture.HostNetns: hostState()}
			s.samples[capture.HostNetns].Links = hostState().Links[:3]
			s.rules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n-A FORWARD -i docker0 -j ACCEPT\n-A FORWARD -o docker0 -j ACCEPT\nCOMMIT\n"
		},
		story: "0ms eth0 | veth1 C > H S seq=100\n0.1ms veth1 | eth0 H > C S. seq=500 ack=101\n1ms eth0 | veth1 C > H . seq=101 ack=501\n1.1ms eth0 | veth1 C > H P. seq=101 ack=501 len=43\n1.2ms veth1 | eth0 H > C . seq=501 ack=144\n" +
			"300ms veth1 W > C P. seq=501 ack=144 len=1405\n600ms veth1 W > C P. seq=501 ack=144 len=1405\n1400ms veth1 W > C P. seq=501 ack=144 len=1405\n",
		want: []string{"stalled between veth1 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "rules that cannot be followed do not tell that a request is not translated",
		but: func(s *scene) {
			withStrangersDoor(s)
			s.unwatch("docker0", "veth1", "lo", "eth0")
			s.engine, s.samples = nil, map[string]*host.Sample{capture.HostNetns: hostState()}
			s.rules = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\n-A PREROUTING -p udp -m udp --dport 8053 -j DNAT --to-destination 172.17.0.2:53\nCOMMIT\n"
		},
		story: "0ms peer:eth0 172.17.0.3:54306 > U udp seq=5 len=6 out\n0.05ms web:eth0 172.17.0.1:50261 > V udp seq=5 len=6 in\n" +
			"1.2s peer:eth0 172.17.0.3:54306 > U udp seq=5 len=6 out\n1.25s web:eth0 172.17.0.1:50261 > V udp seq=5 len=6 in\n",
		want: []string{"undetermined: unknown, 2 tries, inferred"},
	},
	{
		name:  "an answer to a question from before the capture is no question",
		scene: packetsOnly,
		but:   func(s *scene) { s.point("eth0").Role = capture.RoleOther },
		story: "3ms eth0 198.51.100.1:5311 > 203.0.113.21:47376 udp seq=9 len=27\n1.4s eth0 203.0.113.21:47376 > 198.51.100.1:5311 udp seq=7 len=7\n1.41s eth0 198.51.100.1:5311 > 203.0.113.21:47376 udp seq=8 len=19\n",
		want:  []string{"delivered, inferred"},
		from:  "203.0.113.21:47376",
	},
	{
		name:  "nor is one to a question that the ring lost",
		scene: packetsOnly,
		story: "1ms docker0 arp who-has 172.17.0.9\n9s lost 1 at docker0 until 9.5s\n10s docker0 203.0.113.5:5311 > 203.0.113.21:47376 udp seq=9 len=27\n",
	},
	{
		name:  "it is one later, and where nothing was lost",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("veth1", "web:eth0", "lo", "eth0") },
		story: "1ms docker0 arp who-has 172.17.0.9\n10s docker0 203.0.113.5:5311 > 203.0.113.21:47376 udp seq=9 len=27\n",
		want:  []string{"undetermined: unknown, inferred"},
	},
	{
		name:  "what a stranger had accepted at that time does not hide that a request was seen before the card saw it",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("veth1", "web:eth0", "lo") },
		story: "0ms lost 3 at eth0 until 90ms\n1ms eth0 198.51.100.107:5000 > 198.51.100.157:8080 S seq=700 in\n1.1ms eth0 198.51.100.157:8080 > 198.51.100.107:5000 S. seq=800 ack=701 in\n2ms eth0 198.51.100.107:5000 > 198.51.100.157:8080 . seq=701 ack=801 in\n" +
			"80ms docker0 C > W S seq=100\n2s eth0 | docker0 C > H S seq=100\n",
		want: []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "what was told as a request of its own, since the card had lost it, is not missing from its next try",
		but:   func(s *scene) { s.unwatch("veth1", "web:eth0", "lo") },
		story: "0ms lost 1 at eth0 until 1ms\n0.5ms docker0 C > V udp seq=7 len=6\n1.2s eth0 | docker0 C > U udp seq=7 len=6\n",
		want:  []string{"undetermined: unknown, 2 tries, inferred", "undetermined: unknown, inferred"},
		blind: "had been taken for a request of its own",
	},
	{
		name:  "an ICMP error about a connection whose SYN was lost is not about the one before",
		scene: packetsOnly,
		story: "0ms eth0 C > H S seq=100\n2s eth0 198.51.100.1 > C unreachable 13 about C > H tcp quotes=900000000 out\n",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "it is where it quotes what that one said",
		scene: packetsOnly,
		story: "0ms eth0 C > H S seq=100\n2s eth0 198.51.100.1 > C unreachable 13 about C > H tcp quotes=100 out\n",
		want:  []string{"refused between eth0 and docker0: firewall-reject, inferred"},
	},
	{
		name: "a door of which nobody says whose it is may be that of whom was asked",
		but: func(s *scene) {
			withPeer(s)
			s.unwatch("eth0", "docker0", "web:eth0", "peer:eth0", "lo")
			s.samples, s.web().Mappings, s.web().Bindings = nil, nil, nil
			s.point("veth1").Container, s.point("veth2").Container = "", ""
		},
		story: "0ms veth2 172.17.0.3:5000 > H S seq=7\n0.05ms veth1 172.17.0.3:5000 > W S seq=7\n",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "whether veth1 is the veth of the container that asks",
	},
	{
		name:  "what comes from a container is not what the host had handed to another, translated",
		scene: packetsOnly,
		but: func(s *scene) {
			withDoor(s)
			s.unwatch("eth0", "docker0", "web:eth0", "lo")
		},
		story: "0ms lost 1 at veth2 until 1ms\n0.5ms veth1 172.17.0.3:5000 > W S seq=100 out\n1s veth2 172.17.0.3:5000 > H S seq=100 in\n1.0001s veth1 172.17.0.3:5000 > W S seq=100 out\n1.0002s veth1 W > 172.17.0.3:5000 S. seq=500 ack=101 in\n1.0003s veth2 H > 172.17.0.3:5000 S. seq=500 ack=101 out\n" +
			"1.1s veth2 172.17.0.3:5000 > H P. seq=101 ack=501 len=43 in\n1.1001s veth1 172.17.0.3:5000 > W P. seq=101 ack=501 len=43 out\n1.2s veth1 W > 172.17.0.3:5000 P. seq=501 ack=144 len=9 in\n1.2001s veth2 H > 172.17.0.3:5000 P. seq=501 ack=144 len=9 out\n" +
			"1.3s veth1 172.17.0.3:5000 > W . seq=144 ack=510 out\n",
		want: []string{"delivered, 2 tries, inferred"},
	},
	{
		name: "what the container alone saw of a request is the request's own, though who asks there was not known to be one",
		but: func(s *scene) {
			s.engine, s.samples = nil, map[string]*host.Sample{capture.HostNetns: hostState()}
			s.unwatch("veth1", "lo")
		},
		story: "0ms lost 1 at eth0 until 1ms\n0.5ms web:eth0 C > V udp seq=7 len=6 in\n1.2s eth0 | docker0 web:eth0 C > U udp seq=7 ipid=2 len=6\n",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:53, inferred"},
		blind: "whether the protocol answers at all",
	},
	{
		name:  "what a container asks of an address outside is not the translation of what goes to another container",
		scene: packetsOnly,
		but: func(s *scene) {
			withDoor(s)
			s.unwatch("eth0", "docker0", "web:eth0", "lo")
		},
		story: "0ms veth2 172.17.0.3:5000 > H S seq=100\n0.03ms veth1 172.17.0.3:5000 > W S seq=100\n4.00001s veth2 172.17.0.3:5000 > H S seq=100\n4.00004s veth1 172.17.0.3:5000 > W S seq=100\n",
		want:  []string{"undetermined: unknown, 2 tries, inferred"},
	},
	{
		name: "a server's word alone is not joined to what a client says later on another connection",
		but:  func(s *scene) { s.unwatch("veth1", "web:eth0", "lo") },
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 | eth0 H > C S. seq=500 ack=101\n" +
			"1s eth0 H > C S. seq=2508485410 ack=2751783788\n1.01s docker0 C > W . seq=2751783788 ack=2508485411\n1.011s eth0 | docker0 C > H P. seq=2751783788 ack=2508485411 len=43\n1.02s docker0 W > C P. seq=2508485411 ack=2751783831 len=9\n1.03s eth0 C > H . seq=2751783831 ack=2508485420\n",
		want: []string{"undetermined: unknown, inferred", "delivered, via dnat to 172.17.0.2:80, inferred"},
		seen: "eth0 docker0 eth0 docker0 eth0",
	},
	{
		name: "of docker-proxy's connections one is not taken for another whose SYN the ring lost",
		but: func(s *scene) {
			proxyFor8080(s)
			s.unwatch("veth1", "web:eth0", "lo")
		},
		story: "0ms lost 3 at eth0 until 5ms\n" + outside + "1.2ms docker0 W > P . seq=901 ack=761\n2ms docker0 Q > W S seq=300\n3ms eth0 H > C P. seq=501 ack=151 len=9\n",
		want:  []string{"delivered, inferred"},
	},
	{
		name: "what a stranger had accepted by another host is not what docker-proxy dials for",
		but: func(s *scene) {
			s.samples = nil
			s.unwatch("lo")
		},
		story: "0ms eth0 198.51.100.107:5000 > 198.51.100.157:8080 S seq=700 in\n0.1ms eth0 198.51.100.157:8080 > 198.51.100.107:5000 S. seq=800 ack=701 in\n0.2ms eth0 198.51.100.107:5000 > 198.51.100.157:8080 . seq=701 ack=801 in\n" +
			"2ms docker0 veth1 web:eth0 P > W S seq=300\n2.1ms web:eth0 veth1 docker0 W > P S. seq=400 ack=301\n" +
			"9ms eth0 198.51.100.107:5000 > 198.51.100.157:8080 P. seq=701 ack=801 len=43 in\n10ms eth0 198.51.100.157:8080 > 198.51.100.107:5000 P. seq=801 ack=744 len=9 in\n",
	},
}

func TestUnseen(t *testing.T) { check(t, unseen) }

// withDoor watches another container's veth.
func withDoor(s *scene) { s.watch("veth2", capture.RoleVeth, capture.HostNetns, 0, "peer") }

// withStrangersDoor watches another container's interface, before web's own.
func withStrangersDoor(s *scene) {
	web := *s.point("web:eth0")
	s.unwatch("web:eth0")
	s.watch("peer:eth0", capture.RoleContainer, "peer", 2, "peer")
	s.watch(web.Name, web.Role, web.Netns, web.Ring, web.Container)
}

// What the card saw of connections that were answered, and closed.
const (
	answeredOutside   = outside + "0.6ms eth0 H > C P. seq=501 ack=151 len=9\n0.7ms eth0 C > H . seq=151 ack=510\n"
	answeredAndClosed = answeredOutside + "1ms eth0 C > H F. seq=151 ack=510\n1.1ms eth0 H > C F. seq=510 ack=152\n1.2ms eth0 C > H . seq=152 ack=511\n"
)
