package correlate_test

import (
	"net/netip"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/decode"
)

// joins are about what is a request and what is only evidence of one (rule 1),
// and which legs belong together (rules 17 and 19).
var joins = []row{
	{
		name:  "ARP, ND, multicast and broadcast are evidence, never requests",
		story: "0ms docker0 arp who-has 172.17.0.9\n0ms docker0 nd who-has fd00:17::9\n0ms eth0 C > 224.0.0.251:5353 udp in\n0ms eth0 C > 255.255.255.255:67 udp in\n0ms eth0 C > 198.51.100.255:137 udp in\n0ms eth0 [fe80::1]:546 > [ff02::2]:547 udp in",
	},
	{
		name:  "a container's own outgoing traffic is no request",
		story: "0ms web:eth0 veth1 docker0 W > 203.0.113.5:443 S seq=7\n0.1ms eth0 198.51.100.1:40000 > 203.0.113.5:443 S seq=7\n0.2ms eth0 203.0.113.5:443 > 198.51.100.1:40000 R. ack=8 in\n0.3ms docker0 veth1 web:eth0 203.0.113.5:443 > W R. ack=8",
	},
	{
		name:  "what was not asked about is not judged",
		but:   only8080,
		story: "0ms eth0 C > 198.51.100.1:22 S seq=100\n0ms eth0 D > H S seq=200",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name: "the same packet in two files of one point is one sighting",
		but:  func(s *scene) { s.watch("eth0", capture.RoleNIC, capture.HostNetns, 2, ""); s.points[5].ID = 5 },
		story: "0ms eth0 C > H S seq=100\n" +
			"0.004ms #0 C > H S seq=100\n",
		want: []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name: "two packets in one file, or further apart, are two attempts",
		but:  func(s *scene) { s.watch("eth0", capture.RoleNIC, capture.HostNetns, 2, ""); s.points[5].ID = 5 },
		story: "0ms eth0 C > H S seq=100\n" +
			"1s #0 C > H S seq=100\n",
		want: []string{"dropped between eth0 and docker0: unknown, 2 tries, inferred"},
	},
	{
		name:  "IPv6 is followed across its own translation",
		story: "0ms eth0 | docker0 veth1 web:eth0 C6 > H6 S seq=100\n0.1ms web:eth0 veth1 docker0 | eth0 H6 > C6 S. seq=500 ack=101\n0.2ms eth0 | docker0 veth1 web:eth0 C6 > H6 . seq=101 ack=501\n0.3ms web:eth0 veth1 docker0 | eth0 H6 > C6 P. seq=501 ack=101 len=5",
		want:  []string{"delivered, via dnat to [fd00:17::2]:80, inferred"},
	},
	{
		name: "what lies behind the translation is the request's own, though it was seen before the client",
		but:  only8080,
		story: "0ms docker0 veth1 web:eth0 C > W S seq=100\n" +
			"1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n" +
			"2s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n",
		want: []string{"unanswered at container: unknown, via dnat to 172.17.0.2:80, 2 tries, inferred"},
	},
	{
		name: "an earlier connection from the same end is not",
		but:  only8080,
		story: "0ms docker0 veth1 web:eth0 C > W S seq=999\n" +
			"1s eth0 C > H S seq=100\n" +
			"2s eth0 C > H S seq=100\n",
		want: []string{"dropped between eth0 and docker0: unknown, 2 tries, inferred"},
	},
	{
		name: "a request that the ring lost, and with it whether its answer left the host, is not judged",
		story: "0ms lost 1 at eth0 until 1ms\n" +
			"0.5ms veth1 V > C udp len=60\n" +
			"1ms conntrack new C > U translated V > C udp\n4s end",
	},
	{
		name:  "SCTP is refused by an abort",
		scene: packetsOnly,
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H init seq=77\n0.1ms web:eth0 veth1 docker0 | eth0 H > C abort ack=77",
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "SCTP is delivered when the server answers",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H init seq=77\n0.1ms web:eth0 veth1 docker0 | eth0 H > C init-ack seq=88 ack=77",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the host's own request through OUTPUT is joined by conntrack, and says from where",
		but:   only8080,
		story: "0ms docker0 veth1 web:eth0 172.17.0.1:41000 > W S seq=100\n0.05ms conntrack new 198.51.100.1:41000 > H translated W > 172.17.0.1:41000\n0.1ms web:eth0 veth1 docker0 W > 172.17.0.1:41000 S. seq=500 ack=101\n0.2ms docker0 veth1 web:eth0 172.17.0.1:41000 > W . seq=101 ack=501\n0.3ms web:eth0 veth1 docker0 W > 172.17.0.1:41000 P. seq=501 ack=101 len=5",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven"},
		note:  "the way in from outside was not exercised",
	},
	{
		name:  "the same, when nobody listens: refused, and still the host's own request",
		but:   only8080,
		story: "0ms docker0 veth1 web:eth0 198.51.100.1:41000 > W S seq=100\n0.1ms web:eth0 veth1 docker0 W > 198.51.100.1:41000 R. seq=0 ack=101\n0.5ms conntrack new 198.51.100.1:41000 > H translated W > 198.51.100.1:41000",
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred"},
		note:  "the way in from outside was not exercised",
	},
	{
		name:  "a hairpin with masquerade changes both ends: conntrack joins it",
		but:   withPeer,
		story: "0ms peer:eth0 veth2 docker0 172.17.0.3:5000 > H S seq=100\n0.02ms conntrack new 172.17.0.3:5000 > H translated W > 172.17.0.1:61000\n0.04ms docker0 veth1 web:eth0 172.17.0.1:61000 > W S seq=100\n0.1ms web:eth0 veth1 docker0 W > 172.17.0.1:61000 S. seq=500 ack=101\n0.14ms docker0 veth2 peer:eth0 H > 172.17.0.3:5000 S. seq=500 ack=101\n0.2ms peer:eth0 veth2 docker0 172.17.0.3:5000 > H . seq=101 ack=501\n0.3ms docker0 veth2 peer:eth0 H > 172.17.0.3:5000 P. seq=501 ack=101 len=5",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "what a container tells itself on its own loopback is no request, though port and address are asked about",
		but:   withLoopbacks,
		story: "0ms web:lo 127.0.0.1:5000 > 127.0.0.1:8080 S seq=100\n0.01ms web:lo 127.0.0.1:8080 > 127.0.0.1:5000 R. ack=101\n0.02ms peer:lo 127.0.0.1:5000 > 127.0.0.1:8080 S seq=999",
	},
	{
		name:  "the same tuple in two namespaces is two flows: the host's own loopback is judged, the container's is not",
		but:   withLoopbacks,
		story: "0ms lo 127.0.0.1:5000 > 127.0.0.1:8080 S seq=100 in\n0.01ms web:lo 127.0.0.1:5000 > 127.0.0.1:8080 S seq=999\n0.02ms web:lo 127.0.0.1:8080 > 127.0.0.1:5000 S. seq=1 ack=1000\n0.03ms lo 127.0.0.1:8080 > 127.0.0.1:5000 R. ack=101 in",
		want:  []string{"refused at host: rules-missing, proven"},
		note:  "the way in from outside was not exercised",
	},
	{
		name: "docker-proxy opens no connection for who asked for the container's own address, though the port is the same",
		but: func(s *scene) {
			s.samePort()
			s.unwatch("eth0", "docker0", "veth1")
		},
		story: "0ms web:eth0 C6 > W6 S seq=100\n0.1ms web:eth0 W6 > C6 S. seq=500 ack=101\n0.2ms web:eth0 C6 > W6 . seq=101 ack=501\n0.3ms web:eth0 C6 > W6 P. seq=101 ack=501 len=9\n0.4ms web:eth0 W6 > C6 . seq=501 ack=110\n" +
			"50ms web:eth0 P > W S seq=700\n50.1ms web:eth0 W > P R. seq=0 ack=701\n",
		want: []string{"unanswered at container: server-silent, inferred"},
	},
	{
		name:  "what the ring lost of a connection does not make what is there part of an older one",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("eth0", "docker0", "veth1", "lo") },
		story: "0ms web:eth0 C > W S seq=100 in\n0.1ms lost 3 at web:eth0 until 5ms\n6ms web:eth0 W > C . seq=501 ack=143 out\n7ms web:eth0 C > W P. seq=143 ack=501 len=9 in\n8ms web:eth0 W > C P. seq=501 ack=152 len=9 out\n9ms web:eth0 C > W . seq=152 ack=510 in\n" +
			"2s web:eth0 C > W S seq=900000000 in\n2.1s web:eth0 W > C R. seq=0 ack=900000001 out\n",
		want: []string{"undetermined: unknown, inferred", "refused at container: no-listener, inferred"},
	},
	{
		name: "what a rule translates and masquerades is not docker-proxy's, where there is none",
		but: func(s *scene) {
			withPeer(s)
			s.web().Mappings = append(s.web().Mappings, engine.Binding{Proto: "udp", Container: 53, HostIP: netip.IPv6Unspecified(), HostPort: 8053})
		},
		story: "0ms veth2 [fd00:17::3]:5000 > [2001:db8::1]:8053 udp seq=9 len=6\n0.05ms veth1 [fd00:17::1]:50000 > [fd00:17::2]:53 udp seq=9 len=6\n1ms veth1 [fd00:17::2]:53 > [fd00:17::1]:50000 udp seq=8 len=20\n1.1ms veth2 [2001:db8::1]:8053 > [fd00:17::3]:5000 udp seq=8 len=20\n",
		want:  []string{"delivered, via dnat to [fd00:17::2]:53, inferred"},
	},
}

