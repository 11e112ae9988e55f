package correlate_test

import (
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate"
)

// said gives the client an ICMP error of the host's about its SYN.
func said(at, what string) string {
	return at + " eth0 198.51.100.1 > C " + what + " about C > H tcp out\n"
}

// icmpErrors are about who said no in ICMP (rule 6): a rule only if it can have
// sent that, and nothing else explains it.
var icmpErrors = []row{
	{
		name:  "the time to live ran out at a router: no firewall",
		scene: packetsOnly,
		story: "0ms eth0 C > 203.0.113.9 echo id=7 seq=1 len=16 in\n1ms eth0 198.51.100.254 > C exceeded 0 about 198.51.100.9:7 > 203.0.113.9:7 icmp in",
		want:  []string{"refused at route: ttl-expired, inferred"},
		why:   "ran out at 198.51.100.254",
	},
	{
		name:  "the time to live ran out at the host itself, which forwards to the container",
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "exceeded 0"),
		want:  []string{"refused at route: ttl-expired, inferred"},
		why:   "ran out at 198.51.100.1",
	},
	{
		name:  "IPv6: the hop limit ran out",
		story: "0ms eth0 C6 > H6 S seq=100\n0.1ms eth0 2001:db8::1 > 2001:db8::9 exceeded 0 about C6 > H6 tcp out",
		want:  []string{"refused at route: ttl-expired, inferred"},
	},
	{
		name:  "a trace of the way: the first packets run out of time, the last one is answered",
		story: "0ms eth0 C > 198.51.100.1 echo id=7 seq=1 len=16\n1ms eth0 198.51.100.254 > C exceeded 0 about 198.51.100.9:7 > 198.51.100.1:7 icmp in\n2ms eth0 C > 198.51.100.1 echo id=7 seq=2 len=16\n2.1ms eth0 198.51.100.1 > C echo-reply id=7 seq=2 len=16",
		want:  []string{"delivered, 2 tries, inferred"},
	},
	{
		name:  "the first try ran out of time, the second came to the host, which said no: that decides",
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "exceeded 0") + "1s eth0 C > H S seq=100\n" + said("1.0001s", "unreachable 13") + said("1.2s", "exceeded 0"),
		want:  []string{"refused between eth0 and docker0: firewall-reject, 2 tries, inferred, rev 2"},
	},
	{
		name:  "fragments of it did not come",
		story: "0ms eth0 C > U udp len=1400\n2s eth0 198.51.100.1 > C exceeded 1 about C > U udp out",
		want:  []string{"refused at host: fragments-missing, inferred"},
	},
	{
		name:  "host unreachable three seconds after the first try, ARP not captured: the neighbour",
		scene: packetsOnly,
		story: "0ms eth0 C > H S seq=100\n1s eth0 C > H S seq=100\n3s eth0 C > H S seq=100\n" + said("3.06s", "unreachable 1") + said("3.06s", "unreachable 1") + said("3.06s", "unreachable 1"),
		want:  []string{"refused at neighbour: neighbour-unresolved, 3 tries, inferred"},
		blind: "ARP and ND were not captured",
	},
	{
		name:  "the same where the engine says whose address it is",
		story: "0ms eth0 C > H S seq=100\n" + said("3.06s", "unreachable 1"),
		want:  []string{"refused at neighbour: neighbour-unresolved, inferred, rev 2"},
		why:   "answers for 172.17.0.2",
	},
	{
		name:  "the same and the container does not run",
		but:   func(s *scene) { s.engine.Containers[0].State = "exited" },
		story: "0ms eth0 C > H S seq=100\n0.1ms conntrack new C > H translated W > C\n" + said("3.06s", "unreachable 1"),
		want:  []string{"refused at neighbour: stale-translation, via dnat to 172.17.0.2:80, proven, rev 2"},
	},
	{
		name:  "address unreachable three seconds after the try, IPv6",
		story: "0ms eth0 C6 > H6 S seq=100\n3.1s eth0 2001:db8::1 > 2001:db8::9 unreachable 3 about C6 > H6 tcp out",
		want:  []string{"refused at neighbour: neighbour-unresolved, inferred, rev 2"},
	},
	{
		name:  "a rule that rejects so answers each try at once",
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 1") + "3s eth0 C > H S seq=100\n" + said("3.0001s", "unreachable 1"),
		want:  []string{"refused between eth0 and docker0: firewall-reject, 2 tries, inferred"},
	},
	{
		name:  "host unreachable from a router on the way: not a rule of this host",
		story: "0ms eth0 C > H S seq=100\n0.1ms eth0 198.51.100.254 > C unreachable 1 about C > H tcp in",
		want:  []string{"refused between eth0 and docker0: unknown, inferred"},
		why:   "198.51.100.254 refused the request with ICMP host unreachable",
	},
	{
		name:  "no rule can send a parameter problem",
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "parameter 0"),
		want:  []string{"refused at host between eth0 and docker0: unknown, inferred"},
		why:   "parameter problem",
	},
	{
		name:  "source quench refuses nothing",
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "quench 0"),
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "fragmentation needed, and no size with it: no rule's word",
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 4"),
		want:  []string{"refused at host between eth0 and docker0: unknown, inferred"},
		why:   "fragmentation needed",
	},
	{
		name: "a route says no",
		but: func(s *scene) {
			h := s.samples[capture.HostNetns]
			h.Routes = append(h.Routes, host.Route{Table: 254, Type: "prohibit", Dst: prefix("172.17.0.2/32")})
		},
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 13"),
		want:  []string{"refused at route: no-route, inferred"},
		why:   "prohibit",
	},
	{
		name:  "no route, and the host says so",
		but:   func(s *scene) { s.samples[capture.HostNetns].Routes = s.samples[capture.HostNetns].Routes[:1] },
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 0"),
		want:  []string{"refused at route: no-route, inferred"},
	},
	{
		name:  "net unreachable, and there is a route: a rule said it",
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 0"),
		want:  []string{"refused between eth0 and docker0: firewall-reject, inferred"},
	},
	{
		name:  "host unreachable at once, and what routes there are is not in evidence: the host may have said it itself",
		scene: packetsOnly,
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 1"),
		want:  []string{"refused at host between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "administratively prohibited is a rule's word, whatever else is in evidence",
		scene: packetsOnly,
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 13"),
		want:  []string{"refused between eth0 and docker0: firewall-reject, inferred"},
	},
	{
		name:  "several errors at once are all told",
		story: "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 10") + "0.2ms eth0 198.51.100.254 > C unreachable 1 about C > H tcp in\n" + said("0.3ms", "unreachable 10"),
		want:  []string{"refused between eth0 and docker0: firewall-reject, inferred"},
	},
	{
		name:  "the container's own firewall rejects it",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n0.1ms web:eth0 veth1 docker0 W > C unreachable 10 about C > W tcp\n0.13ms eth0 198.51.100.1 > C unreachable 10 about C > H tcp out",
		want:  []string{"refused at container: container-firewall, via dnat to 172.17.0.2:80, inferred"},
	},
}

func TestICMPErrors(t *testing.T) { check(t, icmpErrors) }

func TestEveryICMPErrorOfARequestIsEvidence(t *testing.T) {
	r := icmpErrors[len(icmpErrors)-2]
	d := r.tell().run(feeding{batch: 256})
	for _, want := range []string{"ICMP host prohibited from 198.51.100.1 at eth0, 2 times", "ICMP host unreachable from 198.51.100.254 at eth0"} {
		if !anyContains(d, want, func(i *correlate.Incident) (texts []string) {
			for _, e := range i.Evidence {
				texts = append(texts, e.Text)
			}
			return texts
		}) {
			t.Errorf("the evidence does not say %q: %+v", want, d.Requests[0].Evidence)
		}
	}
}
