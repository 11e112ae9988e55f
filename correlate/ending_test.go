package correlate_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// endings are about what becomes of a request when the input ends before its
// window does (rule 4).
var endings = []row{
	{
		name:  "a SYN whose only try is younger than a second: open",
		story: "0ms eth0 C > H S seq=100\n0.9s end",
		open:  1,
	},
	{
		name:  "a SYN whose only try is a second old: judged by what is there",
		story: "0ms eth0 C > H S seq=100\n1.4s end",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
		blind: "the capture ended 1.4 s after the last try",
	},
	{
		name:  "a SYN that was sent again, the last time right before the end",
		story: "0ms eth0 C > H S seq=100\n1s eth0 C > H S seq=100\n1.1s end",
		want:  []string{"dropped between eth0 and docker0: unknown, 2 tries, inferred"},
		blind: "the capture ended 0.1 s after the last try",
	},
	{
		name:  "what state proves is inferred at the end all the same",
		but:   func(s *scene) { s.samples[capture.HostNetns].Sysctls["net.ipv4.ip_forward"] = "0" },
		story: "0ms eth0 C > H S seq=100\n1s eth0 C > H S seq=100\n1.1s end",
		want:  []string{"dropped at route between eth0 and docker0: forwarding-disabled, 2 tries, inferred"},
	},
	{
		name:  "ARP is outstanding: the end is the end",
		story: "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2\n3.5s end",
		want:  []string{"dropped at neighbour: neighbour-unresolved, inferred"},
		blind: "the capture ended 3.5 s after the last try",
	},
	{
		name:  "a longer window waits no longer than the input",
		but:   func(s *scene) { s.config.Window = 10 * time.Second },
		story: "0ms eth0 C > H S seq=100\n9s end",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "a SYN that got in, and nobody said anything to it",
		story: syn + translated + "1.2s end",
		want:  []string{"unanswered at container: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "the SYN-ACK did not come out",
		story: syn + translated + "0.1ms web:eth0 veth1 docker0 W > C S. seq=500 ack=101\n1.2s end",
		want:  []string{"answer-lost between docker0 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"},
	},
	{
		name:  "an accepted request waits for the server: the window stays whole",
		story: shake + translated + ask + heard + "2.9s end",
		open:  1,
	},
	{
		name:  "an accepted request whose bytes are sent again may still get through: open",
		story: shake + translated + ask + "0.6s eth0 | docker0 veth1 web:eth0 C > H P. seq=101 ack=501 len=50\n1.9s end",
		open:  1,
	},
	{
		name:  "the last ACK, FIN or RST of a connection that was not seen before: nobody waits for anything",
		story: "0ms eth0 C > H . seq=100 ack=500\n1ms eth0 198.51.100.6:4000 > H F. seq=100 ack=500\n2ms eth0 198.51.100.7:4000 > H R. seq=100 ack=500\n0.5s end",
	},
	{
		name:  "bytes of a connection that was not seen before, and no answer yet: open",
		story: "0ms eth0 C > H P. seq=100 ack=500 len=50\n0.5s end",
		open:  1,
	},
	{
		name:  "an echo that is a second old",
		story: "0ms eth0 C > 198.51.100.1 echo id=7 seq=1 len=56\n1.5s end",
		want:  []string{"dropped between eth0 and host: unknown, inferred"},
	},
	{
		name:  "an echo that is younger",
		story: "0ms eth0 C > 198.51.100.1 echo id=7 seq=1 len=56\n0.8s eth0 C > 198.51.100.1 echo id=7 seq=2 len=56\n1.5s end",
		open:  1,
	},
	{
		name:  "a datagram that nobody need answer",
		story: "0ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1.5s end",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, inferred"},
		blind: "the capture ended 1.5 s after the last try",
	},
	{
		name:  "a datagram that the server, which answers others, has a window for",
		story: "0ms eth0 | docker0 veth1 web:eth0 D > U udp len=30\n1ms web:eth0 veth1 docker0 | eth0 U > D udp len=60\n10ms eth0 | docker0 veth1 web:eth0 C > U udp len=30\n1.5s end",
		want:  []string{"delivered, via dnat to 172.17.0.2:53, inferred"},
		open:  1,
	},
	{
		name:  "a datagram that went nowhere",
		story: "0ms eth0 C > U udp len=30\n1.5s end",
		want:  []string{"dropped between eth0 and docker0: unknown, inferred"},
	},
	{
		name:  "judged before, and tried again right before the end: it stays judged, and is counted once",
		story: "0ms eth0 C > H S seq=100\n7s eth0 C > H S seq=100\n7.1s end",
		want:  []string{"dropped between eth0 and docker0: unknown, 2 tries, inferred"},
	},
}

func TestEndings(t *testing.T) { check(t, endings) }

func TestOpenRequestsAreListedWithWhatWasSeen(t *testing.T) {
	r := row{story: shake + translated + ask + heard + "2.8s eth0 D > H S seq=7000\n2.9s end"}
	d := r.tell().run(feeding{batch: 256})
	var got []string
	for _, o := range d.Open {
		got = append(got, fmt.Sprintf("%s %s %s, %d, accepted %t, %v, %v: %s", o.ID, o.Client, o.Requested, o.Attempts, o.Accepted, o.Seen, o.Answer, o.Why))
	}
	diff(t, []string{
		"1 198.51.100.9:4000 198.51.100.1:8080, 1, accepted true, [eth0 docker0 veth1 web:eth0], [web:eth0 veth1 docker0 eth0]: the capture ended 2.9 s after the client's last bytes, before the server had the time to answer",
		"2 198.51.100.9:4001 198.51.100.1:8080, 1, accepted false, [eth0], []: the capture ended 0.1 s after the last try",
	}, got)
	if d.Verdict != correlate.Undetermined || d.Cause != correlate.CauseUnknown || d.Summary.Open != 2 {
		t.Errorf("the run is %s: %s, %d open", d.Verdict, d.Cause, d.Summary.Open)
	}
}

func TestOfManyOpenRequestsOnlySoManyAreListed(t *testing.T) {
	s := dockerHost()
	s.config.Keep = 1
	d := tell(s, "0ms eth0 D > H S seq=7000\n0ms eth0 C > H S seq=8000\n0.2s end").run(feeding{batch: 256})
	if len(d.Open) != 1 || d.Summary.Open != 2 {
		t.Errorf("%d of %d are listed", len(d.Open), d.Summary.Open)
	}
}

func TestARunWithoutRequestsIsAbsent(t *testing.T) {
	d := tell(dockerHost(), "0ms docker0 arp who-has 172.17.0.2").run(feeding{batch: 256})
	if d.Verdict != correlate.Absent || len(d.Open) != 0 {
		t.Errorf("%s, %d open", d.Verdict, len(d.Open))
	}
}

// telling feeds a story up to some moments, and says after each what was told
// since the one before.
func telling(st *story, until ...time.Duration) [][]string {
	var now []string
	config := st.scene.config
	config.OnIncident = func(i *correlate.Incident) {
		word := ""
		if i.Final {
			word = ", final"
		}
		now = append(now, sentence(i)+word)
	}
	t := correlate.New(config)
	for _, e := range st.opening {
		t.Event(e)
	}
	var out [][]string
	lines := st.lines
	for _, u := range until {
		for len(lines) > 0 && lines[0].at <= epoch+int64(u) {
			if l := &lines[0]; l.event != nil {
				t.Event(l.event)
			} else {
				b := &decode.Batch{}
				b.Packets = append(b.Packets, l.pack(b))
				t.Packets(b)
			}
			lines = lines[1:]
		}
		t.Advance(epoch + int64(u))
		out = append(out, now)
		now = nil
	}
	return out
}

// TestWhatIsProvenIsToldAtOnce: within 100 ms of the evidence, and again as final
// when the window is over.
func TestWhatIsProvenIsToldAtOnce(t *testing.T) {
	for _, r := range []struct {
		name, story string
		until       []time.Duration
		want        [][]string
	}{
		{
			"a drop that the kernel tells of", "0ms eth0 C > H S seq=100\n10ms dropped C > W NETFILTER_DROP\n1s eth0 C > H S seq=100\n1.01s dropped C > W NETFILTER_DROP\n9s end",
			[]time.Duration{9 * time.Millisecond, 110 * time.Millisecond, 3900 * time.Millisecond, 4100 * time.Millisecond, 9 * time.Second},
			[][]string{nil, {"dropped between eth0 and docker0: unknown, inferred"}, nil, {"dropped between eth0 and docker0: unknown, 2 tries, inferred, rev 2, final"}, nil},
		},
		{
			"a drop before the translation", "0ms eth0 C > H S seq=100\n10ms dropped C > H IP_RPFILTER\n9s end",
			[]time.Duration{110 * time.Millisecond, 9 * time.Second},
			[][]string{{"dropped at route between eth0 and docker0: reverse-path-filter, proven"}, {"dropped at route between eth0 and docker0: reverse-path-filter, proven, rev 2, final"}},
		},
		{
			"the answer was dropped", syn + translated + "0.1ms web:eth0 veth1 docker0 W > C S. seq=500 ack=101\n10ms dropped W > C IP_RPFILTER\n9s end",
			[]time.Duration{110 * time.Millisecond, 9 * time.Second},
			[][]string{{"answer-lost between docker0 and eth0: unknown, via dnat to 172.17.0.2:80, inferred"}, {"answer-lost between docker0 and eth0: unknown, via dnat to 172.17.0.2:80, inferred, rev 2, final"}},
		},
		{
			"the next try gets through", "0ms eth0 C > H S seq=100\n10ms dropped C > W NETFILTER_DROP\n1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1.1s web:eth0 veth1 docker0 | eth0 H > C S. seq=500 ack=101\n1.2s eth0 | docker0 veth1 web:eth0 C > H . seq=101 ack=501\n1.3s web:eth0 veth1 docker0 | eth0 H > C P. seq=501 ack=101 len=20\n9s end",
			[]time.Duration{110 * time.Millisecond, 1400 * time.Millisecond, 9 * time.Second},
			[][]string{{"dropped between eth0 and docker0: unknown, inferred"}, {"delivered, via dnat to 172.17.0.2:80, 2 tries, inferred, rev 2, final"}, nil},
		},
		{
			"the next try gets in, and is not answered: the window decides", "0ms eth0 C > H S seq=100\n10ms dropped C > W NETFILTER_DROP\n1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n9s end",
			[]time.Duration{110 * time.Millisecond, 3900 * time.Millisecond, 9 * time.Second},
			[][]string{{"dropped between eth0 and docker0: unknown, inferred"}, nil, {"unanswered at container: unknown, via dnat to 172.17.0.2:80, 2 tries, inferred, rev 2, final"}},
		},
		{
			"a drop for a reason that copies have, too", "0ms eth0 C > H S seq=100\n10ms dropped C > W OTHERHOST\n9s end",
			[]time.Duration{2900 * time.Millisecond, 9 * time.Second},
			[][]string{nil, {"dropped between eth0 and docker0: unknown, inferred, final"}},
		},
		{
			"a reset", "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1ms web:eth0 veth1 docker0 | eth0 H > C R. seq=0 ack=101\n9s end",
			[]time.Duration{101 * time.Millisecond, 9 * time.Second},
			[][]string{{"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred"}, {"refused at container: no-listener, via dnat to 172.17.0.2:80, inferred, rev 2, final"}},
		},
		{
			"an ICMP error, and the client tries again", "0ms eth0 C > H S seq=100\n" + said("0.1ms", "unreachable 13") + "1s eth0 C > H S seq=100\n" + said("1.0001s", "unreachable 13") + "9s end",
			[]time.Duration{101 * time.Millisecond, 3900 * time.Millisecond, 9 * time.Second},
			[][]string{{"refused between eth0 and docker0: firewall-reject, inferred"}, nil, {"refused between eth0 and docker0: firewall-reject, 2 tries, inferred, rev 2, final"}},
		},
		{
			"absence alone waits for the window", "0ms eth0 C > H S seq=100\n9s end",
			[]time.Duration{2900 * time.Millisecond, 3100 * time.Millisecond, 9 * time.Second},
			[][]string{nil, {"dropped between eth0 and docker0: unknown, inferred, final"}, nil},
		},
		{
			"an answer is final", shake + translated + ask + heard + answer + "9s end",
			[]time.Duration{100 * time.Millisecond, 9 * time.Second},
			[][]string{{"delivered, via dnat to 172.17.0.2:80, proven, final"}, nil},
		},
	} {
		t.Run(r.name, func(t *testing.T) {
			s := dockerHost()
			if r.name == "a reset" {
				s.samples["web"].Sockets = nil
			}
			diff(t, r.want, slices.Clone(telling(tell(s, r.story), r.until...)))
		})
	}
}

// notForwarding is a host that does not forward: what is told of a drop says when
// its setting was read.
func notForwarding() *scene {
	s := dockerHost()
	s.samples[capture.HostNetns].Sysctls["net.ipv4.ip_forward"] = "0"
	return s
}

func TestTheEndOfALiveRunIsJudgedAsThatOfItsRecording(t *testing.T) {
	judged := func(promise time.Duration) *correlate.Document {
		st := tell(notForwarding(), "0ms eth0 C > H S seq=100\n5ms dropped C > W IP_INADDRERRORS\n1.5s eth0 C > H S seq=100")
		tr := correlate.New(st.scene.config)
		o := correlate.NewOrder(tr, nil)
		for _, e := range append(st.opening, st.lines[1].event) {
			o.Event(e)
		}
		b := &decode.Batch{}
		for _, l := range []happening{st.lines[0], st.lines[2]} {
			b.Packets = append(b.Packets, l.pack(b))
		}
		o.Packets(b)
		o.Release(st.lines[2].at + int64(promise))
		return tr.Finish()
	}
	recording, live := judged(0), judged(70*time.Microsecond)
	if len(live.Requests) != 1 || live.Requests[0].Cause != correlate.CauseForwardingDisabled {
		t.Fatalf("judged %+v", live.Requests)
	}
	if d := cmp.Diff(recording.Requests, live.Requests); d != "" {
		t.Errorf("a recording (-), live (+):\n%s", d)
	}
}

func TestADropThatIsToldLateIsJudgedAtTheTimeItBears(t *testing.T) {
	told := func(late bool) []correlate.Incident {
		var out []correlate.Incident
		s := notForwarding()
		s.config.OnIncident = func(i *correlate.Incident) { out = append(out, *i) }
		st := tell(s, "0ms eth0 C > H S seq=100\n5ms dropped C > W IP_INADDRERRORS\n5.06ms eth0 D > 198.51.100.1:22 S seq=7")
		f := feeding{batch: 1, lines: slices.Clone(st.lines)}
		if late {
			f.lines[1], f.lines[2] = f.lines[2], f.lines[1]
		}
		st.run(f)
		return out
	}
	if d := cmp.Diff(told(false), told(true)); d != "" {
		t.Errorf("in order (-), late (+):\n%s", d)
	}
}
