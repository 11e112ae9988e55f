package probe

import (
	"net/netip"
	"testing"
	"time"
)

// server is the other side of a conversation, as far as a test needs it.
type server struct {
	t    *testing.T
	talk *talk
	now  time.Time
	next uint32
}

const serverISN = 5000

func serve(t *testing.T, data string) *server {
	s := &server{t: t, now: time.Unix(1000, 0), next: serverISN + 1}
	s.talk = newTalk(ask(TCP, "203.0.113.7:40000", "198.51.100.1:8080", data), 3*time.Second, 100, 1)
	s.expect(s.talk.begin(s.now), "SYN 100")
	return s
}

// later lets time pass.
func (s *server) later(d time.Duration) [][]byte {
	s.now = s.now.Add(d)
	return s.talk.tick(s.now)
}

func (s *server) says(flags uint8, seq, acked, size uint32) [][]byte {
	return s.talk.hear(heard{proto: TCP, from: s.talk.ask.Server, flags: flags, seq: seq, ack: acked, size: size}, s.now)
}

// expect compares packets with how they read.
func (s *server) expect(packets [][]byte, want ...string) {
	s.t.Helper()
	var got []string
	for _, b := range packets {
		sums(s.t, b)
		got = append(got, words(b))
	}
	if len(got) != len(want) {
		s.t.Fatalf("sent %q, want %q", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			s.t.Fatalf("sent %q, want %q", got, want)
		}
	}
}

func words(b []byte) string {
	h, ok := read(b)
	if !ok {
		return "?"
	}
	names := ""
	for _, f := range []struct {
		bit  uint8
		name string
	}{{syn, "SYN "}, {rst, "RST "}, {fin, "FIN "}, {psh, "PSH "}, {ack, "ACK "}} {
		if h.flags&f.bit != 0 {
			names += f.name
		}
	}
	return names + number(h.seq)
}

func number(n uint32) string {
	s := ""
	for ; n > 0 || s == ""; n /= 10 {
		s = string(rune('0'+n%10)) + s
	}
	return s
}

func TestAHandshakeIsMadeHeldAndReset(t *testing.T) {
	s := serve(t, "")
	s.expect(s.says(syn|ack, serverISN, 101, 0), "ACK 101")
	s.expect(s.later(Quiet - time.Millisecond))
	s.expect(s.later(time.Millisecond), "RST ACK 101")
	if !s.talk.settled() {
		t.Error("it goes on")
	}
}

func TestWhatTheHostItselfAcceptsIsHeldUntilAProxyWouldGiveUp(t *testing.T) {
	s := serve(t, "")
	s.talk.hear(heard{proto: TCP, from: s.talk.ask.Server, flags: syn | ack, seq: serverISN, ack: 101, near: true}, s.now)
	s.expect(s.later(quietHost - time.Millisecond))
	s.expect(s.later(time.Millisecond), "RST ACK 101")
}

func TestDataIsSentAndItsAnswerAwaited(t *testing.T) {
	s := serve(t, "GET")
	s.expect(s.says(syn|ack, serverISN, 101, 0), "ACK 101", "PSH ACK 101")
	s.expect(s.says(ack, s.next, 104, 0))
	s.expect(s.says(ack|psh, s.next, 104, 500), "ACK 104")
	s.expect(s.later(more), "RST ACK 104")
}

func TestDataIsSentOnceMoreAndThenGivenUp(t *testing.T) {
	s := serve(t, "GET")
	s.says(syn|ack, serverISN, 101, 0)
	s.expect(s.later(time.Second), "PSH ACK 101")
	// Nobody confirmed the data: the server may be at either place.
	s.expect(s.later(3*time.Second), "RST ACK 104", "RST ACK 101")
}

func TestAServerThatClosesIsFollowed(t *testing.T) {
	s := serve(t, "")
	s.says(syn|ack, serverISN, 101, 0)
	s.expect(s.says(fin|ack, s.next, 101, 0), "ACK 101", "RST ACK 101")
}

func TestAResetEndsIt(t *testing.T) {
	s := serve(t, "")
	s.expect(s.says(rst|ack, 0, 101, 0))
	if !s.talk.settled() || s.talk.reset() != nil {
		t.Error("there is something to reset")
	}
}

func TestASYNWithoutAnswerIsSentAgain(t *testing.T) {
	s := serve(t, "")
	s.expect(s.later(again), "SYN 100")
	s.expect(s.later(again))
	if s.talk.phase != unheeded {
		t.Fatalf("phase %d", s.talk.phase)
	}
	// What has been said to nobody is taken back without an acknowledgement: a
	// server with half a connection refuses one that it cannot place.
	s.expect(s.talk.leave(), "RST 101")
}

func TestASYNACKAfterTheResetIsRefused(t *testing.T) {
	s := serve(t, "")
	s.talk.leave()
	s.expect(s.says(syn|ack, serverISN, 101, 0), "RST 101")
}

func TestAChallengeIsAnsweredWhereItAsks(t *testing.T) {
	s := serve(t, "")
	s.expect(s.says(ack, 77, 4711, 0), "RST 4711") // an older connection of these ports
}

func TestWhatComesFromSomebodyElseIsNoAnswer(t *testing.T) {
	s := serve(t, "")
	stray := heard{proto: TCP, from: netip.MustParseAddrPort("172.17.0.2:80"), flags: syn | ack, seq: serverISN, ack: 101}
	s.expect(s.talk.hear(stray, s.now), "RST 101")
	s.expect(s.later(again), "SYN 100")
}

func TestAnICMPErrorEndsIt(t *testing.T) {
	s := serve(t, "")
	s.expect(s.talk.hear(heard{proto: TCP, quotes: true}, s.now))
	s.expect(s.later(more))
	if !s.talk.settled() || !s.talk.gone {
		t.Error("it goes on")
	}
}

func TestADatagramIsSentOnce(t *testing.T) {
	talk := newTalk(ask(UDP, "203.0.113.7:40000", "198.51.100.1:53", "q"), 3*time.Second, 0, 0)
	now := time.Unix(1000, 0)
	if len(talk.begin(now)) != 1 || len(talk.tick(now.Add(again))) != 0 || talk.phase != unheeded {
		t.Errorf("phase %d", talk.phase)
	}
}

func TestAnErrorIsReadByWhatItQuotes(t *testing.T) {
	a := ask(UDP, "203.0.113.7:40000", "198.51.100.1:53", "q")
	quoted := udpPacket(a, 1)
	body := append([]byte{3, 3, 0, 0, 0, 0, 0, 0}, quoted...)
	back := ask(ICMP, "198.51.100.1:0", "203.0.113.7:0", "")
	h, ok := read(ipPacket(back, 1, body, 2))
	if !ok || !h.quotes || h.proto != UDP || h.to != a.Client {
		t.Errorf("%+v %v", h, ok)
	}
}
