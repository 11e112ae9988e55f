package correlate_test

import (
	"testing"
	"time"

	"dnatrace/correlate"
)

// Pieces that many stories are made of.
const (
	syn    = "0ms    eth0 | docker0 veth1 web:eth0  C > H S seq=100\n"
	synAck = "0.1ms  web:eth0 veth1 docker0 | eth0  H > C S. seq=500 ack=101\n"
	ack    = "0.2ms  eth0 | docker0 veth1 web:eth0  C > H . seq=101 ack=501\n"
	ask    = "0.3ms  eth0 | docker0 veth1 web:eth0  C > H P. seq=101 ack=501 len=50\n"
	heard  = "0.4ms  web:eth0 veth1 docker0 | eth0  H > C . seq=501 ack=151\n"
	answer = "0.5ms  web:eth0 veth1 docker0 | eth0  H > C P. seq=501 ack=151 len=200\n"

	translated = "0.05ms conntrack new C > H translated W > C\n"
	shake      = syn + synAck + ack
)

// requests are about what a request is (rule 1), when TCP is answered (rule 2)
// and how long is waited for it (rule 4).
var requests = []row{
	{
		name:  "the client closed, and its FIN says that it had asked something that was not captured",
		scene: packetsOnly,
		story: shake + "0.4ms eth0 | docker0 veth1 web:eth0 C > H F. seq=151 ack=501\n",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the client closed, and acknowledges more than the SYN: the server may have closed first",
		scene: packetsOnly,
		story: shake + "0.4ms eth0 | docker0 veth1 web:eth0 C > H F. seq=101 ack=502\n",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "joined in the middle at a container's door: whether what it said got any further is not known",
		scene: packetsOnly,
		but:   func(s *scene) { s.unwatch("eth0", "docker0", "web:eth0", "lo") },
		story: "0ms veth1 C > W . seq=101 ack=501 out\n0.1ms veth1 W > C P. seq=501 ack=151 len=1400 in\n1s veth1 W > C P. seq=501 ack=151 len=1400 in\n",
	},
	{
		name: "a server that closes is not held to have sent nothing where the capture misses its SYN-ACK",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n" +
			"0.2ms eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n" +
			"0.3ms eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=20\n" +
			"0.4ms web:eth0 veth1 docker0 | eth0 H > C F. seq=561 ack=121\n",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "SYN-ACK is missing",
	},
	{
		name:  "an answer that left towards the client is delivered, and conntrack proves the translation",
		story: shake + translated + ask + heard + answer,
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "without conntrack the translation is inferred from what NAT leaves alone",
		story: shake + ask + heard + answer,
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "packets alone tell a delivered request too",
		scene: packetsOnly,
		story: shake + ask + heard + answer,
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the server speaks first: the banner is the answer",
		story: shake + "1ms web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=101 len=20",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "handshake done, nothing sent, client closes: delivered",
		story: shake + translated + "5ms eth0 | docker0 veth1 web:eth0 C > H F. seq=101 ack=501",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "handshake done, nothing sent, client resets, as port scanners and health checks do: delivered",
		story: shake + translated + "5ms eth0 | docker0 veth1 web:eth0 C > H R. seq=101 ack=501",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name: "client sends and closes, server closes in return: delivered, inferred",
		story: shake + translated + ask + heard +
			"5ms eth0 | docker0 veth1 web:eth0 C > H F. seq=151 ack=501\n" +
			"6ms web:eth0 veth1 docker0 | eth0 H > C F. seq=501 ack=152",
		want: []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
		note: "without a byte of answer",
	},
	{
		name:  "request bytes acknowledged and no answer within the window: unanswered",
		story: shake + translated + ask + heard,
		want:  []string{"unanswered at container: server-silent, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the same, and the NIC's ring lost packets meanwhile: the answer may be among them",
		story: shake + translated + ask + heard + "1s lost 3 at eth0 until 2s",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "3 packets were lost at eth0 meanwhile",
	},
	{
		name:  "the answer comes after the window: the judgement is changed",
		story: shake + translated + ask + heard + "5s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=151 len=200",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, proven, rev 2"},
	},
	{
		name: "bytes sent again and again and never acknowledged: stalled",
		story: shake + translated + ask +
			"0.6s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n1.2s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50",
		want: []string{"stalled at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "too large for the way, and a router said so: stalled, mtu",
		story: shake + translated + "0.3ms eth0 C > H P. seq=101 ack=501 len=1400\n" +
			"0.4ms eth0 198.51.100.1 > C too-big 1400 about C > H tcp out\n" +
			"0.6s eth0 C > H P. seq=101 ack=501 len=1400\n1.2s eth0 C > H P. seq=101 ack=501 len=1400",
		want: []string{"stalled between eth0 and docker0: mtu, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "server closes before any answer byte: refused",
		story: shake + translated + ask + heard +
			"5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=501 ack=151",
		want: []string{"refused at container: server-reset, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name: "server resets before any answer byte: refused",
		story: shake + translated + ask +
			"5ms web:eth0 veth1 docker0 | eth0 H > C R. seq=501 ack=151",
		want: []string{"refused at container: server-reset, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name: "the answer itself was lost in the ring, but the server's close counts its bytes: no refusal",
		story: shake + translated + ask + "0.4ms lost 1 at eth0 until 4ms\n" +
			"0.5ms web:eth0 veth1 docker0 H > C P. seq=501 ack=151 len=200\n" +
			"5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=701 ack=151\n5.1ms eth0 | docker0 veth1 web:eth0 C > H F. seq=151 ack=702",
		want: []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name: "the same, and the client's acknowledgement was lost too: undetermined",
		story: shake + translated + ask + "0.4ms lost 2 at eth0 until 9ms\n" +
			"5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=701 ack=151",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "2 packets were lost at eth0 meanwhile",
	},
	{
		name: "the answer is larger than the way out allows, the close is not: stalled, though the server closed",
		story: shake + translated + ask + "0.5ms web:eth0 veth1 docker0 H > C P. seq=501 ack=151 len=1448\n" +
			"5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=1949 ack=151\n210ms web:eth0 veth1 docker0 H > C P. seq=501 ack=151 len=1448",
		want: []string{"stalled between docker0 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "the same, and nothing is sent again: the capture does not hold the whole connection",
		story: shake + translated + ask + "0.5ms web:eth0 veth1 docker0 H > C P. seq=501 ack=151 len=1448\n" +
			"5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=1949 ack=151",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "sent again, and none were",
	},
	{
		name: "the FIN itself says that no answer came before it: a loss elsewhere does not excuse it",
		story: shake + translated + ask + heard + "0.6ms lost 2 at eth0 until 4ms\n" +
			"5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=501 ack=151",
		want: []string{"refused at container: server-reset, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name: "the FIN acknowledges the client's own, which was lost: who closed first is not known",
		story: shake + translated + ask + heard + "0.6ms lost 2 at eth0 until 4ms\n" +
			"5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=501 ack=152",
		want: []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the whole connection was lost in the ring, but for the SYN and a late reset: undetermined",
		story: syn + "0.05ms lost 20 at eth0 until 4ms\n5ms web:eth0 veth1 docker0 | eth0 H > C R seq=701",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "the answer was lost in the ring and the server resets, which counts nothing: undetermined",
		story: shake + translated + ask + "0.4ms lost 1 at eth0 until 4ms\n" +
			"5ms web:eth0 veth1 docker0 | eth0 H > C R seq=501",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:80, inferred"},
		blind: "1 packets were lost at eth0 meanwhile",
	},
	{
		name: "the client acknowledges answer bytes that no ring kept: delivered",
		story: shake + translated + ask + "0.4ms lost 2 at eth0 until 4ms\n0.4ms lost 2 at web:eth0 until 4ms\n" +
			"5ms eth0 | docker0 veth1 web:eth0 C > H . seq=151 ack=701",
		want: []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "joined in the middle, an answer comes: delivered",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H P. seq=5101 ack=9501 len=50\n1ms web:eth0 veth1 docker0 | eth0 H > C P. seq=9501 ack=5151 len=200",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "joined in the middle, no answer comes: not judged",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H P. seq=5101 ack=9501 len=50",
	},
	{
		name:  "joined in the middle, the answer comes late: delivered",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H P. seq=5101 ack=9501 len=50\n9s web:eth0 veth1 docker0 | eth0 H > C P. seq=9501 ack=5151 len=200",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "joined in the middle of a download, the server heard first: delivered as soon as the client says something",
		story: "0ms web:eth0 veth1 docker0 | eth0 H > C . seq=9501 ack=5101 len=1448\n1ms eth0 | docker0 veth1 web:eth0 C > H . seq=5101 ack=10949\n2ms web:eth0 veth1 docker0 | eth0 H > C . seq=10949 ack=5101 len=1448",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "joined in the middle, when the server closes an idle connection: not judged",
		story: "0ms web:eth0 veth1 docker0 | eth0 H > C F. seq=9501 ack=5101\n1ms eth0 | docker0 veth1 web:eth0 C > H F. seq=5101 ack=9502",
	},
	{
		name:  "joined in the middle, when the server resets: not judged",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H P. seq=5101 ack=9501 len=50\n1ms web:eth0 veth1 docker0 | eth0 H > C R seq=9501",
	},
	{
		name:  "joined in the middle, backwards, and packets are all there is: not judged",
		scene: packetsOnly,
		story: "0ms web:eth0 veth1 docker0 | eth0 H > C F. seq=9501 ack=5101\n1ms eth0 | docker0 veth1 web:eth0 C > H F. seq=5101 ack=9502",
	},
	{
		name: "a retransmitted SYN is an attempt, not a request",
		story: syn + "1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n3s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n" +
			"3.1s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n3.2s eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n" +
			"3.3s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=101 len=20",
		want: []string{"delivered, via dnat to 172.17.0.2:80, 3 tries, inferred"},
	},
	{
		name:  "a later attempt gets through and changes the judgement",
		story: "0ms eth0 C > H S seq=100\n7s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n7.1s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n7.2s eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n7.3s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=101 len=20",
		want:  []string{"delivered, via dnat to 172.17.0.2:80, 2 tries, inferred, rev 2"},
	},
	{
		name: "the same port again within a second, with a new initial sequence number: two requests",
		story: shake + ask + heard + answer +
			"5ms web:eth0 veth1 docker0 | eth0 H > C F. seq=701 ack=151\n6ms eth0 | docker0 veth1 web:eth0 C > H F. seq=151 ack=702\n" +
			"0.5s eth0 | docker0 veth1 web:eth0 C > H S seq=90000\n0.51s web:eth0 veth1 docker0 | eth0 H > C R. seq=0 ack=90001",
		want: []string{
			"delivered, via dnat to 172.17.0.2:80, inferred",
			"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred",
		},
	},
	{
		name: "the same port again while the old connection never ended: the old one stands as it was",
		story: shake + ask + heard + answer +
			"0.5s eth0 | docker0 veth1 web:eth0 C > H S seq=90000\n0.6s web:eth0 veth1 docker0 | eth0 H > C S. seq=700 ack=90001\n" +
			"0.7s eth0 | docker0 veth1 web:eth0 C > H . seq=90001 ack=701\n0.8s web:eth0 veth1 docker0 | eth0 H > C P. seq=701 ack=90001 len=9",
		want: []string{"delivered, via dnat to 172.17.0.2:80, inferred", "delivered, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "three requests at once from neighbouring ports, each with its own fate",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n0ms eth0 | docker0 veth1 web:eth0 D > H S seq=200\n0.001ms eth0 E > H S seq=300\n" +
			"1ms web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n1ms web:eth0 veth1 docker0 | eth0 H > D R. seq=0 ack=201\n" +
			"2ms eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n3ms web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=101 len=9",
		want: []string{
			"delivered, via dnat to 172.17.0.2:80, inferred",
			"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred",
			"dropped between eth0 and docker0: unknown, inferred",
		},
	},
	{
		name: "a super-packet at one hop and segments at the next are the same bytes",
		story: shake + translated +
			"0.3ms eth0 C > H P. seq=101 ack=501 len=4344\n" +
			"0.31ms docker0 veth1 web:eth0 C > W . seq=101 ack=501 len=1448\n0.32ms docker0 veth1 web:eth0 C > W . seq=1549 ack=501 len=1448\n0.33ms docker0 veth1 web:eth0 C > W P. seq=2997 ack=501 len=1448\n" +
			"0.4ms web:eth0 veth1 docker0 | eth0 H > C . seq=501 ack=4445",
		want: []string{"unanswered at container: server-silent, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name: "segments merged on the way to the bridge, and an answer cut on the way out: delivered",
		story: shake + translated +
			"0.3ms eth0 C > H . seq=101 ack=501 len=1448\n0.31ms eth0 C > H P. seq=1549 ack=501 len=1448\n0.32ms docker0 veth1 web:eth0 C > W P. seq=101 ack=501 len=2896\n" +
			"0.5ms web:eth0 veth1 docker0 W > C P. seq=501 ack=2997 len=2896\n0.51ms eth0 H > C . seq=501 ack=2997 len=1448\n0.52ms eth0 H > C P. seq=1949 ack=2997 len=1448",
		want: []string{"delivered, via dnat to 172.17.0.2:80, proven"},
	},
	{
		name:  "as old as the window at the end: judged",
		story: "0ms eth0 C > H S seq=100\n3.1s end",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "a shorter window judges sooner",
		but:   func(s *scene) { s.config.Window = time.Second },
		story: "0ms eth0 C > H S seq=100\n1.1s end",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "an accepted connection on which nobody says anything is not judged",
		story: shake,
		open:  1,
	},
}

func TestRequests(t *testing.T) { check(t, requests) }

func TestSecondThoughtsAreToldAsTheyCome(t *testing.T) {
	r := row{story: "0ms eth0 C > H S seq=100\n7s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n7.1s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n7.2s eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n7.3s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=101 len=20"}
	var told []string
	st := r.tell()
	st.scene.config.OnIncident = func(i *correlate.Incident) { told = append(told, i.ID+" "+sentence(i)) }
	st.run(feeding{batch: 256})
	want := []string{
		"1 dropped between eth0 and docker0: unknown, inferred",
		"1 delivered, via dnat to 172.17.0.2:80, 2 tries, inferred, rev 2",
	}
	diff(t, want, told)
}
