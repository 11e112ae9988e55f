package correlate_test

import (
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// insides are about what a container's own kernel does with what got in (rule 12).
var insides = []row{
	{
		name:  "the address was taken off the container's interface",
		but:   func(s *scene) { s.samples["web"].Addrs = []host.Addr{{Link: 2, Prefix: prefix("172.17.0.99/16")}} },
		story: syn + translated + "3s eth0 | docker0 veth1 web:eth0 C > H S seq=100",
		want:  []string{"unanswered at container: container-address, via dnat to 172.17.0.2:80, 2 tries, proven"},
	},
	{
		name: "a dump of one family says nothing of the other",
		but: func(s *scene) {
			s.samples["web"].Undated = true
			s.samples["web"].Given = host.Given{"links": "", "addrs6": ""}
			s.samples["web"].Addrs = []host.Addr{{Link: 2, Prefix: prefix("fd00:17::2/64")}}
		},
		story: syn + translated,
		want:  []string{"unanswered at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "no addresses in the dump at all",
		but: func(s *scene) {
			s.samples["web"].Addrs, s.samples["web"].Given = nil, host.Given{"links": "", "routes4": "", "tcp": ""}
		},
		story: syn + translated,
		want:  []string{"unanswered at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "the container asks for its gateway in vain",
		but: func(s *scene) {
			s.samples["web"].Routes = []host.Route{{Table: 254, Type: "unicast", Dst: prefix("0.0.0.0/0"), Gateway: addr("172.17.0.1"), Link: 2}}
		},
		story: syn + translated + "1ms veth1 docker0 arp who-has 172.17.0.1 tell 172.17.0.2\n1s veth1 docker0 arp who-has 172.17.0.1 tell 172.17.0.2",
		want:  []string{"unanswered at container: neighbour-unresolved, via dnat to 172.17.0.2:80, inferred"},
		why:   "asks for its gateway 172.17.0.1",
	},
	{
		name: "the gateway answers",
		but: func(s *scene) {
			s.samples["web"].Routes = []host.Route{{Table: 254, Type: "unicast", Dst: prefix("0.0.0.0/0"), Gateway: addr("172.17.0.1"), Link: 2}}
		},
		story: syn + translated + "1ms veth1 docker0 arp who-has 172.17.0.1 tell 172.17.0.2\n2ms docker0 veth1 arp is-at 172.17.0.1",
		want:  []string{"unanswered at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the container's own kernel drops it by the reverse path",
		story: syn + translated + "1ms dropped C > W IP_RPFILTER web",
		want:  []string{"unanswered at container: reverse-path-filter, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "a queueing discipline of docker0 drops it",
		story: "0ms eth0 C > H S seq=100\n" + translated + "1ms dropped C > W QDISC_DROP",
		want:  []string{"dropped at postrouting between eth0 and docker0: queue-drop, via dnat to 172.17.0.2:80, proven"},
		why:   "discipline of docker0",
	},
	{
		name:  "a queueing discipline drops the answer",
		story: syn + translated + "0.1ms web:eth0 veth1 docker0 W > C S. seq=500 ack=101\n1ms dropped W > C QDISC_DROP",
		want:  []string{"answer-lost at reply-nic between docker0 and eth0: queue-drop, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the port of the bridge does not forward yet",
		story: "0ms eth0 | docker0 C > H S seq=100\n" + translated + "1ms dropped C > W BRIDGE_INGRESS_STP_STATE",
		want:  []string{"dropped at bridge between docker0 and veth1: bridge-port-blocked, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name: "frames for the host's address carry another MAC",
		but: func(s *scene) {
			s.samples[capture.HostNetns].Links[1].MAC = "00:00:00:00:00:05"
		},
		story: "0ms eth0 C > H S seq=100 in to=9\n1s eth0 C > H S seq=100 in to=9",
		want:  []string{"dropped at nic: wrong-mac, 2 tries, inferred"},
		why:   "for the link-layer address 00:00:00:00:00:09",
	},
	{
		name: "the card's address is from a dump of an unknown day, and no frame bears it",
		but: func(s *scene) {
			s.samples[capture.HostNetns].Undated = true
			s.samples[capture.HostNetns].Links[1].MAC = "00:00:00:00:00:05"
		},
		story: "0ms eth0 C > H S seq=100 in to=9\n1s eth0 C > H S seq=100 in to=9",
		want:  []string{"dropped between eth0 and docker0: unknown, 2 tries, inferred"},
	},
	{
		name: "frames of another client bear it",
		but: func(s *scene) {
			s.samples[capture.HostNetns].Undated = true
			s.samples[capture.HostNetns].Links[1].MAC = "00:00:00:00:00:05"
		},
		story: "0ms eth0 D > H S seq=7 in to=5\n1s eth0 C > H S seq=100 in to=9\n2s eth0 C > H S seq=100 in to=9",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred", "dropped at nic: wrong-mac, 2 tries, inferred"},
	},
	{
		name: "frames carry the card's own",
		but: func(s *scene) {
			s.samples[capture.HostNetns].Links[1].MAC = "00:00:00:00:00:05"
		},
		story: "0ms eth0 C > H S seq=100 in to=5",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "only a network that the engine maps nothing onto",
		but:   func(s *scene) { s.engine.Networks[0].Driver = "macvlan"; s.web().Mappings = nil },
		story: "0ms eth0 C > H S seq=100\n0.1ms eth0 H > C R. seq=0 ack=101",
		want:  []string{"refused at host: network-without-mapping, proven"},
	},
}

func TestInsides(t *testing.T) { check(t, insides) }
