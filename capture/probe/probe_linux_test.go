package probe_test

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/probe"
)

// probe makes requests to the end, and returns the packets that were stopped.
func (b *bed) probe(t *testing.T, w probe.Want) (answers int, told []probe.Event) {
	t.Helper()
	f, err := probe.Open(b.host, w)
	if err != nil {
		if strings.Contains(err.Error(), "kernel") {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	p := probe.New(f, w)
	packets := make(chan int)
	ctx := t.Context()
	go func() {
		n := 0
		for batch := range p.Source(func(string) (capture.Point, bool) { return capture.Point{}, true })(ctx) {
			n += len(batch.Packets)
			select {
			case <-p.Over():
				packets <- n
				return
			default:
			}
		}
		packets <- n
	}()
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
	answers = <-packets
	if err := p.Close(10 * time.Second); err != nil {
		t.Error(err)
	}
	return answers, p.Told()
}

func TestRequestsAreAnsweredAndNothingLeaves(t *testing.T) {
	for _, r := range []struct {
		name    string
		ask     probe.Ask
		answers bool
		kind    string
	}{
		{"a connection and its data", from4(probe.TCP, "198.51.100.1:8080", "hello"), true, ""},
		{"a connection over IPv6", from6(probe.TCP, "[2001:db8:1::1]:8080", "hello"), true, ""},
		{"a connection whose source is hidden from the server", from4(probe.TCP, "198.51.100.1:8081", "hello"), true, ""},
		{"a connection to a closed port", from4(probe.TCP, "198.51.100.1:22", ""), true, ""},
		{"a datagram", from4(probe.UDP, "198.51.100.1:5300", "hello"), true, ""},
		{"an echo", from4(probe.ICMP, "198.51.100.1:0", "hello"), true, ""},
		{"an echo over IPv6", from6(probe.ICMP6, "[2001:db8:1::1]:0", "hello"), true, ""},
		{"a request that a rule drops", from4(probe.TCP, "172.17.0.2:81", ""), false, ""},
		{"a request that goes on to another machine", from4(probe.TCP, "198.51.100.1:9090", ""), true, probe.Away},
	} {
		t.Run(r.name, func(t *testing.T) {
			b := newBed(t)
			before := b.left(t)
			answers, told := b.probe(t, b.want(t, 40000, r.ask))
			if (answers > 0) != r.answers {
				t.Errorf("%d answers", answers)
			}
			if r.kind != "" && (len(told) == 0 || told[0].Kind != r.kind) || r.kind == "" && len(told) > 0 {
				t.Errorf("told %+v", told)
			}
			if after := b.left(t); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
			time.Sleep(1200 * time.Millisecond)
			if n := b.seen.Load(); n > 0 {
				t.Errorf("%d frames of the probe at the far end of the wire", n)
			}
		})
	}
}

// Where a rule drops our reset, the server goes on trying: the guard stays.
func TestTheGuardStaysWhereTheResetIsDropped(t *testing.T) {
	b := newBed(t)
	netnstest.Run(t, b.host, "nft insert rule inet nat filter tcp flags rst drop")
	w := b.want(t, 40000, from4(probe.TCP, "198.51.100.1:8080", ""))
	f, err := probe.Open(b.host, w)
	if err != nil {
		t.Fatal(err)
	}
	p := probe.New(f, w)
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
	<-p.Over()
	if err := p.Close(5 * time.Second); err == nil || p.Lingers() == "" {
		t.Errorf("it is taken back: %v, %q", err, p.Lingers())
	}
	if !strings.Contains(b.left(t), "dnatrace_guard_") {
		t.Error("the guard is gone")
	}
}

func TestAnAddressOfTheHostIsNoClient(t *testing.T) {
	b := newBed(t)
	ask := from4(probe.TCP, "198.51.100.1:8080", "")
	w := b.want(t, 40000, ask)
	w.Asks[0].Client = w.Asks[0].Server
	if _, err := probe.Open(b.host, w); err == nil || !strings.Contains(err.Error(), "address of this host") {
		t.Errorf("%v", err)
	}
}

// A client that exists goes on being served while a probe asks in its name.
func TestAClientThatExistsIsNotDisturbed(t *testing.T) {
	b := newBed(t)
	ask := from4(probe.TCP, "198.51.100.1:8080", "hello")
	ask.Client = netip.MustParseAddrPort("198.51.100.100:1")
	w := b.want(t, 40000, ask)
	w.Known = []netip.Addr{ask.Client.Addr()}
	f, err := probe.Open(b.host, w)
	if err != nil {
		t.Fatal(err)
	}
	p := probe.New(f, w)
	for range 2 { // before the probe asks, and while it does
		netnstest.Do(t, b.client, func() error {
			c, err := net.DialTimeout("tcp4", "198.51.100.1:8080", 2*time.Second)
			if err != nil {
				return err
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(2 * time.Second))
			if _, err := c.Write([]byte("hello")); err != nil {
				return err
			}
			_, err = c.Read(make([]byte, 5))
			return err
		})
		if err := p.Begin(); err != nil {
			t.Fatal(err)
		}
	}
	<-p.Over()
	if err := p.Close(5 * time.Second); err != nil {
		t.Error(err)
	}
}
