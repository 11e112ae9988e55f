package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/netns"
)

// How long the guard stays when everything is over, counted from the last packet
// of a conversation.
const (
	settle     = 100 * time.Millisecond // it was answered, and its reset has arrived
	unresolved = 4 * time.Second        // nothing came back: the kernel looks for a neighbour for 3 s, and then says that there is none
	stubborn   = 70 * time.Second       // its reset was dropped: a server repeats a SYN-ACK for 63 s
)

// stations are those at work in this process.
var stations sync.WaitGroup

// Wait waits until every probe made by this process has been taken back.
func Wait() { stations.Wait() }

// Open prepares a probe in the namespace at path: from when it returns the guard
// is there. Give the socket to New. The probe is taken back in order when it is
// closed, or told to end, by a goroutine of this process: see Wait. It needs
// CAP_NET_ADMIN, and CAP_BPF or CAP_SYS_ADMIN.
func Open(path string, w Want) (*os.File, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket pair: %w", err)
	}
	s := &station{want: &w, conn: fds[0], links: map[int]string{}}
	ready := make(chan error, 1)
	stations.Go(func() {
		err := netns.Do(path, func() error {
			defer pin()()
			defer s.close()
			if err := s.open(); err != nil {
				return err
			}
			ready <- nil
			s.run()
			return nil
		})
		select {
		case ready <- err:
		default:
		}
		unix.Close(s.conn) // says that all is taken back
	})
	if err := <-ready; err != nil {
		unix.Close(fds[1])
		return nil, err
	}
	return os.NewFile(uintptr(fds[1]), "probe"), nil
}

// Try says why no probe can be made in the namespace at path, or nil. It makes all
// that a probe takes, for a client of nobody's, and lets go of it at once.
func Try(path string) error {
	return netns.Do(path, func() error {
		if err := trial(); err != nil {
			return err
		}
		l, err := listen()
		if err != nil {
			return err
		}
		defer l.close()
		w := Want{Outside: []string{"lo"}}
		g := guard{want: &w, group: l.group}
		for _, client := range []string{"203.0.113.7:9", "[2001:db8::7]:9"} {
			a := Ask{Proto: TCP, Client: netip.MustParseAddrPort(client), Server: netip.MustParseAddrPort(client)}
			w.Asks, g.clients = append(w.Asks, a), append(g.clients, a.Client.Addr())
		}
		f, err := g.raise()
		if err != nil {
			return err
		}
		return f.Close()
	})
}

// pin keeps the thread on one CPU, as frames that are put in on several could
// overtake each other.
func pin() (unpin func()) {
	var before, one unix.CPUSet
	if unix.SchedGetaffinity(0, &before) != nil {
		return func() {}
	}
	for cpu := range 1024 {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	_ = unix.SchedSetaffinity(0, &one)
	return func() { _ = unix.SchedSetaffinity(0, &before) }
}

// station does the work of one probe, on one thread in the host's namespace.
type station struct {
	want   *Want
	conn   int // to the one who asked
	log    *listener
	guard  *os.File
	frames *injector
	links  map[int]string
	talks  []*side

	began, over, ending, told bool
	failed                    error
}

// side is a conversation and what the guard said of it.
type side struct {
	*talk
	last    time.Time // something was sent, or came
	arrived bool      // a reset has passed every rule
}

func (s *station) open() (err error) {
	if s.log, err = listen(); err != nil {
		return err
	}
	g := guard{want: s.want, group: s.log.group}
	seen := map[netip.Addr]bool{}
	for i := range s.want.Asks {
		a := &s.want.Asks[i]
		if ip := a.Client.Addr(); !seen[ip] {
			seen[ip] = true
			if _, err := net.InterfaceByName(s.want.Link); err != nil {
				return fmt.Errorf("find interface %s: %w", s.want.Link, err)
			}
			g.clients = append(g.clients, ip)
		}
		s.talks = append(s.talks, &side{talk: newTalk(a, s.want.Wait, rand.Uint32(), uint16(rand.Uint32()))})
	}
	if err := strangers(g.clients); err != nil {
		return err
	}
	if s.frames, err = newInjector(s.want); err != nil {
		return err
	}
	s.guard, err = g.raise()
	return err
}

// strangers refuses addresses that are this host's own.
func strangers(clients []netip.Addr) error {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("read addresses: %w", err)
	}
	for _, a := range own {
		p, err := netip.ParsePrefix(a.String())
		for _, ip := range clients {
			if err == nil && p.Addr().Unmap() == ip {
				return fmt.Errorf("%s is an address of this host: a client has another", ip)
			}
		}
	}
	return nil
}

func (s *station) close() {
	if s.guard != nil {
		s.guard.Close()
	}
	if s.frames != nil {
		s.frames.close()
	}
	if s.log != nil {
		s.log.close()
	}
}

// run serves until all is over and taken back.
func (s *station) run() {
	for {
		s.wait()
		now := time.Now()
		s.obey(now)
		for _, m := range s.log.hear() {
			s.take(m, time.Now())
		}
		for _, t := range s.talks {
			s.put(t, t.tick(now), now)
		}
		s.conclude()
		if s.ending && s.rests(time.Now()) {
			s.forget()
			return
		}
	}
}

