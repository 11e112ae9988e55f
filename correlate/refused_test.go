package correlate_test

import (
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
)

// The two shapes of a refusal, and one by ICMP.
const (
	rstInside = "0.1ms web:eth0 veth1 docker0 | eth0  H > C R. seq=0 ack=101\n"
	rstHost   = "0ms eth0 C > H S seq=100\n0.02ms conntrack new C > H\n0.1ms eth0 H > C R. seq=0 ack=101\n"
)

// refusals are about who said no and why (rules 6, 9, 10).
var refusals = []row{
	{
		name:  "the container's port is on its loopback",
		but:   func(s *scene) { s.listens("tcp", "127.0.0.1:80") },
		story: syn + translated + rstInside,
		want:  []string{"refused at container: listener-on-loopback, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the container's port is on another address",
		but:   func(s *scene) { s.listens("tcp", "10.0.0.5:80") },
		story: syn + translated + rstInside,
		want:  []string{"refused at container: listener-elsewhere, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the container listens on another port",
		but:   func(s *scene) { s.listens("tcp", "0.0.0.0:3000") },
		story: syn + translated + rstInside,
		want:  []string{"refused at container: wrong-container-port, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the engine's own resolver is no server",
		but:   func(s *scene) { s.listens("tcp", "127.0.0.11:39999") },
		story: syn + translated + rstInside,
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "sockets of another protocol do not count",
		but:   func(s *scene) { s.listens("tcp"); s.listens("udp", "127.0.0.1:80") },
		story: syn + translated + rstInside,
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "without the container's sockets: no-listener, inferred",
		but:   func(s *scene) { delete(s.samples, "web") },
		story: syn + translated + rstInside,
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred"},
		blind: "the sockets of web are not in evidence",
	},
	{
		name:  "the server started only afterwards: no state that held before and after, no proof",
		but:   func(s *scene) { s.listens("tcp"); s.later(func() { s.listens("tcp", "0.0.0.0:80") }) },
		story: syn + translated + rstInside,
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "packets alone: a reset that came from behind the bridge",
		scene: packetsOnly,
		story: syn + rstInside,
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "packets alone: a reset of the host",
		scene: packetsOnly,
		story: "0ms eth0 C > H S seq=100\n0.1ms eth0 H > C R. seq=0 ack=101",
		want:  []string{"refused at host: unknown, inferred"},
		blind: "what the engine publishes is not in evidence",
	},
	{
		name:  "packets alone: a reset that came out of the container's door",
		scene: packetsOnly,
		story: "0ms veth1 C > W S seq=100\n0.1ms veth1 W > C R. seq=0 ack=101",
		want:  []string{"refused at container: no-listener, inferred"},
	},
	{
		name:  "packets alone: so does a datagram that nobody takes",
		scene: packetsOnly,
		story: "0ms veth1 C > V udp len=9\n0.1ms veth1 172.17.0.2 > C unreachable 3 about C > V udp",
		want:  []string{"refused at container: no-listener, inferred"},
	},
	{
		name:  "packets alone: who refuses what may be a container's own request is not told",
		scene: packetsOnly,
		story: "0ms veth1 172.17.0.3:4000 > 172.17.0.1:8080 S seq=100\n0.1ms veth1 172.17.0.1:8080 > 172.17.0.3:4000 R. seq=0 ack=101",
		want:  []string{"refused: unknown, inferred"},
	},
	{
		name:  "packets alone: nor who closes its connection",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "lo") },
		story: "0ms web:eth0 172.17.0.2:4000 > 172.17.0.1:8080 S seq=100\n0.1ms web:eth0 172.17.0.1:8080 > 172.17.0.2:4000 S. seq=500 ack=101\n0.2ms web:eth0 172.17.0.2:4000 > 172.17.0.1:8080 . seq=101 ack=501\n" +
			"0.3ms web:eth0 172.17.0.1:8080 > 172.17.0.2:4000 F. seq=501 ack=101\n",
		want: []string{"refused: unknown, inferred"},
	},
	{
		name:  "packets alone: its own door does not make it the server",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("docker0", "lo") },
		story: "0ms web:eth0 veth1 172.17.0.2:4000 > 172.17.0.1:8080 S seq=100\n0.1ms veth1 web:eth0 172.17.0.1:8080 > 172.17.0.2:4000 S. seq=500 ack=101\n0.2ms web:eth0 veth1 172.17.0.2:4000 > 172.17.0.1:8080 . seq=101 ack=501\n" +
			"0.3ms veth1 web:eth0 172.17.0.1:8080 > 172.17.0.2:4000 F. seq=501 ack=101\n",
		want: []string{"refused: unknown, inferred"},
	},
	{
		name:  "packets alone: which way it went through a door tells whose that is",
		scene: packetsOnly,
		but:   func(s *scene) { withDoors(s); s.unwatch("docker0", "web:eth0", "peer:eth0", "lo") },
		story: "0ms veth2 172.17.0.3:4000 > W S seq=100 in\n0.01ms veth1 172.17.0.3:4000 > W S seq=100 out\n0.1ms veth1 W > 172.17.0.3:4000 R. seq=0 ack=101 in\n0.11ms veth2 W > 172.17.0.3:4000 R. seq=0 ack=101 out\n",
		want:  []string{"refused at container: no-listener, inferred"},
	},
	{
		name:  "packets alone: what took a request that may have been a container's is nobody in particular",
		scene: packetsOnly,
		but: func(s *scene) {
			withDoors(s)
			s.point("veth2").Role = capture.RoleOther
			s.unwatch("docker0", "web:eth0", "peer:eth0", "lo")
		},
		story: "0ms veth2 172.17.0.3:4000 > W S seq=100 in\n0.1ms veth2 W > 172.17.0.3:4000 S. seq=500 ack=101 out\n0.2ms veth2 172.17.0.3:4000 > W . seq=101 ack=501 in\n0.3ms veth2 172.17.0.3:4000 > W P. seq=101 ack=501 len=9 in\n0.4ms veth2 W > 172.17.0.3:4000 . seq=501 ack=110 out\n",
		want:  []string{"unanswered: server-silent, inferred"},
	},
	{
		name:  "packets alone: likewise of a datagram",
		scene: packetsOnly,
		but:   func(s *scene) { withDoors(s); s.unwatch("docker0", "web:eth0", "peer:eth0", "lo") },
		story: "0ms veth2 172.17.0.3:4000 > V udp len=9 in\n0.01ms veth1 172.17.0.3:4000 > V udp len=9 out\n0.1ms veth1 172.17.0.2 > 172.17.0.3 unreachable 3 about 172.17.0.3:4000 > V udp in\n0.11ms veth2 172.17.0.2 > 172.17.0.3 unreachable 3 about 172.17.0.3:4000 > V udp out\n",
		want:  []string{"refused at container: no-listener, inferred"},
	},
	{
		name: "whoever accepts a connection to a container's address is that container",
		but: func(s *scene) {
			withPeer(s)
			s.hideLinks()
			s.point("veth2").Container = ""
			s.unwatch("eth0", "docker0", "web:eth0", "peer:eth0")
		},
		story: "0ms veth1 172.17.0.3:4000 > W S seq=100\n0.1ms veth1 W > 172.17.0.3:4000 S. seq=500 ack=101\n0.2ms veth1 172.17.0.3:4000 > W . seq=101 ack=501\n0.3ms veth1 172.17.0.3:4000 > W P. seq=101 ack=501 len=9\n0.4ms veth1 W > 172.17.0.3:4000 R. seq=501 ack=110\n",
		want:  []string{"refused at container: server-reset, proven"},
	},
	{
		name:  "the server acknowledges more of the client than was seen: who closed first is not known",
		scene: packetsOnly,
		story: shake + ask + heard + "0.5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=501 ack=152\n0.6ms eth0 | docker0 veth1 web:eth0 C > H . seq=152 ack=502\n",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "the host's own connection to the container, on a port that docker-proxy has too",
		but: func(s *scene) {
			s.samePort()
			withDoors(s)
			s.unwatch("docker0", "web:eth0", "peer:eth0")
			s.hideLinks()
		},
		story: "0ms veth1 P > W S seq=700\n0.1ms veth1 W > P S. seq=900 ack=701\n0.2ms veth1 P > W . seq=701 ack=901\n0.3ms veth1 P > W P. seq=701 ack=901 len=9\n0.4ms veth1 W > P F. seq=901 ack=710\n",
		want:  []string{"refused at container: server-reset, direct, proven"},
	},
	{
		name:  "a reset at the card alone, where not all containers are in evidence: the host's, or a container's",
		but:   func(s *scene) { s.unpublish(); s.engine.Partial = true; s.unwatch("docker0", "veth1", "web:eth0") },
		story: "0ms eth0 C > H S seq=100\n0.1ms eth0 H > C R. seq=0 ack=101",
		want:  []string{"refused: unknown, inferred"},
	},
	{
		name:  "connection tracking has the datagram past all rules: what comes back then is the container's word",
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "web:eth0") },
		story: "0ms eth0 C > U udp len=9\n0.05ms conntrack new C > U translated V > C udp\n0.1ms eth0 198.51.100.1 > C unreachable 3 about C > U udp out",
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "packets alone: connection tracking tells that, too",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "web:eth0") },
		story: "0ms eth0 C > U udp len=9\n0.05ms conntrack new C > U translated V > C udp\n0.1ms eth0 198.51.100.1 > C unreachable 3 about C > U udp out",
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "the container got the datagram, and no rule answers after that: its ring lost what it said",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("docker0", "veth1") },
		story: "0ms eth0 | web:eth0 C > U udp seq=5 ipid=7 len=9\n0.1ms eth0 198.51.100.1 > C unreachable 3 about C > U udp out",
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "host unreachable two seconds after the try: no rule waits so long, and since when the host has asked was not seen",
		story: "0ms eth0 C > H S seq=100\n2.07s eth0 198.51.100.1 > C unreachable 1 about C > H tcp out",
		want:  []string{"refused at host between eth0 and docker0: unknown, inferred"},
	},
	{
		name: "a container failed to start for the port, and the process that held it is gone",
		but: func(s *scene) {
			s.broken("exited", "driver failed: Bind for 0.0.0.0:8080 failed: port is already allocated")
		},
		story: rstHost,
		want:  []string{"refused at host: port-taken, proven"},
	},
	{
		name:  "a container that publishes was taken off its network",
		but:   func(s *scene) { s.engine.Containers[0].Endpoints, s.engine.Containers[0].Mappings = nil, nil },
		story: rstHost,
		want:  []string{"refused at host: not-published, proven"},
		why:   "it is on no network any more",
	},
	{
		name:  "host mode: -p means nothing there",
		but:   func(s *scene) { s.mode("host") },
		story: rstHost,
		want:  []string{"refused at host: mode-host, proven"},
	},
	{
		name:  "no network at all",
		but:   func(s *scene) { s.mode("none") },
		story: rstHost,
		want:  []string{"refused at host: mode-none, proven"},
	},
	{
		name:  "the network of another container",
		but:   func(s *scene) { s.mode("container:bbbb") },
		story: rstHost,
		want:  []string{"refused at host: mode-container, proven"},
	},
	{
		name:  "only internal networks",
		but:   func(s *scene) { s.unpublish(); s.engine.Networks[0].Internal = true },
		story: rstHost,
		want:  []string{"refused at host: internal-network, proven"},
	},
	{
		name:  "the container does not run",
		but:   func(s *scene) { s.broken("exited", "") },
		story: rstHost,
		want:  []string{"refused at host: container-not-running, proven"},
	},
	{
		name: "published on the loopback only",
		but: func(s *scene) {
			s.web().Mappings = []engine.Binding{{Proto: "tcp", Container: 80, HostIP: addr("127.0.0.1"), HostPort: 8080}}
			s.web().Bindings = s.web().Mappings
		},
		story: rstHost,
		want:  []string{"refused at host: published-elsewhere, proven"},
	},
	{
		name:  "published over the other protocol",
		but:   func(s *scene) { s.web().Mappings[0].Proto, s.web().Mappings[1].Proto = "udp", "udp" },
		story: rstHost,
		want:  []string{"refused at host: published-elsewhere, proven"},
	},
	{
		name:  "the engine publishes it, and no rule does",
		story: rstHost,
		want:  []string{"refused at host: rules-missing, proven"},
	},
	{
		name:  "only exposed",
		but:   func(s *scene) { s.unpublish(); s.web().Bindings = nil; s.web().Exposed[0].Port = 8080 },
		story: rstHost,
		want:  []string{"refused at host: not-published, proven"},
	},
	{
		name:  "no container knows the port",
		but:   func(s *scene) { s.unpublish(); s.web().Bindings = nil },
		story: rstHost,
		want:  []string{"refused at host: not-published, proven"},
	},
	{
		name:  "a host-mode container declares the port and does not listen",
		but:   func(s *scene) { s.mode("host"); s.web().Bindings = nil; s.web().Exposed[0].Port = 8080 },
		story: rstHost,
		want:  []string{"refused at host: no-listener, proven"},
	},
	{
		name:  "ICMP administratively prohibited: a firewall's word",
		story: "0ms eth0 C > H S seq=100\n0.1ms eth0 198.51.100.1 > C unreachable 13 about C > H tcp out",
		want:  []string{"refused between eth0 and docker0: firewall-reject, inferred"},
		blind: "which rule it was",
	},
	{
		name:  "an ICMP error about another request says nothing of this one",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n0.05ms eth0 198.51.100.1 > C unreachable 13 about D > H tcp out\n0.1ms web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n0.2ms eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n0.3ms web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=101 len=5",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "IPv6: refused inside, port unreachable is code 4 there",
		but:   func(s *scene) { s.listens("tcp", "0.0.0.0:80") },
		story: "0ms eth0 | docker0 veth1 web:eth0 C6 > H6 S seq=100\n0.1ms web:eth0 veth1 docker0 | eth0 H6 > C6 R. seq=0 ack=101",
		want:  []string{"refused at container: listener-elsewhere, via dnat to [fd00:17::2]:80, inferred"},
	},
	{
		name:  "refused at once, and the client tries again from the same port: two tries of one request",
		story: syn + rstInside + "0.5s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n0.6s web:eth0 veth1 docker0 | eth0 H > C R. seq=0 ack=101",
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:80, 2 tries, inferred"},
	},
}

