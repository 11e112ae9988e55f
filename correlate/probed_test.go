package correlate_test

import (
	"net/netip"
	"testing"
)

// withoutClient has the requests of C made inside the host.
func withoutClient(s *scene) {
	s.probe = []netip.Addr{netip.MustParseAddrPort(ends["C"]).Addr()}
}

// probed are requests that were made without a client: what would have left was
// stopped by a guard, and stands as sent.
var probed = []row{
	{
		name:  "its answers count as having left, and a note says what was not exercised",
		but:   withoutClient,
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n0.1ms web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n0.2ms eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n500ms eth0 | docker0 veth1 web:eth0 C > H R. seq=101 ack=501",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
		note:  "were not exercised",
	},
	{
		name:  "what the guard dropped is no drop of anybody's: the server's answer left",
		but:   withoutClient,
		story: "0ms eth0 C > H S seq=100\n0.09ms dropped H > C NETFILTER_DROP\n0.1ms eth0 H > C R. seq=0 ack=101",
		want:  []string{"refused at host: rules-missing, proven"},
	},
	{
		name: "a request that goes on to another machine is not followed, and nobody is accused",
		but:  withoutClient,
		story: "0ms eth0 C > H S seq=100 in\n0.05ms conntrack new C > H translated 198.51.100.77:80 > C\n0.09ms dropped C > 198.51.100.77:80 NETFILTER_DROP\n0.1ms eth0 C > 198.51.100.77:80 S seq=100 out\n" +
			"1000ms eth0 C > H S seq=100 in\n1000.09ms dropped C > 198.51.100.77:80 NETFILTER_DROP\n1000.1ms eth0 C > 198.51.100.77:80 S seq=100 out",
		want:  []string{"undetermined: unknown, via dnat to 198.51.100.77:80, 2 tries, inferred"},
		blind: "a probe lets nothing leave",
	},
	{
		name:  "what was dropped and never left is told",
		but:   withoutClient,
		story: "0ms eth0 C > H S seq=100\n0.1ms dropped C > H NETFILTER_DROP\n1000ms eth0 C > H S seq=100\n1000.1ms dropped C > H NETFILTER_DROP",
		want:  []string{"dropped between eth0 and docker0: unknown, 2 tries, inferred"},
		why:   "packet filter dropped",
	},
}

func TestProbed(t *testing.T) { check(t, probed) }
