package correlate_test

import (
	"net/netip"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate"
)

// ways are about by which way a request is said to have gone in: only what is in
// evidence, or what was intended where nobody took it up (rules 14, 20).
var ways = []struct {
	name  string
	but   func(*scene)
	story string
	via   correlate.Via
}{
	{"somebody took it up, and whether that was docker-proxy is not in evidence",
		func(s *scene) { s.samples = nil; s.unwatch("docker0", "veth1", "web:eth0") }, outside, ""},
	{"nobody took it up: the mapping was to take it in",
		func(s *scene) { s.samples = nil; s.unwatch("docker0", "veth1", "web:eth0") }, "0ms eth0 C > H S seq=100\n", correlate.ViaDNAT},
	{"connection tracking tells",
		func(s *scene) { s.samples = nil; s.unwatch("docker0", "veth1", "web:eth0") }, outside + translated, correlate.ViaDNAT},
	{"what a container asks is masqueraded towards its own bridge, and nothing in it would be known again there",
		func(s *scene) {
			s.engine = nil
			s.samples = map[string]*host.Sample{capture.HostNetns: {Undated: true, State: host.State{Given: host.Given{"addrs6": ""}, Addrs: hostState().Addrs}}}
			s.watch("veth2", capture.RoleVeth, capture.HostNetns, 0, "")
			s.unwatch("eth0", "docker0", "web:eth0")
		}, "0ms veth2 [fd00:17::3]:4000 > H6 S seq=100\n0.1ms veth2 H6 > [fd00:17::3]:4000 S. seq=500 ack=101\n0.2ms veth2 [fd00:17::3]:4000 > H6 . seq=101 ack=501\n" +
			"0.3ms veth2 [fd00:17::3]:4000 > H6 F. seq=101 ack=501\n", ""},
	{"several datagrams could be the one behind: that none of them is known to be proves nothing",
		onlyAddresses, "0ms eth0 C > U udp seq=5 len=6\n0.01ms eth0 C > 198.51.100.1:8054 udp seq=5 len=6\n0.02ms web:eth0 C > V udp seq=5 len=6\n1ms web:eth0 V > C udp seq=6 len=20\n1.1ms eth0 U > C udp seq=6 len=20\n", ""},
	{"the ring lost the client's first datagram, and what is behind was seen before the next",
		func(s *scene) { e := s.engine; onlyAddresses(s); s.engine = e }, "0ms web:eth0 C > V udp seq=5 len=6 in\n1ms web:eth0 V > C udp seq=6 len=20 out\n1.1ms eth0 U > C udp seq=6 len=20\n2ms eth0 C > U udp seq=5 len=6\n3ms eth0 U > C udp seq=6 len=20\n", ""},
	{"the ring lost the client's SYN, and what is behind came before its next",
		onlyAddresses, "0ms lost 1 at eth0 until 0.05ms\n0.01ms web:eth0 C > W S seq=100 in\n0.1ms web:eth0 W > C S. seq=500 ack=101 out\n0.2ms eth0 H > C S. seq=500 ack=101\n1s eth0 C > H S seq=100\n1.1s eth0 H > C S. seq=500 ack=101\n1.2s eth0 C > H . seq=101 ack=501\n1.3s eth0 C > H F. seq=101 ack=501\n", ""},
	{"a bridge does not tell what comes in from what goes out, masqueraded: nothing behind is known to be the request's",
		func(s *scene) {
			onlyAddresses(s)
			s.samples[capture.HostNetns].Given = host.Given{"addrs4": "", "addrs6": ""}
			s.watch("veth2", capture.RoleVeth, capture.HostNetns, 0, "")
			s.watch("docker0", capture.RoleBridge, capture.HostNetns, 0, "")
			s.watch("veth1", capture.RoleVeth, capture.HostNetns, 0, "")
			s.unwatch("eth0", "web:eth0")
		}, "0ms veth2 docker0 172.17.0.3:4000 > H S seq=100 ipid=5\n0.04ms docker0 veth1 172.17.0.1:61000 > W S seq=100 ipid=5\n0.1ms veth1 docker0 W > 172.17.0.1:61000 S. seq=500 ack=101\n0.15ms docker0 veth2 H > 172.17.0.3:4000 S. seq=500 ack=101\n" +
			"0.2ms veth2 docker0 172.17.0.3:4000 > H . seq=101 ack=501\n0.3ms veth2 docker0 172.17.0.3:4000 > H F. seq=101 ack=501\n", ""},
	{"another container's request comes first at a bridge that is not its own: it may have asked for another address",
		func(s *scene) {
			s.engine.Networks = append(s.engine.Networks, engine.Network{ID: "mmmm", Name: "back", Driver: "bridge", Bridge: "br-back", Subnets: []netip.Prefix{prefix("172.18.0.0/16")}, Gateways: []netip.Addr{addr("172.18.0.1")}})
			withPeer(s)
			s.engine.Containers[1].Endpoints = []engine.Endpoint{{Network: "back", IPv4: addr("172.18.0.3")}}
			s.unwatch("eth0", "veth1", "veth2", "web:eth0", "peer:eth0")
		}, "0ms docker0 172.18.0.3:4000 > W S seq=100\n0.1ms docker0 W > 172.18.0.3:4000 S. seq=500 ack=101\n0.2ms docker0 172.18.0.3:4000 > W . seq=101 ack=501\n0.3ms docker0 172.18.0.3:4000 > W F. seq=101 ack=501\n", ""},
}

// onlyAddresses leaves of what is known the host's addresses, and watches the card and
// the container.
func onlyAddresses(s *scene) {
	s.engine, s.sources = nil, s.sources[:1]
	s.samples = map[string]*host.Sample{capture.HostNetns: {Undated: true, State: host.State{Given: host.Given{"addrs4": ""}, Addrs: hostState().Addrs}}}
	s.unwatch("docker0", "veth1")
}

func TestWays(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			s := dockerHost()
			w.but(s)
			d := tell(s, w.story).run(feeding{batch: 256})
			if len(d.Requests) == 0 {
				t.Error("nothing is told")
			}
			for _, r := range d.Requests {
				if r.Requested != "172.17.0.2:53" && r.Via != w.via {
					t.Errorf("%s: %s via %q, want %q", r.Requested, r.Verdict, r.Via, w.via)
				}
			}
		})
	}
}
