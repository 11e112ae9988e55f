package correlate_test

import (
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// absences are about where a request ends and what an absence proves (rules 5,
// 7, 12, 13), each with what takes the proof away.
var absences = []row{
	{
		name:  "seen at the NIC, nowhere behind, nothing lost: dropped",
		story: "0ms eth0 C > H S seq=100\n1s eth0 C > H S seq=100",
		want:  []string{"dropped between eth0 and docker0: unknown, 2 tries, inferred"},
		blind: "which rule or setting dropped it",
	},
	{
		name:  "the same, and the ring lost packets meanwhile",
		story: "0ms eth0 C > H S seq=100\n0.5s lost 1 at docker0 until 1.5s\n1s eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, 2 tries, inferred"},
		blind: "1 packets were lost at docker0 meanwhile",
	},
	{
		name:  "the ring lost packets before: that is no excuse",
		story: "0ms lost 9 at docker0 until 50ms\n100ms eth0 C > H S seq=100",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "the ring lost packets after the window: that is no excuse",
		story: "0ms eth0 C > H S seq=100\n4s lost 9 at docker0 until 5s",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "another ring lost packets: no excuse, the host-side veth stands for the container's own interface",
		story: "0ms eth0 C > H S seq=100\n0.5s lost 9 at web:eth0 until 1s",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "nothing behind the NIC is watched",
		but:   func(s *scene) { s.unwatch("docker0", "veth1", "web:eth0") },
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "nothing behind eth0 was watched",
	},
	{
		name:  "nor is it known that nothing translates it, with the addresses of the host alone",
		scene: packetsOnly,
		but: func(s *scene) {
			s.unwatch("docker0", "veth1", "web:eth0")
			s.samples = map[string]*host.Sample{capture.HostNetns: {Undated: true, State: host.State{Given: host.Given{"addrs4": ""}, Addrs: hostState().Addrs}}}
		},
		story: "0ms eth0 C > H S seq=100\n1s eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, 2 tries, inferred"},
	},
	{
		name:  "the capture kept too little of an ICMP error to the client",
		story: "0ms eth0 C > H S seq=100\n0.1ms eth0 198.51.100.1 > C unreachable 13 about C > H tcp cut",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "too little of an ICMP error",
	},
	{
		name:  "seen at one container's door, it was not to come by another's",
		scene: packetsOnly,
		but:   func(s *scene) { withDoors(s); s.unwatch("eth0", "docker0", "web:eth0", "peer:eth0") },
		story: "0ms veth1 C > W S seq=1\n1s veth1 C > W S seq=1",
		want:  []string{"undetermined: unknown, 2 tries, inferred"},
	},
	{
		name:  "nor was what the host itself asks",
		scene: packetsOnly,
		but: func(s *scene) {
			withDoors(s)
			s.engine = theEngine()
			s.engine.Partial, s.web().Partial, s.web().Mappings = true, true, nil
			s.point("veth1").Container = ""
			s.unwatch("eth0", "docker0", "web:eth0", "peer:eth0")
		},
		story: "0ms veth1 P > W S seq=1\n1s veth1 P > W S seq=1",
		want:  []string{"undetermined: unknown, 2 tries, inferred"},
	},
	{
		name:  "somebody is asked for in vain just when two requests came: whose neighbour it is cannot be told",
		scene: packetsOnly,
		story: "0ms eth0 198.51.100.9 > 198.51.100.1 echo id=7 seq=1\n5ms eth0 C > H S seq=100\n5.02ms docker0 arp who-has 172.17.0.40\n1s eth0 198.51.100.9 > 198.51.100.1 echo id=7 seq=2\n1s docker0 arp who-has 172.17.0.40\n",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred", "dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "somebody is asked for just when the request came, and once",
		scene: packetsOnly,
		story: "0ms eth0 C > H S seq=100\n0.02ms docker0 arp who-has 172.17.0.40\n1s eth0 C > H S seq=100",
		want:  []string{"dropped between eth0 and docker0: unknown, 2 tries, inferred"},
	},
	{
		name: "a container's own request may come from another address behind, and would not be known again",
		but: func(s *scene) {
			withPeer(s)
			s.unwatch("eth0", "docker0", "veth1", "veth2")
		},
		story: "0ms peer:eth0 [fd00:17::3]:4000 > H6 S seq=5\n1s peer:eth0 [fd00:17::3]:4000 > H6 S seq=5",
		want:  []string{"undetermined: unknown, 2 tries, inferred"},
	},
	{
		name:  "the bridge is not watched, the veth is: it is the next that should have seen it",
		but:   func(s *scene) { s.unwatch("docker0") },
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"dropped between eth0 and veth1: unknown, inferred"},
	},
	{
		name:  "the next point was watched only after the request had begun",
		but:   func(s *scene) { s.point("docker0").Since = epoch + 1e9 },
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "docker0 was watched only after the request had begun",
	},
	{
		name: "captures that record no loss count as lossless, and that is said",
		but: func(s *scene) {
			for i := range s.points {
				s.points[i].Counting = false
			}
		},
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
		blind: "does not record losses",
	},
	{
		name:  "got to the bridge and not to the veth: dropped in between",
		story: "0ms eth0 | docker0 C > H S seq=100",
		want:  []string{"dropped between docker0 and veth1: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the host-side veth is the door: behind it the container is responsible",
		but:   func(s *scene) { s.unwatch("web:eth0") },
		story: "0ms eth0 | docker0 veth1 C > H S seq=100",
		want:  []string{"unanswered at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "reached the container, no answer, nothing else known",
		story: syn,
		want:  []string{"unanswered at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "reached the container, no answer, but the container's ring lost packets: the host-side veth shows that none came out",
		story: syn + "0.5s lost 3 at web:eth0 until 1s",
		want:  []string{"unanswered at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "reached the container, no answer, and the host's ring lost packets",
		story: syn + "0.5s lost 3 at veth1 until 1s",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "silence: paused comes first",
		but:   func(s *scene) { s.web().State = "paused"; s.samples["web"].Routes = nil },
		story: syn + translated,
		want:  []string{"unanswered at container: container-paused, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "silence: the container has no route back",
		but:   func(s *scene) { s.samples["web"].Routes = []host.Route{route("172.17.0.0/16", 2)} },
		story: syn + translated,
		want:  []string{"unanswered at container: reply-no-route, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "silence: the accept queue is full",
		but:   func(s *scene) { s.samples["web"].Sockets[0].Queue, s.samples["web"].Sockets[0].Backlog = 129, 128 },
		story: syn + translated,
		want:  []string{"unanswered at container: backlog-full, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the answer was seen at docker0 and did not come out: answer-lost, not dropped",
		story: syn + translated + "0.1ms web:eth0 veth1 docker0 W > C S. seq=500 ack=101",
		want:  []string{"answer-lost between docker0 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the same, and the host has no route back",
		but:   func(s *scene) { s.samples[capture.HostNetns].Routes = s.samples[capture.HostNetns].Routes[1:2] },
		story: syn + translated + "0.1ms web:eth0 veth1 docker0 W > C S. seq=500 ack=101",
		want:  []string{"answer-lost at reply-route between docker0 and eth0: reply-no-route, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the same, and the ring lost packets: the answer may have come out",
		story: syn + "0.1ms web:eth0 veth1 docker0 W > C S. seq=500 ack=101\n0.1ms lost 1 at eth0 until 0.3ms",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "SYN_RECV in conntrack does not mean that the answer got out",
		story: syn + "0.1ms web:eth0 veth1 docker0 W > C S. seq=500 ack=101\n0.2ms conntrack update C > H translated W > C",
		want:  []string{"answer-lost between docker0 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "conntrack knows nothing of a request that was dropped on the way: that proves nothing more",
		story: "0ms eth0 C > H S seq=100\n1s conntrack new D > H translated W > D",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "forwarding is off, before and after",
		but:   func(s *scene) { s.samples[capture.HostNetns].Sysctls["net.ipv4.ip_forward"] = "0" },
		story: "0ms eth0 C > H S seq=100",
		want:  []string{"dropped at route between eth0 and docker0: forwarding-disabled, proven"},
	},
	{
		name:  "nobody answers ARP for an address that no container owns: the translation is stale",
		but:   func(s *scene) { s.engine.Containers[0].State = "exited" },
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2\n1s docker0 arp who-has 172.17.0.2\n1s eth0 C > H S seq=100\n2s docker0 arp who-has 172.17.0.2",
		want:  []string{"dropped at neighbour: stale-translation, 2 tries, inferred"},
	},
	{
		name:  "nobody answers ARP for a container that runs",
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2\n1s docker0 arp who-has 172.17.0.2",
		want:  []string{"dropped at neighbour: neighbour-unresolved, inferred"},
	},
	{
		name:  "while ARP is outstanding the window is 4 s: the kernel gives up after 3",
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2\n1s docker0 arp who-has 172.17.0.2\n3.5s docker0 arp is-at 172.17.0.2\n3.6s docker0 veth1 web:eth0 C > W S seq=100\n3.7s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n3.8s eth0 | docker0 veth1 web:eth0 C > H R seq=101",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "ARP was answered: the window is the usual one",
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2\n0.2ms docker0 arp is-at 172.17.0.2\n3.5s end",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "the host says that ARP failed: refused by the neighbour",
		but:   func(s *scene) { s.engine.Containers[0].State = "exited" },
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2\n1s docker0 arp who-has 172.17.0.2\n3s eth0 198.51.100.1 > C unreachable 1 about C > H tcp out",
		want:  []string{"refused at neighbour: stale-translation, inferred"},
	},
	{
		name:  "a container that announces itself, or probes its address, is not one that does not answer",
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2 tell 172.17.0.2\n0.2ms docker0 arp who-has 172.17.0.2 tell 0.0.0.0\n0.3ms docker0 nd who-has fd00:17::2 tell ::",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "nobody answers for the container's other family: not this request's trouble",
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 nd who-has fd00:17::2\n1s docker0 nd who-has fd00:17::2",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "the ring lost packets: the ARP answer may be among them",
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2\n1s lost 1 at docker0 until 1.1s",
		want:  []string{"undetermined: unknown, inferred"},
	},
}

func TestAbsences(t *testing.T) { check(t, absences) }

// withDoors adds the doors of a second container, of which nobody says that they are.
func withDoors(s *scene) {
	s.watch("veth2", capture.RoleVeth, capture.HostNetns, 0, "")
	s.watch("peer:eth0", capture.RoleContainer, "peer", 2, "")
}
