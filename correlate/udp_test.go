package correlate_test

import "testing"

// datagrams are about protocols without a handshake: UDP (rule 3), ICMP echo.
var datagrams = []row{
	{
		name:  "a datagram that is answered is delivered",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1ms web:eth0 veth1 docker0 | eth0 U > C udp len=60",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "conntrack proves the translation",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n0.1ms conntrack new C > U translated V > C udp\n1ms web:eth0 veth1 docker0 | eth0 U > C udp len=60",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, proven"},
	},
	{
		name:  "a one-way protocol: nobody answers, and the socket reads what comes: delivered, inferred",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, inferred"},
		note:  "the protocol may have none",
	},
	{
		name:  "the same server has answered others: silence is no answer",
		story: "0ms eth0 | docker0 veth1 web:eth0 D > U udp len=30\n1ms web:eth0 veth1 docker0 | eth0 U > D udp len=60\n10ms eth0 | docker0 veth1 web:eth0 C > U udp len=30",
		want: []string{
			"delivered, via dnat to 172.17.0.2:53, inferred",
			"unanswered at container: server-silent, via dnat to 172.17.0.2:53, inferred",
		},
	},
	{
		name:  "a one-way protocol that nobody has answered stays one, however many senders it has",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n4s eth0 | docker0 veth1 web:eth0 D > U udp len=30",
		want: []string{
			"delivered, via dnat to 172.17.0.2:53, inferred",
			"delivered, via dnat to 172.17.0.2:53, inferred",
		},
	},
	{
		name:  "the queue of the socket grows: the server does not read",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30",
		but:   func(s *scene) { s.later(func() { s.samples["web"].Sockets[2].Queue = 768 }) },
		want:  []string{"unanswered at container: unknown, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "the container is paused",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30",
		but:   func(s *scene) { s.web().State = "paused" },
		want:  []string{"unanswered at container: container-paused, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "without the sockets of the container nobody knows whether an answer is due",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30",
		but:   func(s *scene) { delete(s.samples, "web") },
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:53, inferred"},
		blind: "nor the sockets of web",
	},
	{
		name:  "port unreachable from the container: nobody is bound there",
		but:   func(s *scene) { s.listens("udp") },
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1ms web:eth0 veth1 docker0 | eth0 198.51.100.1 > C unreachable 3 about C > U udp",
		want:  []string{"refused at container: no-listener, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "port unreachable from the host: nothing translates, nobody is bound",
		story: "0ms eth0 C > 198.51.100.1:9999 udp len=30\n0.1ms eth0 198.51.100.1 > C unreachable 3 about C > 198.51.100.1:9999 udp out",
		want:  []string{"refused at host: not-published, proven"},
	},
	{
		name:  "an exchange is one request, however often the client asks again",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1ms web:eth0 veth1 docker0 | eth0 U > C udp len=60\n1s eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1.001s web:eth0 veth1 docker0 | eth0 U > C udp len=60",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "asked three times before the answer came: three attempts",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1s eth0 | docker0 veth1 web:eth0 C > U udp len=30\n2s eth0 | docker0 veth1 web:eth0 C > U udp len=30\n2.1s web:eth0 veth1 docker0 | eth0 U > C udp len=60",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, 3 tries, inferred"},
	},
	{
		name:  "the answer got as far as docker0",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1ms web:eth0 veth1 docker0 V > C udp len=60",
		want:  []string{"answer-lost between docker0 and eth0: unknown, via dnat to 172.17.0.2:53, inferred"},
	},
	{
		name:  "the same, and eth0's ring lost packets meanwhile",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1ms web:eth0 veth1 docker0 V > C udp len=60\n1ms lost 1 at eth0 until 1.5ms",
		want:  []string{"undetermined: unknown, via dnat to 172.17.0.2:53, inferred"},
		blind: "1 packets were lost at eth0 meanwhile",
	},
	{
		name:  "the capture began between a datagram and its answer: not judged",
		story: "0ms web:eth0 veth1 docker0 | eth0 U > C udp len=60",
	},
	{
		name:  "the same on the way between two containers, where both ends are containers",
		but:   withPeer,
		story: "0ms web:eth0 veth1 docker0 veth2 peer:eth0 V > 172.17.0.3:40000 udp len=60",
	},
	{
		name:  "ICMP echo to the host is answered by the host",
		story: "0ms eth0 C > 198.51.100.1 echo id=7 seq=1 len=56\n0.1ms eth0 198.51.100.1 > C echo-reply id=7 seq=1 len=56",
		want:  []string{"delivered, inferred"},
	},
	{
		name:  "ICMP echo to the host is not answered",
		story: "0ms eth0 C > 198.51.100.1 echo id=7 seq=1 len=56\n1s eth0 C > 198.51.100.1 echo id=7 seq=2 len=56",
		want:  []string{"dropped between eth0 and host: unknown, 2 tries, inferred"},
	},
	{
		name:  "ICMP echo to a container from outside",
		story: "0ms eth0 docker0 veth1 web:eth0 C > 172.17.0.2 echo id=7 seq=1 len=56 in\n0.1ms web:eth0 veth1 docker0 eth0 172.17.0.2 > C echo-reply id=7 seq=1 len=56 out",
		want:  []string{"delivered, direct, proven"},
	},
}

func TestDatagrams(t *testing.T) { check(t, datagrams) }