func TestRefusals(t *testing.T) { check(t, refusals) }

// unpublish has the engine publish nothing, though it was asked to.
func (s *scene) unpublish() { s.web().Mappings = nil }

// broken stops the container, with what the engine says of it.
func (s *scene) broken(state, err string) {
	s.unpublish()
	s.web().State, s.web().Error, s.web().Endpoints = state, err, nil
	delete(s.samples, "web")
}

// mode runs the container in another network mode.
func (s *scene) mode(m string) {
	s.unpublish()
	s.web().Mode, s.web().Endpoints = m, nil
	delete(s.samples, "web")
}

// proxied are about docker-proxy, whose two connections are one request (rule
// 14).
var proxied = []row{
	{
		name:  "the proxy serves because NAT rules are gone: delivered, with a note",
		but:   proxyFor8080,
		story: outside + backend + "0.5ms web:eth0 veth1 docker0 W > P P. seq=901 ack=761 len=9\n0.6ms eth0 H > C P. seq=501 ack=151 len=9",
		want:  []string{"delivered, via proxy to 172.17.0.2:80, inferred"},
		note:  "docker-proxy served it",
	},
	{
		name:  "the proxy accepts and its own connection is refused: the container's refusal",
		but:   func(s *scene) { proxyFor8080(s); s.listens("tcp", "127.0.0.1:80") },
		story: outside + "0.25ms docker0 veth1 web:eth0 P > W S seq=700\n0.3ms web:eth0 veth1 docker0 W > P R. seq=0 ack=701\n0.4ms eth0 H > C F. seq=501 ack=151",
		want:  []string{"refused at container: listener-on-loopback, via proxy to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the proxy accepts and closes, and its own connection is not in evidence",
		but:   proxyFor8080,
		story: outside + "0.4ms eth0 H > C F. seq=501 ack=151",
		want:  []string{"refused at proxy: proxy-backend-failed, inferred"},
	},
	{
		name:  "a client closes what the proxy accepted, and nothing came back on the proxy's own connection",
		but:   proxyFor8080,
		story: shakenBy + "0.25ms docker0 veth1 web:eth0 P > W S seq=700\n0.5ms eth0 C > H R. seq=101 ack=501\n1000ms docker0 veth1 web:eth0 P > W S seq=700",
		want:  []string{"unanswered at container: unknown, via proxy to 172.17.0.2:80, inferred"},
	},
	{
		name:  "a client closes what the proxy accepted, before the server has answered the proxy",
		but:   proxyFor8080,
		story: shakenBy + "0.25ms docker0 veth1 web:eth0 P > W S seq=700\n0.5ms eth0 C > H R. seq=101 ack=501\n0.6ms web:eth0 veth1 docker0 W > P S. seq=900 ack=701",
		want:  []string{"delivered, via proxy to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the proxy accepts and closes, the way behind it was watched, and no rule is in it: it never asked",
		but:   func(s *scene) { proxyFor8080(s); s.rules = openRules },
		story: outside + "0.4ms eth0 H > C F. seq=501 ack=151",
		want:  []string{"refused at proxy: proxy-exhausted, inferred"},
	},
	{
		name:  "the proxy takes the request, and never asks",
		but:   func(s *scene) { proxyFor8080(s); s.rules = openRules },
		story: outside,
		want:  []string{"unanswered at proxy: proxy-exhausted, inferred"},
	},
	{
		name: "a rule keeps the host from the container: that the proxy did not ask is not known",
		but: func(s *scene) {
			proxyFor8080(s)
			s.rules = strings.Replace(openRules, "COMMIT", "-A OUTPUT -o docker0 -j DROP\nCOMMIT", 1)
		},
		story: outside + "0.4ms eth0 H > C F. seq=501 ack=151",
		want:  []string{"refused at proxy: proxy-backend-failed, inferred"},
	},
	{
		name:  "nothing behind the proxy was watched: that it did not ask is not known",
		but:   func(s *scene) { proxyFor8080(s); s.rules = openRules; s.unwatch("docker0", "veth1", "web:eth0") },
		story: outside + "0.4ms eth0 H > C F. seq=501 ack=151",
		want:  []string{"refused: unknown, inferred"},
	},
	{
		name:  "the proxy's own connection finds a silent server",
		but:   proxyFor8080,
		story: outside + backend,
		want:  []string{"unanswered at container: server-silent, via proxy to 172.17.0.2:80, inferred"},
	},
	{
		name: "two requests at once: which of them docker-proxy dials for is not told apart",
		but:  proxyFor8080,
		story: outside +
			"0.01ms eth0 D > H S seq=200\n0.11ms eth0 H > D S. seq=1500 ack=201\n0.21ms eth0 D > H . seq=201 ack=1501\n0.31ms eth0 D > H P. seq=201 ack=1501 len=50\n" +
			"0.35ms docker0 veth1 web:eth0 P > W S seq=700\n0.36ms docker0 veth1 web:eth0 Q > W S seq=800\n" +
			"0.4ms web:eth0 veth1 docker0 W > P S. seq=900 ack=701\n0.41ms web:eth0 veth1 docker0 W > Q R. seq=0 ack=801\n" +
			"0.5ms web:eth0 veth1 docker0 W > P P. seq=901 ack=761 len=9\n0.6ms eth0 H > C P. seq=501 ack=151 len=9\n0.7ms eth0 H > D F. seq=1501 ack=251",
		want: []string{
			"delivered, inferred",
			"refused at proxy: proxy-backend-failed, inferred",
		},
	},
	{
		name:  "UDP through the proxy is answered",
		but:   func(s *scene) { s.dockerProxy("udp", "0.0.0.0:8053", "172.17.0.2:53") },
		story: "0ms eth0 C > U udp len=30\n0.1ms docker0 veth1 web:eth0 P > V udp len=30\n0.2ms web:eth0 veth1 docker0 V > P udp len=60\n0.3ms eth0 U > C udp len=60",
		want:  []string{"delivered, via proxy to 172.17.0.2:53, inferred"},
	},
}

// openRules are rules of the host that let everything pass.
const openRules = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"

// A client's connection to docker-proxy, and the proxy's own.
const (
	shakenBy = "0ms eth0 C > H S seq=100\n0.1ms eth0 H > C S. seq=500 ack=101\n0.2ms eth0 C > H . seq=101 ack=501\n"
	outside  = shakenBy + "0.3ms eth0 C > H P. seq=101 ack=501 len=50\n0.31ms eth0 H > C . seq=501 ack=151\n"
	backend  = "0.25ms docker0 veth1 web:eth0 P > W S seq=700\n0.26ms web:eth0 veth1 docker0 W > P S. seq=900 ack=701\n0.3ms docker0 veth1 web:eth0 P > W . seq=701 ack=901\n0.35ms docker0 veth1 web:eth0 P > W P. seq=701 ack=901 len=60\n0.4ms web:eth0 veth1 docker0 W > P . seq=901 ack=761\n"
)

func TestProxied(t *testing.T) { check(t, proxied) }

func proxyFor8080(s *scene) { s.dockerProxy("tcp", "0.0.0.0:8080", "172.17.0.2:80") }

// elsewhere are about answers of the wrong one, and requests from somewhere
// else than outside (rules 15, 19).
var elsewhere = []row{
	{
		name:  "a process of the host answers on a port that a container publishes",
		but:   func(s *scene) { s.hostListens("tcp", "0.0.0.0:8080", "apache2") },
		story: outside + "0.6ms eth0 H > C P. seq=501 ack=151 len=9",
		want:  []string{"misdelivered at host: port-taken, inferred"},
	},
	{
		name: "the same process, but conntrack knows that the request was translated: the points behind just did not see it",
		but: func(s *scene) {
			s.hostListens("tcp", "0.0.0.0:8080", "apache2")
			s.unwatch("docker0", "veth1", "web:eth0")
		},
		story: outside + translated + "0.6ms eth0 H > C P. seq=501 ack=151 len=9",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the same process, and the ring lost packets: who answered is not known, that someone did is",
		but:   func(s *scene) { s.hostListens("tcp", "0.0.0.0:8080", "apache2") },
		story: outside + "0.05ms lost 5 at docker0 until 0.7ms\n0.6ms eth0 H > C P. seq=501 ack=151 len=9",
		want:  []string{"delivered, inferred"},
	},
	{
		name:  "the host asks its own port through the loopback, and the proxy serves",
		but:   func(s *scene) { proxyFor8080(s); only8080(s) },
		story: "0ms lo 127.0.0.1:41000 > 127.0.0.1:8080 S seq=100 in\n0.01ms lo 127.0.0.1:8080 > 127.0.0.1:41000 S. seq=500 ack=101 in\n0.02ms lo 127.0.0.1:41000 > 127.0.0.1:8080 . seq=101 ack=501 in\n0.03ms lo 127.0.0.1:41000 > 127.0.0.1:8080 P. seq=101 ack=501 len=50 in\n" + backend + "0.5ms web:eth0 veth1 docker0 W > P P. seq=901 ack=761 len=9\n0.6ms lo 127.0.0.1:8080 > 127.0.0.1:41000 P. seq=501 ack=151 len=9 in",
		want:  []string{"delivered, via proxy to 172.17.0.2:80, inferred"},
		note:  "the way in from outside was not exercised",
	},
	{
		name:  "one container asks another directly",
		but:   withPeer,
		story: "0ms peer:eth0 veth2 docker0 veth1 web:eth0 172.17.0.3:5000 > W S seq=100\n0.1ms web:eth0 veth1 docker0 veth2 peer:eth0 W > 172.17.0.3:5000 S. seq=500 ack=101\n0.2ms peer:eth0 veth2 docker0 veth1 web:eth0 172.17.0.3:5000 > W . seq=101 ack=501\n0.3ms web:eth0 veth1 docker0 veth2 peer:eth0 W > 172.17.0.3:5000 P. seq=501 ack=101 len=9",
		want:  []string{"delivered, direct, proven"},
	},
	{
		name:  "one container asks another and nobody listens there",
		but:   func(s *scene) { withPeer(s); s.listens("tcp") },
		story: "0ms peer:eth0 veth2 docker0 veth1 web:eth0 172.17.0.3:5000 > W S seq=100\n0.1ms web:eth0 veth1 docker0 veth2 peer:eth0 W > 172.17.0.3:5000 R. seq=0 ack=101",
		want:  []string{"refused at container: no-listener, direct, proven"},
	},
}

func TestElsewhere(t *testing.T) { check(t, elsewhere) }