// wait waits for news, no longer than until something is due.
func (s *station) wait() {
	until := 50 * time.Millisecond
	for _, t := range s.talks {
		if s.began && !t.settled() {
			until = min(until, time.Until(t.due))
		}
	}
	fds := []unix.PollFd{{Fd: int32(s.log.fd), Events: unix.POLLIN}, {Fd: int32(s.conn), Events: unix.POLLIN}}
	if s.ending { // its end is known, and would not let it wait
		fds = fds[:1]
	}
	_, _ = unix.Poll(fds, max(1, int(until.Milliseconds())))
}

// obey does what the one who asked wants. That one's end is a wish, too.
func (s *station) obey(now time.Time) {
	if s.ending {
		return
	}
	buf := make([]byte, 64)
	n, _, err := unix.Recvfrom(s.conn, buf, unix.MSG_DONTWAIT)
	switch {
	case err == unix.EAGAIN, err == unix.EINTR:
	case err == nil && string(buf[:max(n, 0)]) == wordGo && !s.began:
		s.began = true
		for _, t := range s.talks {
			s.put(t, t.begin(now), now)
		}
	case err != nil, n == 0, string(buf[:n]) == wordEnd:
		s.end(now)
	}
}

// end resets what is not over yet.
func (s *station) end(now time.Time) {
	s.ending = true
	for _, t := range s.talks {
		if s.began && t.phase != over {
			s.put(t, t.leave(), now)
		}
		t.phase = over
	}
}

// put has the interface receive packets of a conversation.
func (s *station) put(t *side, packets [][]byte, now time.Time) {
	for _, ip := range packets {
		t.last = now
		if err := s.frames.put(ip); err != nil && s.failed == nil {
			s.failed = err
			s.tell(Event{Kind: Failed, Time: now.UnixNano(), Why: err.Error()})
		}
	}
}

// take takes what the guard says.
func (s *station) take(m said, now time.Time) {
	bridged := m.prefix == saidFrame
	if bridged {
		if len(m.packet) <= ethernetSize {
			return
		}
		m.prefix, m.packet = saidAnswer, m.packet[ethernetSize:]
	}
	h, ok := read(m.packet)
	word, which, _ := strings.Cut(m.prefix, " ")
	e := Event{Kind: Answer, Time: now.UnixNano(), Link: s.link(m.out), IP: m.packet[:min(len(m.packet), snap)], Full: len(m.packet)}
	switch word {
	case saidReset:
		if t := s.numbered(which); t != nil {
			t.arrived = true
		}
	case saidAway:
		e.Kind = Away
		s.tell(e)
		if t := s.numbered(which); t != nil {
			t.gone, t.heard = true, true // it is no server of this host's: nothing is to be reset
		}
	case saidAnswer:
		s.tell(e)
		if t := s.of(h.proto, h.to); ok && t != nil {
			t.last = now
			if !bridged && e.Link != s.want.Link {
				t.spoke = t.spoke || h.proto == TCP && h.flags&rst == 0
				return // a client is where its request came from
			}
			s.put(t, t.hear(h, now), now)
		}
	}
}

// numbered is a conversation by its number, nil if there is none.
func (s *station) numbered(n string) *side {
	if i, err := strconv.Atoi(n); err == nil && i >= 0 && i < len(s.talks) {
		return s.talks[i]
	}
	return nil
}

// snap is how much of a packet is told.
const snap = 512

// of is the conversation of a client's end, nil if it is none of ours.
func (s *station) of(proto uint8, client netip.AddrPort) *side {
	for _, t := range s.talks {
		if t.ask.Proto == proto && t.ask.Client == client {
			return t
		}
	}
	return nil
}

func (s *station) link(index int) string {
	if index == 0 {
		return s.want.Link
	}
	if name, ok := s.links[index]; ok {
		return name
	}
	if l, err := net.InterfaceByIndex(index); err == nil {
		s.links[index] = l.Name
	}
	return s.links[index]
}

// conclude says once that every conversation is over.
func (s *station) conclude() {
	if s.over || !s.began {
		return
	}
	for _, t := range s.talks {
		if !t.settled() && s.failed == nil {
			return
		}
	}
	s.over = true
	s.tell(Event{Kind: Over, Time: time.Now().UnixNano()})
}

// rests reports whether nothing more can come that the guard would have to stop.
func (s *station) rests(now time.Time) bool {
	var until time.Time
	long := false
	for _, t := range s.talks {
		if !s.began || t.last.IsZero() {
			continue
		}
		stay := settle
		switch {
		case t.spoke && !t.gone && !t.arrived:
			stay, long = stubborn, true
		case !t.heard && (t.ask.Proto != TCP || t.arrived):
			stay = unresolved
		}
		if end := t.last.Add(stay); end.After(until) {
			until = end
		}
	}
	left := until.Sub(now)
	if long && left > time.Second && !s.told {
		s.told = true
		s.tell(Event{Kind: Lingering, Time: now.UnixNano(), Why: fmt.Sprintf("the reset of the connection was dropped on its way in: the guard stays up to %.0f s, until the server has given up", left.Seconds())})
	}
	return left <= 0
}

// forget has connection tracking forget the requests.
func (s *station) forget() {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}) != nil {
		return
	}
	for i := range s.want.Asks {
		_ = untrack(fd, &s.want.Asks[i]) // most often it is not there: dropped before it was confirmed
	}
}

// tell tells the one who asked, unless that one is gone.
func (s *station) tell(e Event) {
	b, err := json.Marshal(e)
	if err != nil {
		return
	}
	err = unix.Send(s.conn, b, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	if errors.Is(err, unix.EPIPE) && !s.ending {
		s.end(time.Now())
	}
}
