package decode

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
)

func printed(s string) capture.Record {
	return capture.Record{Time: 7, Origin: capture.OriginConntrack, Kind: capture.KindText, Netns: "host", Data: []byte(s)}
}

func TestConnectionsAreReadFromText(t *testing.T) {
	const ts = `tcp      6 118 TIME_WAIT src=198.51.100.100 dst=198.51.100.1 sport=39422 dport=8080 src=172.17.0.2 dst=198.51.100.100 sport=80 dport=39422 [ASSURED] mark=0 use=1`
	end := netip.MustParseAddrPort
	dnat := between(TCP, end("198.51.100.100:39422"), end("198.51.100.1:8080"))
	back := between(TCP, end("172.17.0.2:80"), end("198.51.100.100:39422"))
	for _, c := range []struct {
		name, line string
		want       Conntrack
	}{
		{"a translated connection", ts, Conntrack{Orig: dnat, Reply: back, State: StateTimeWait, Status: StatusConfirmed | StatusSeenReply | StatusAssured | StatusDstNAT}},
		{"the extended form", "ipv4     2 " + ts, Conntrack{Orig: dnat, Reply: back, State: StateTimeWait, Status: StatusConfirmed | StatusSeenReply | StatusAssured | StatusDstNAT}},
		{"a datagram without an answer", `udp      17 29 src=198.51.100.100 dst=198.51.100.1 sport=5 dport=53 [UNREPLIED] src=198.51.100.1 dst=198.51.100.100 sport=53 dport=5 mark=0 zone=3 use=1`,
			Conntrack{Orig: between(UDP, end("198.51.100.100:5"), end("198.51.100.1:53")), Reply: between(UDP, end("198.51.100.1:53"), end("198.51.100.100:5")), Zone: 3, Status: StatusConfirmed}},
		{"IPv6 with counters", `ipv6     10 tcp      6 431999 ESTABLISHED src=2001:db8::1 dst=2001:db8::2 sport=1 dport=2 packets=3 bytes=180 src=2001:db8::2 dst=2001:db8::1 sport=2 dport=1 packets=2 bytes=112 [ASSURED] mark=0 use=1`,
			Conntrack{Orig: between(TCP, end("[2001:db8::1]:1"), end("[2001:db8::2]:2")), Reply: between(TCP, end("[2001:db8::2]:2"), end("[2001:db8::1]:1")), State: StateEstablished, Status: StatusConfirmed | StatusSeenReply | StatusAssured}},
		{"an echo", `icmp     1 29 src=198.51.100.100 dst=198.51.100.1 type=8 code=0 id=9 src=198.51.100.1 dst=198.51.100.100 type=0 code=0 id=9 mark=0 use=1`,
			Conntrack{Orig: between(ICMP, end("198.51.100.100:9"), end("198.51.100.1:9")), Reply: between(ICMP, end("198.51.100.1:9"), end("198.51.100.100:9")), Status: StatusConfirmed | StatusSeenReply}},
	} {
		c.want.Time, c.want.Netns, c.want.Undated = 7, "host", true
		events, err := Control(printed(c.line + "\nconntrack v1.4.7 (conntrack-tools): 1 flow entries have been shown.\n"))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if d := cmp.Diff([]Event{&c.want}, events); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func between(proto Proto, a, b netip.AddrPort) Tuple {
	return Tuple{Src: IPFrom(a.Addr()), Dst: IPFrom(b.Addr()), SrcPort: a.Port(), DstPort: b.Port(), Proto: proto}
}

func TestABadLineDoesNotTakeTheOthersWithIt(t *testing.T) {
	const good = "udp 17 29 src=198.51.100.100 dst=198.51.100.1 sport=5 dport=53 src=198.51.100.1 dst=198.51.100.100 sport=53 dport=5\n"
	for _, bad := range []string{
		"udp 17 29 src=198.51.100.100 dst=198.51.100.1 sport=5 dport=53\n",
		"udp 17 29 src=nobody dst=198.51.100.1 sport=5 dport=53 src=198.51.100.1 dst=198.51.100.100 sport=53 dport=5\n",
		"udp 17 29 src=198.51.100.1 dst=198.51.100.1 sport=70000 dport=53 src=198.51.100.1 dst=198.51.100.1 sport=53 dport=5\n",
		"udp x src=198.51.100.1\n",
	} {
		events, err := Control(printed(bad + good))
		if len(events) != 1 || err == nil || !strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: got %d entries and %v", bad, len(events), err)
		}
	}
}

func FuzzConntrackText(f *testing.F) {
	f.Add([]byte("ipv4 2 tcp 6 118 TIME_WAIT src=198.51.100.100 dst=198.51.100.1 sport=1 dport=2 src=172.17.0.2 dst=198.51.100.100 sport=80 dport=1 [ASSURED]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		events, _ := Control(printed(string(b)))
		for _, e := range events {
			if c := e.(*Conntrack); c.Orig.Src == (IP{}) || c.Reply.Dst == (IP{}) {
				t.Fatalf("an entry without addresses: %v", c)
			}
		}
	})
}