func TestJoins(t *testing.T) { check(t, joins) }

// only8080 asks about the published port alone.
func only8080(s *scene) {
	s.config.Selects = func(proto decode.Proto, dst netip.AddrPort, _ *engine.Snapshot) bool { return dst.Port() == 8080 }
}

// withPeer adds a second container.
func withPeer(s *scene) {
	s.engine.Containers = append(s.engine.Containers, engine.Container{
		ID: "bbbb", Name: "peer", State: "running", PID: 200, Mode: "bridge",
		Endpoints: []engine.Endpoint{{Network: "bridge", IPv4: addr("172.17.0.3")}},
	})
	s.watch("veth2", capture.RoleVeth, capture.HostNetns, 0, "peer")
	s.watch("peer:eth0", capture.RoleContainer, "peer", 2, "peer")
}

// withLoopbacks watches the loopbacks inside two containers.
func withLoopbacks(s *scene) {
	withPeer(s)
	s.watch("web:lo", capture.RoleLoopback, "web", 1, "web")
	s.watch("peer:lo", capture.RoleLoopback, "peer", 2, "peer")
}

// strangers are about packets alone: nobody says whose an address is, and what
// looks alike need not belong together (rules 1, 21).
var strangers = []row{
	{
		name:  "a client socket that asks two servers makes two requests: the silent one is not hidden",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "web:eth0", "lo") },
		story: "0ms eth0 198.51.100.9:123 > 203.0.113.10:123 udp seq=1 len=48 in\n10ms eth0 203.0.113.10:123 > 198.51.100.9:123 udp seq=2 len=48\n2s eth0 198.51.100.9:123 > 203.0.113.20:123 udp seq=1 len=48 in\n",
		want:  []string{"delivered, inferred", "undetermined: unknown, inferred"},
	},
	{
		name:  "a second connection of the client's is not docker-proxy's",
		scene: packetsOnly,
		story: "0ms eth0 C > 198.51.100.1:80 S seq=100\n0.1ms eth0 198.51.100.1:80 > C S. seq=500 ack=101\n0.2ms eth0 C > 198.51.100.1:80 . seq=101 ack=501\n" +
			"1ms docker0 veth1 web:eth0 D > W S seq=200\n1.1ms web:eth0 veth1 docker0 W > D R. seq=0 ack=201\n" +
			"2ms eth0 C > 198.51.100.1:80 P. seq=101 ack=501 len=50\n2.1ms eth0 198.51.100.1:80 > C P. seq=501 ack=151 len=9\n",
		want: []string{"delivered, inferred", "refused at container: no-listener, inferred"},
	},
	{
		name:  "two datagrams in one direction at one point are not one before and behind a translation",
		scene: packetsOnly,
		story: "0ms eth0 C > 198.51.100.1:53 udp seq=7 len=30\n0.05ms eth0 C > 198.51.100.2:53 udp seq=7 len=30 in\n1ms eth0 198.51.100.2:53 > C udp len=60\n",
		want:  []string{"undetermined: unknown, inferred", "delivered, inferred"},
	},
	{
		name:  "of two requests that carry the same, the one behind is neither's",
		scene: packetsOnly,
		story: "0ms eth0 C > 198.51.100.1:53 udp seq=7 len=30\n0.01ms eth0 C > 198.51.100.2:53 udp seq=7 len=30 in\n0.05ms docker0 veth1 web:eth0 C > V udp seq=7 len=30\n",
		want:  []string{"undetermined: unknown, inferred", "undetermined: unknown, inferred"},
	},
	{
		name: "of two that the mapping takes there, neither is taken",
		story: "0ms eth0 C > U udp len=30\n0.01ms eth0 C > 172.17.0.1:8053 udp len=30\n0.05ms docker0 veth1 web:eth0 C > V udp len=30\n" +
			"0.1ms web:eth0 veth1 docker0 V > C udp len=60\n",
		want: []string{"undetermined: unknown, inferred", "undetermined: unknown, inferred"},
	},
	{
		name:  "the IP identification tells them apart",
		scene: packetsOnly,
		story: "0ms eth0 C > 198.51.100.1:53 udp seq=7 ipid=1 len=30\n0.01ms eth0 C > 198.51.100.2:53 udp seq=7 ipid=2 len=30 in\n0.05ms docker0 veth1 web:eth0 C > V udp seq=7 ipid=2 len=30\n",
		want:  []string{"undetermined: unknown, inferred", "undetermined: unknown, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "an answer whose question was not seen is no request",
		scene: packetsOnly,
		story: "0ms eth0 203.0.113.5:53 > C udp len=60 in\n1ms eth0 203.0.113.5:443 > D P. seq=1 ack=1 len=9 in\n2ms eth0 203.0.113.6:40000 > 198.51.100.1:50001 P. seq=1 ack=1 len=9\n",
	},
	{
		name:  "an answer to a question that went to everyone is none either",
		scene: packetsOnly,
		story: "0ms eth0 C > 255.255.255.255:9999 udp len=10\n1ms eth0 203.0.113.5:9999 > C udp len=60\n2ms eth0 198.51.100.1:67 > 198.51.100.50:68 udp len=300\n",
	},
	{
		name:  "what a container asks of the world is no request, nor is it where it leaves masqueraded",
		scene: packetsOnly,
		story: "0ms docker0 172.17.0.2:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33\n0.05ms eth0 198.51.100.1:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33 in\n" +
			"9ms eth0 203.0.113.53:53 > 198.51.100.1:5000 udp len=60 in\n9.1ms docker0 203.0.113.53:53 > 172.17.0.2:5000 udp len=60\n",
	},
	{
		name: "what comes from an address that can have no answer hides no other request that says the same",
		story: "0ms eth0 198.51.100.255:5000 > U udp seq=9 len=33\n0.05ms docker0 veth1 web:eth0 198.51.100.255:5000 > V udp seq=9 len=33\n" +
			"1ms eth0 C > U udp seq=9 len=33\n1.05ms docker0 veth1 web:eth0 C > V udp seq=9 len=33\n1.2ms web:eth0 veth1 docker0 V > C udp len=60\n1.3ms eth0 U > C udp len=60\n",
		want: []string{"delivered, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "a socket that asks two name servers at once is told for each of them",
		scene: packetsOnly,
		story: "0ms docker0 172.17.0.2:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33\n0.05ms eth0 198.51.100.1:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33 in\n" +
			"0.1ms docker0 172.17.0.2:5000 > 203.0.113.54:53 udp seq=9 ipid=3 len=33\n0.15ms eth0 198.51.100.1:5000 > 203.0.113.54:53 udp seq=9 ipid=3 len=33 in\n" +
			"9ms eth0 203.0.113.54:53 > 198.51.100.1:5000 udp len=60 in\n9.1ms docker0 203.0.113.54:53 > 172.17.0.2:5000 udp len=60\n",
		want: []string{"undetermined: unknown, inferred", "delivered, inferred"},
	},
	{
		name:  "nor where its packets carry nothing but their numbers",
		scene: packetsOnly,
		story: "0ms docker0 172.17.0.2:5000 > 203.0.113.53:443 S seq=9\n0.05ms eth0 198.51.100.1:5000 > 203.0.113.53:443 S seq=9 in\n1ms eth0 203.0.113.53:443 > 198.51.100.1:5000 S. seq=5 ack=10 out\n" +
			"2ms eth0 198.51.100.1:5000 > 203.0.113.53:443 . seq=10 ack=6 in\n3ms eth0 203.0.113.53:443 > 198.51.100.1:5000 P. seq=6 ack=10 len=9 out\n",
	},
	{
		name:  "nor where somebody has just been accepted whom docker-proxy may serve",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("docker0", "veth1") },
		story: "0ms lo 127.0.0.1:5000 > 127.0.0.1:8080 S seq=100 in\n0.1ms lo 127.0.0.1:8080 > 127.0.0.1:5000 S. seq=500 ack=101 in\n0.2ms lo 127.0.0.1:5000 > 127.0.0.1:8080 . seq=101 ack=501 in\n" +
			"9ms web:eth0 172.17.0.2:5000 > 203.0.113.53:443 S seq=9\n9.05ms eth0 198.51.100.1:5000 > 203.0.113.53:443 S seq=9 in\n",
		open: 1,
	},
	{
		name:  "nor is what the host asks of it, by an interface of which nothing is known",
		scene: packetsOnly,
		but:   func(s *scene) { s.point("eth0").Role = capture.RoleOther },
		story: "0ms eth0 198.51.100.1:5000 > 203.0.113.53:123 udp seq=9 len=33 out\n9ms eth0 203.0.113.53:123 > 198.51.100.1:5000 udp len=60 in\n",
	},
	{
		name: "docker-proxy serves nobody who asks another host",
		but:  proxyFor8080,
		story: "0ms eth0 C > 198.51.100.156:8080 S seq=100 in\n0.1ms eth0 198.51.100.156:8080 > C S. seq=500 ack=101\n0.2ms eth0 C > 198.51.100.156:8080 . seq=101 ack=501 in\n" +
			"5ms docker0 P > W S seq=700\n9ms eth0 C > 198.51.100.156:8080 P. seq=101 ack=501 len=9 in\n10ms eth0 198.51.100.156:8080 > C P. seq=501 ack=110 len=9\n",
		want: []string{"undetermined: unknown, direct, inferred"},
	},
	{
		name:  "that it asks of the world is known where the capture says which way packets went",
		scene: packetsOnly,
		story: "0ms docker0 172.17.0.2:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33 in\n0.05ms eth0 198.51.100.1:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33 in\n" +
			"0.1ms docker0 172.17.0.2:5000 > 203.0.113.54:53 udp seq=9 ipid=3 len=33 in\n0.15ms eth0 198.51.100.1:5000 > 203.0.113.54:53 udp seq=9 ipid=3 len=33 in\n" +
			"9ms eth0 203.0.113.54:53 > 198.51.100.1:5000 udp len=60 in\n9.1ms docker0 203.0.113.54:53 > 172.17.0.2:5000 udp len=60\n",
	},
	{
		name:  "or does so behind the container's own interface",
		scene: packetsOnly,
		story: "0ms web:eth0 172.17.0.2:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33\n0.02ms veth1 172.17.0.2:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33 in\n" +
			"0.1ms web:eth0 172.17.0.2:5000 > 203.0.113.54:53 udp seq=9 ipid=3 len=33\n9.1ms web:eth0 203.0.113.54:53 > 172.17.0.2:5000 udp len=60\n",
	},
	{
		name:  "or does so only then",
		scene: packetsOnly,
		story: "0ms web:eth0 172.17.0.2:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33\n0.01ms web:eth0 172.17.0.2:5000 > 203.0.113.54:53 udp seq=9 ipid=3 len=33\n" +
			"0.02ms veth1 172.17.0.2:5000 > 203.0.113.53:53 udp seq=9 ipid=2 len=33 in\n0.03ms veth1 172.17.0.2:5000 > 203.0.113.54:53 udp seq=9 ipid=3 len=33 in\n" +
			"9ms veth1 203.0.113.54:53 > 172.17.0.2:5000 udp len=60 out\n9.1ms web:eth0 203.0.113.54:53 > 172.17.0.2:5000 udp len=60\n",
	},
	{
		name:  "what goes by on the wire to somebody else is none, and he refuses it himself",
		scene: packetsOnly,
		story: "0ms eth0 198.51.100.102:4000 > 198.51.100.157:5300 udp len=9 in\n1ms eth0 198.51.100.157 > 198.51.100.102 unreachable 3 about 198.51.100.102:4000 > 198.51.100.157:5300 udp in\n",
	},
	{
		name:  "what goes by on the wire to somebody else is none, though a tunnel's packets bear MAC addresses of another network",
		scene: packetsOnly,
		story: "0ms eth0 198.51.100.1:123 > 203.0.113.10:123 udp seq=1 len=48 mac=1 to=9 out\n" +
			"1ms eth0 10.0.1.5:4000 > 10.0.1.6:8080 S seq=1 mac=5 to=6 in tunneled\n1.1ms eth0 10.0.1.6:8080 > 10.0.1.5:4000 S. seq=2 ack=2 mac=6 to=5 out tunneled\n" +
			"2ms eth0 198.51.100.104:4000 > 198.51.100.158:8080 S seq=100 mac=4 to=8 in\n3ms eth0 198.51.100.104:4000 > 198.51.100.158:8080 S seq=100 mac=4 to=8 in\n",
	},
	{
		name:  "or the routes to the host's own addresses are all that is known of them",
		scene: packetsOnly,
		but: func(s *scene) {
			s.samples = map[string]*host.Sample{capture.HostNetns: {Undated: true, State: host.State{Given: host.Given{"local4": "", "routes4": ""},
				Routes: []host.Route{{Table: 255, Type: "local", Dst: prefix("198.51.100.1/32"), Link: 2}}}}}
		},
		story: "0ms eth0 198.51.100.107:4000 > 198.51.100.158:5300 udp seq=1 len=20 in\n1ms eth0 198.51.100.158:5300 > 198.51.100.107:4000 udp seq=2 len=20\n",
	},
	{
		name:  "a frame to everyone is no request, whatever address is in it",
		scene: packetsOnly,
		story: "0ms eth0 198.51.100.30:137 > 198.51.100.255:137 udp seq=1 len=20 in everyone\n",
	},
	{
		name:  "UDP through docker-proxy is joined by its bytes, where an address of the host sends them on",
		but:   func(s *scene) { s.dockerProxy("udp", "0.0.0.0:8053", "172.17.0.2:53") },
		story: "0ms eth0 C > U udp seq=5 len=30\n0.02ms eth0 D > U udp seq=6 len=30\n0.1ms docker0 veth1 P > V udp seq=6 len=30\n0.2ms veth1 docker0 V > P udp seq=8 len=60\n0.3ms eth0 U > D udp seq=8 len=60",
		want:  []string{"undetermined: unknown, inferred", "delivered, via proxy to 172.17.0.2:53, inferred"},
	},
	{
		name:  "a request that was acknowledged and never answered is unanswered, whoever serves the port",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "web:eth0", "lo") },
		story: outside,
		want:  []string{"unanswered: server-silent, inferred"},
	},
	{
		name:  "what was not captured of the answers is not claimed to be missing",
		scene: packetsOnly,
		story: "0ms eth0 C > H S seq=100\n0.2ms eth0 C > H . seq=101 ack=501\n0.3ms eth0 C > H P. seq=101 ack=501 len=50\n",
		want:  []string{"undetermined: unknown, inferred"},
	},
	{
		name:  "what the host asks of the world is no request, once its address is learned",
		scene: packetsOnly,
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n0.1ms web:eth0 veth1 docker0 | eth0 H > C R. seq=0 ack=101\n" +
			"1s eth0 198.51.100.1:40000 > 203.0.113.7:5432 S seq=300 in\n",
		want: []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "a sender of one sequence number to many ports is not told apart",
		scene: packetsOnly,
		story: "0ms eth0 C > 198.51.100.1:81 S seq=100\n0.01ms eth0 C > 198.51.100.1:82 S seq=100\n0.02ms eth0 C > 198.51.100.1:83 S seq=100\n0.03ms eth0 C > 198.51.100.1:84 S seq=100\n0.04ms eth0 C > 198.51.100.1:85 S seq=100\n" +
			"0.06ms docker0 veth1 web:eth0 C > W S seq=100\n",
		want: []string{"undetermined: unknown, inferred", "undetermined: unknown, inferred", "undetermined: unknown, inferred", "undetermined: unknown, inferred", "undetermined: unknown, inferred"},
	},
}

func TestStrangers(t *testing.T) { check(t, strangers) }

// takenUp are about what a bound socket says of datagrams that nobody answers
// (rules 3, 20).
var takenUp = []row{
	{
		name: "docker-proxy is bound whether or not a rule sends the datagram on: nothing says that it was taken up",
		but: func(s *scene) {
			s.unwatch("docker0", "veth1", "web:eth0")
			s.dockerProxy("udp", "0.0.0.0:8053", "172.17.0.2:53")
		},
		story: "0ms eth0 C > U udp seq=5 len=30\n",
		want:  []string{"undetermined: unknown, inferred"},
	},
	{
		name: "a server of the host's own takes them",
		but: func(s *scene) {
			s.unwatch("docker0", "veth1", "web:eth0")
			s.hostListens("udp", "0.0.0.0:514", "rsyslogd")
		},
		story: "0ms eth0 C > 198.51.100.1:514 udp seq=5 len=30\n",
		want:  []string{"delivered, inferred"},
	},
	{
		name:  "what carries other packets is no request of its own, cut as it may be",
		scene: packetsOnly,
		story: "0ms eth0 C > 198.51.100.1:4789 udp seq=5 len=1400\n",
	},
}

func TestTakenUp(t *testing.T) { check(t, takenUp) }
