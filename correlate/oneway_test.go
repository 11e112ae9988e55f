package correlate_test

import (
	"fmt"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/decode"
)

// pushes are a client's messages, one a second from a time on, each acknowledged.
func pushes(n int, from float64) string {
	var b strings.Builder
	for i := range n {
		at := from + float64(i)
		fmt.Fprintf(&b, "%.4fs eth0 | docker0 veth1 web:eth0 C > H P. seq=%d ack=501 len=100\n", at, 101+100*i)
		fmt.Fprintf(&b, "%.4fs web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=%d\n", at+0.0002, 201+100*i)
	}
	return b.String()
}

// other is another client's request of the same port, which is answered.
const other = "0ms eth0 | docker0 veth1 web:eth0 D > H S seq=7100\n0.1ms web:eth0 veth1 docker0 | eth0 H > D S. seq=500 ack=7101\n0.2ms eth0 | docker0 veth1 web:eth0 D > H . seq=7101 ack=501\n" +
	"0.3ms eth0 | docker0 veth1 web:eth0 D > H P. seq=7101 ack=501 len=50\n0.5ms web:eth0 veth1 docker0 | eth0 H > D P. seq=501 ack=7151 len=20\n"

// oneWays are connections on which the server says nothing, with and without
// fault (rule 2).
var oneWays = []row{
	{
		name:  "a client that goes on speaking without an answer: delivered, as syslog is",
		story: shake + translated + pushes(12, 1),
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
		note:  "the protocol may have none",
	},
	{
		name:  "packets alone tell it too",
		scene: packetsOnly,
		story: shake + pushes(5, 1),
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "a server that has answered another client has an answer for this one",
		story: other + shake + translated + pushes(12, 1),
		want: []string{
			"delivered, via dnat to 172.17.0.2:80, inferred",
			"unanswered at container: server-silent, via dnat to 172.17.0.2:80, inferred",
		},
	},
	{
		name:  "three messages within the window are a request that waits",
		story: shake + translated + pushes(3, 1),
		want:  []string{"unanswered at container: server-silent, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "two messages are no stream, however far apart",
		story: shake + translated + "1s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=100\n1.1s web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=201\n3.9s eth0 | docker0 veth1 web:eth0 C > H P. seq=201 ack=501 len=100\n4s web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=301",
		want:  []string{"unanswered at container: server-silent, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "one message that is sent again is one message",
		story: shake + translated + ask + "1s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n2s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n4s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n4.1s web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=151",
		want:  []string{"unanswered at container: server-silent, via dnat to 172.17.0.2:80, inferred, rev 2"},
	},
	{
		name:  "the last message is not acknowledged, and sent again: stalled",
		story: shake + translated + pushes(6, 1) + "7s eth0 | docker0 veth1 web:eth0 C > H P. seq=701 ack=501 len=100\n7.3s eth0 | docker0 veth1 web:eth0 C > H P. seq=701 ack=501 len=100\n8s eth0 | docker0 veth1 web:eth0 C > H P. seq=701 ack=501 len=100",
		want:  []string{"stalled at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the container is paused: its kernel takes all, and nobody reads",
		but:   func(s *scene) { s.web().State = "paused" },
		story: shake + translated + pushes(12, 1),
		want:  []string{"unanswered at container: container-paused, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "an answer comes after all: it is told",
		story: shake + translated + pushes(6, 1) + "12s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=701 len=20",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "the server resets what it was told: refused after all",
		story: shake + translated + pushes(6, 1) + "12s web:eth0 veth1 docker0 | eth0 H > C R. seq=501 ack=701",
		want:  []string{"refused at container: server-reset, via dnat to 172.17.0.2:80, proven, rev 2"},
	},
	{
		name:  "a scan: SYN, SYN-ACK, reset: delivered, with a note",
		story: syn + translated + synAck + "0.2ms eth0 | docker0 veth1 web:eth0 C > H R seq=101",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven"},
		note:  "as health checks and scans do",
	},
	{
		name:  "the same by packets alone",
		scene: packetsOnly,
		story: syn + synAck + "0.2ms eth0 | docker0 veth1 web:eth0 C > H R seq=101",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "a client that resets what it only asked for has heard something that was not captured",
		story: "0ms eth0 C > H S seq=100\n500ms eth0 C > H R seq=101",
		want:  []string{"undetermined: unknown, inferred"},
	},
}

func TestOneWays(t *testing.T) { check(t, oneWays) }

// challenges are about SYNs on a port of which the server still holds an older
// connection: its ACK for that is neither answer nor handshake.
var challenges = []row{
	{
		name:  "nothing follows: undetermined, and no answer was lost",
		story: syn + "0.1ms web:eth0 veth1 docker0 | eth0 H > C . seq=900 ack=70000",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "RFC 5961",
	},
	{
		name:  "the ACK was seen inside and not at the client's side",
		story: syn + "0.1ms web:eth0 veth1 docker0 W > C . seq=900 ack=70000",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "RFC 5961",
	},
	{
		name:  "two packets alone",
		scene: func() *scene { s := packetsOnly(); s.unwatch("docker0", "veth1", "web:eth0", "lo"); return s },
		story: "0ms eth0 C > H S seq=100\n0.1ms eth0 H > C . seq=900 ack=70000",
		want:  []string{"undetermined: unknown, inferred"},
		blind: "RFC 5961",
	},
	{
		name: "the client resets the old one and tries again, which works",
		story: syn + "0.1ms web:eth0 veth1 docker0 | eth0 H > C . seq=900 ack=70000\n0.2ms eth0 | docker0 veth1 web:eth0 C > H R seq=70000\n" +
			"1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1.1s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n1.2s eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n" +
			"1.3s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n1.5s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=20",
		want: []string{"delivered, via dnat to 172.17.0.2:80, 2 tries, inferred"},
	},
	{
		name: "the same, after a pause longer than a closed connection is remembered",
		story: syn + "0.1ms web:eth0 veth1 docker0 | eth0 H > C . seq=900 ack=70000\n0.2ms eth0 | docker0 veth1 web:eth0 C > H R seq=70000\n" +
			"2.5s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n2.6s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n2.7s eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n" +
			"2.8s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n2.9s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=20",
		want: []string{"delivered, via dnat to 172.17.0.2:80, 2 tries, inferred"},
	},
	{
		name: "the new try has a new initial sequence number: it is the same request still",
		story: syn + "0.1ms web:eth0 veth1 docker0 | eth0 H > C . seq=900 ack=70000\n0.2ms eth0 | docker0 veth1 web:eth0 C > H R seq=70000\n" +
			"1s eth0 | docker0 veth1 web:eth0 C > H S seq=5000\n1.1s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=5001\n1.2s eth0 | docker0 veth1 web:eth0 C > H . seq=5001 ack=501\n" +
			"1.3s eth0 | docker0 veth1 web:eth0 C > H P. seq=5001 ack=501 len=50\n1.5s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=5051 len=20",
		want: []string{"delivered, via dnat to 172.17.0.2:80, 2 tries, inferred"},
	},
	{
		name: "the new try works, and its server is silent: what the old ACK counted does not count",
		story: syn + "0.1ms web:eth0 veth1 docker0 | eth0 H > C . seq=900 ack=70000\n0.2ms eth0 | docker0 veth1 web:eth0 C > H R seq=70000\n" +
			"1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1.1s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n1.2s eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n" +
			"1.3s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n1.6s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50",
		want: []string{"stalled at container: unknown, via dnat to 172.17.0.2:80, 2 tries, inferred"},
	},
	{
		name: "the new try is reset: refused",
		story: syn + "0.1ms web:eth0 veth1 docker0 | eth0 H > C . seq=900 ack=70000\n0.2ms eth0 | docker0 veth1 web:eth0 C > H R seq=70000\n" +
			"1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1.1s web:eth0 veth1 docker0 | eth0 H > C R. seq=0 ack=101",
		want: []string{"refused at container: server-reset, via dnat to 172.17.0.2:80, 2 tries, inferred"},
	},
	{
		name: "an ACK of the very SYN is one whose SYN-ACK the capture misses",
		story: syn + translated + "0.2ms eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n0.3ms eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n" +
			"0.4ms web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=151",
		want: []string{"unanswered at container: server-silent, via dnat to 172.17.0.2:80, inferred"},
	},
}

func TestChallenges(t *testing.T) { check(t, challenges) }

// incompletes are connections of which the capture holds a part (rule 2).
var incompletes = []row{
	{
		name:  "bytes are not acknowledged and not sent again: the capture has ended for this connection",
		story: shake + translated + ask + "0.31ms eth0 | docker0 veth1 web:eth0 C > H P. seq=151 ack=501 len=50\n0.4ms web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=151",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "sent again, and none were",
	},
	{
		name:  "what was sent again was acknowledged, and later bytes were not sent again",
		story: shake + translated + ask + "0.3s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n0.4s web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=151\n0.5s eth0 | docker0 veth1 web:eth0 C > H P. seq=151 ack=501 len=50",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "sent again in vain, and the kernel says why it dropped them",
		but: func(s *scene) {
			s.sources = append(s.sources, capture.SourceState{Name: capture.OriginDrops, State: capture.SourceOK})
		},
		story: shake + translated + "0.3ms eth0 C > H P. seq=101 ack=501 len=50\n0.6s eth0 C > H P. seq=101 ack=501 len=50\n0.6s dropped C > W IP_RPFILTER",
		want:  []string{"stalled at route between eth0 and docker0: reverse-path-filter, via dnat to 172.17.0.2:80, proven"},
	},
}

func TestIncompleteConnections(t *testing.T) { check(t, incompletes) }

// dropped reads "SRC > DST REASON [NAMESPACE]", in namespaces but the host's, and at
// its docker0.
func dropped(at int64, words []string) *decode.Drop {
	d := &decode.Drop{Time: at, At: at, Netns: capture.HostNetns, Link: 3, Quote: decode.Quote{Tuple: tuple(words[0], words[2]), Ports: true}, Reason: words[3]}
	if len(words) > 4 {
		d.Netns = words[4]
	}
	return d
}
