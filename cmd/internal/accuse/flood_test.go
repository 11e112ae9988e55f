package accuse

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"dnatrace/correlate"
	"dnatrace/fixtures/lab"
)

// flood is packets of made-up senders beside the requests.
type flood struct {
	name   string
	udp    bool
	blocks int                                                // as in run
	sender func(r *rand.Rand, i int) (netip.AddrPort, uint32) // of packet i
	sent   atomic.Int64
	failed atomic.Int64 // requests beside it that the flood kept from being answered in time
}

const (
	floodRate  = 5000                    // packets a second
	floodLasts = 2500 * time.Millisecond // at least, also where the requests are done sooner
)

var (
	abroad = netip.MustParsePrefix("203.0.113.0/24")    // behind a gateway
	onLink = netip.MustParsePrefix("198.51.100.128/25") // where the host asks for each address, and nobody answers
)

// stranger reports whether a flood made a client up.
func stranger(client string) bool {
	end, err := netip.ParseAddrPort(client)
	return err != nil || abroad.Contains(end.Addr()) || onLink.Contains(end.Addr())
}

func in(r *rand.Rand, p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	a[3] += byte(r.IntN(1 << (32 - p.Bits())))
	return netip.AddrFrom4(a)
}

func anyPort(r *rand.Rand) uint16 { return uint16(1024 + r.IntN(1<<16-1024)) }

func anybody(r *rand.Rand) netip.AddrPort {
	p := abroad
	if r.IntN(4) == 0 {
		p = onLink
	}
	return netip.AddrPortFrom(in(r, p), anyPort(r))
}

// fewPorts are senders that come again and again.
func fewPorts(r *rand.Rand) netip.AddrPort {
	return netip.AddrPortFrom(in(r, abroad), uint16(4000+r.IntN(8)))
}

// floods are the ways to make up senders.
var floods = []flood{
	{name: "SYNs, random senders and sequence numbers", sender: func(r *rand.Rand, _ int) (netip.AddrPort, uint32) { return anybody(r), r.Uint32() }},
	{name: "SYNs, the ring much too small", blocks: 16, sender: func(r *rand.Rand, _ int) (netip.AddrPort, uint32) { return anybody(r), r.Uint32() }},
	{name: "SYNs, equal sequence numbers", sender: func(r *rand.Rand, _ int) (netip.AddrPort, uint32) { return anybody(r), 7 }},
	{name: "SYNs, ports used again", sender: func(r *rand.Rand, _ int) (netip.AddrPort, uint32) { return fewPorts(r), r.Uint32() }},
	{name: "SYNs, ports used again and equal sequence numbers", sender: func(r *rand.Rand, _ int) (netip.AddrPort, uint32) { return fewPorts(r), 7 }},
	{name: "datagrams", udp: true, sender: func(_ *rand.Rand, i int) (netip.AddrPort, uint32) {
		a := abroad.Addr().As4()
		a[3] = byte(i)
		return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(1024+i>>8%64000)), 0 // each once: who sends twice is told as such
	}},
}

// load is requests as ever, of which a few may fail: on a busy machine the flood
// takes what the server needs.
func (f *flood) load(ctx context.Context, l *lab.Lab, n int) error {
	r, err := l.Load(ctx, n, 16, false)
	f.failed.Store(int64(r.Failed))
	return err
}

// some has a tenth of the requests be datagrams.
func (f *flood) some(ctx context.Context, l *lab.Lab, n int) error {
	for range n / 10 {
		if err := l.Ask(ctx, lab.Published); err != nil {
			return err
		}
	}
	return f.load(ctx, l, n-n/10)
}

// beside sends the flood for as long as traffic takes, and some time.
func (f *flood) beside(traffic func(context.Context, *lab.Lab, int) error) func(context.Context, *lab.Lab, int) error {
	return func(ctx context.Context, l *lab.Lab, n int) error {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		ended := make(chan error, 1)
		go func() {
			r := rand.New(rand.NewPCG(1, 1))
			sent, err := l.Spoof(ctx, lab.Spoof{To: lab.Published, Packets: 1 << 30, Rate: floodRate, UDP: f.udp, Size: 64, Sender: func(i int) (netip.AddrPort, uint32) { return f.sender(r, i) }})
			f.sent.Store(int64(sent))
			ended <- err
		}()
		enough := time.After(floodLasts)
		err := traffic(ctx, l, n)
		<-enough
		stop()
		if ended := <-ended; !errors.Is(ended, context.Canceled) {
			err = errors.Join(err, ended)
		}
		return err
	}
}

// told checks that a flood is told as one, and returns how many of its packets may
// be told besides: a few that came twice, as a client's would.
func (f *flood) told(t *testing.T, how string, d *correlate.Document, lost uint64) (more int) {
	t.Helper()
	sent := int(f.sent.Load())
	if len(d.Recording.Floods) != 1 {
		t.Fatalf("%s: of %d packets %d floods are told: %+v, %+v", how, sent, len(d.Recording.Floods), d.Recording.Floods, d.Summary)
	}
	got := d.Recording.Floods[0]
	t.Logf("%s: %d packets sent, told: %+v", how, sent, got)
	more = sent / 100
	if got.To != lab.Published.String() || lost == 0 && got.Packets < sent-more || got.Packets > sent || got.Requests != d.Summary.Flooded {
		t.Errorf("%s: of %d packets there is told: %+v, %+v", how, sent, got, d.Summary)
	}
	return more
}
