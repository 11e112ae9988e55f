package ring

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"

	"dnatrace/capture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// watched is what a source told, copied out of its batches.
type watched struct {
	packets []capture.Packet
	frames  [][]byte
	points  []capture.Point
	losses  []capture.Loss
	until   int64
	broken  []string // promises not kept
}

// watch reads the ring until seen says it is enough, or 5 s have passed.
func watch(t *testing.T, r *Ring, seen func(*watched) bool) *watched {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	return collect(t, ctx, r, func(w *watched) {
		if seen(w) {
			cancel()
		}
	})
}

func collect(t *testing.T, ctx context.Context, r *Ring, each func(*watched)) *watched {
	t.Helper()
	w := &watched{}
	for b, err := range r.Source()(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		w.add(t, b)
		each(w)
	}
	for _, s := range w.broken {
		t.Error(s)
	}
	return w
}

func (w *watched) add(t *testing.T, b *capture.Batch) {
	for _, p := range b.Packets {
		if p.Time < w.until {
			w.broken = append(w.broken, "a packet came "+time.Duration(w.until-p.Time).String()+" before what was promised")
		}
		if int(p.Point) >= len(w.points) {
			w.broken = append(w.broken, "a packet came before its point")
		}
		w.packets = append(w.packets, p)
		w.frames = append(w.frames, slices.Clone(b.Arena[p.Off:p.Off+p.Len]))
	}
	for _, rec := range b.Records {
		switch rec.Kind {
		case capture.KindPoint:
			w.points = append(w.points, into[capture.Point](t, rec.Data))
		case capture.KindLoss:
			w.losses = append(w.losses, into[capture.Loss](t, rec.Data))
		}
	}
	if b.Until != 0 && b.Until < w.until {
		w.broken = append(w.broken, "a promise was taken back")
	}
	w.until = max(w.until, b.Until)
}

func into[T any](t *testing.T, data []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// sightings are "point in" and "point out" in order.
func (w *watched) sightings() []string {
	var s []string
	for _, p := range w.packets {
		dir := map[capture.Direction]string{capture.DirIn: " in", capture.DirOut: " out"}[p.Dir]
		s = append(s, w.points[p.Point].Name+dir)
	}
	return s
}

func packets(n int) func(*watched) bool { return func(w *watched) bool { return len(w.packets) >= n } }

func TestADatagramIsSeenAtEveryPointOfItsWay(t *testing.T) {
	client, host, web := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	web.udp("172.17.0.2:80")
	prog := build(t, Want{Ports: []Port{{17, 80}}})
	r := host.open(Config{Filter: prog})
	send(t, c, "172.17.0.2:80", 1)
	w := watch(t, r, packets(3))
	want := []string{"eth0 in", "docker0 out", "veth0a1b2c out"}
	if diff := cmp.Diff(want, w.sightings()); diff != "" {
		t.Error(diff)
	}
}

func build(t testing.TB, w Want) []Instruction {
	t.Helper()
	prog, width, err := Build(w)
	if err != nil || width != Exact {
		t.Fatal(width, err)
	}
	return prog
}

func TestPointsSayWhatKindOfPlaceTheyAre(t *testing.T) {
	_, host, inner := dockerHost(t)
	host.do(func() {
		must(t, netlink.LinkAdd(&netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "flannel.1"}, VxlanId: 1, Port: 8472}))
	})
	roles := func(r *Ring) map[string]capture.Role {
		m := map[string]capture.Role{}
		for _, p := range r.Points() {
			if !p.Counting || p.Link != linkEthernet || p.Since == 0 || (p.MAC == "") != (p.Role == capture.RoleLoopback) {
				t.Errorf("%+v", p)
			}
			m[p.Name] = p.Role
		}
		return m
	}
	all := new(capture.Points)
	want := map[string]capture.Role{
		"lo": capture.RoleLoopback, "eth0": capture.RoleNIC, "docker0": capture.RoleBridge,
		"veth0a1b2c": capture.RoleVeth, "flannel.1": capture.RoleOverlay,
	}
	if diff := cmp.Diff(want, roles(host.open(Config{Points: all}))); diff != "" {
		t.Error(diff)
	}
	want = map[string]capture.Role{"web:lo": capture.RoleLoopback, "web:eth0": capture.RoleContainer}
	if diff := cmp.Diff(want, roles(inner.open(Config{Points: all, Netns: "web", Prefix: "web:", Container: "web"}))); diff != "" {
		t.Error(diff)
	}
	for i, p := range all.All() {
		if inside := p.Netns == "web"; inside != (p.Ring == 1) || inside != (p.Container == "web") || int(p.ID) != i {
			t.Errorf("%+v", p)
		}
	}
}

func TestOnlyTheTargetsPacketsPassTheFilter(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	inner.udp("172.17.0.2:81")
	r := host.open(Config{Filter: build(t, Want{
		Endpoints: []Endpoint{{netip.MustParseAddr("172.17.0.2"), []Port{{protoUDP, 80}}}},
	})})
	send(t, c, "172.17.0.2:81", 100)
	send(t, c, "172.17.0.2:80", 2)
	send(t, c, "172.17.0.2:9", 1) // is answered with port unreachable
	w := watch(t, r, packets(6+3+3))
	arp, udp, icmp := 0, 0, 0
	for _, f := range w.frames {
		switch {
		case f[12] == 8 && f[13] == 6:
			arp++
		case f[23] == protoUDP && f[36] == 0 && f[37] == 80:
			udp++
		case f[23] == protoICMP:
			icmp++
		default:
			t.Errorf("passed: %x", f)
		}
	}
	if arp == 0 || udp != 6 || icmp != 3 {
		t.Errorf("%d ARP, %d UDP, %d ICMP; want some, 6 and 3", arp, udp, icmp)
	}
}

func TestAFilterIsSwappedWhileTheRingRuns(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := host.open(Config{Filter: build(t, Want{Ports: []Port{{protoUDP, 1}}})})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	go func() {
		send(t, c, "172.17.0.2:80", 10)
		if err := r.SetFilter(build(t, Want{Ports: []Port{{protoUDP, 80}}})); err != nil {
			t.Error(err)
		}
		send(t, c, "172.17.0.2:80", 2)
	}()
	w := collect(t, ctx, r, func(w *watched) {
		if len(w.packets) >= 6 {
			cancel()
		}
	})
	if len(w.packets) != 6 {
		t.Errorf("%d packets, want those after the swap: 6", len(w.packets))
	}
	if err := r.SetFilter(nil); err == nil {
		t.Error("a closed ring took a filter")
	}
}

func TestOnlyTheInterfacesAskedForAreWatched(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := host.open(Config{Interfaces: []string{"docker0", "absent"}, Filter: build(t, Want{Ports: []Port{{protoUDP, 80}}})})
	if ps := r.Points(); len(ps) != 1 || ps[0].Name != "docker0" {
		t.Errorf("points %v", ps)
	}
	send(t, c, "172.17.0.2:80", 3)
	w := watch(t, r, packets(3))
	if diff := cmp.Diff([]string{"docker0 out", "docker0 out", "docker0 out"}, w.sightings()); diff != "" {
		t.Error(diff)
	}
}

func TestAnInterfaceThatComesAndIsRenamedMakesAPointEachTime(t *testing.T) {
	host, peer := newSpace(t), newSpace(t)
	r := host.open(Config{})
	s := host.udp("0.0.0.0:40000")
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	step := 0
	w := collect(t, ctx, r, func(w *watched) {
		switch {
		case step == 0 && len(w.points) == 1: // the loopback
			step++
			host.veth("tmp0", peer, "eth0")
			host.addr("tmp0", "198.51.100.1/24")
			peer.addr("eth0", "198.51.100.2/24")
			send(t, s, "198.51.100.2:9", 1)
		case step == 1 && len(w.packets) > 0:
			step++
			host.do(func() { must(t, netlink.LinkSetName(host.link("tmp0"), "eth7")) })
		case step == 2 && w.points[len(w.points)-1].Name == "eth7":
			step++
			send(t, s, "198.51.100.2:9", 1)
		case step == 3 && strings.HasPrefix(w.sightings()[len(w.packets)-1], "eth7"):
			cancel()
		}
	})
	var names []string
	for _, p := range w.points {
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"lo", "tmp0", "eth7"}, names); diff != "" {
		t.Error(diff)
	}
	if s := w.sightings(); !strings.HasPrefix(s[0], "tmp0") || !strings.HasPrefix(s[len(s)-1], "eth7") {
		t.Errorf("sightings %v", s)
	}
}

func TestAFullRingCountsWhatItLoses(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := host.open(Config{BlockSize: minBlockSize, Blocks: 2, Filter: build(t, Want{Ports: []Port{{protoUDP, 80}}})})
	const sent = 3000
	begin := time.Now().UnixNano()
	send(t, c, "172.17.0.2:80", sent) // nobody reads: two blocks hold some hundreds
	end := time.Now().UnixNano()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := collect(t, ctx, r, func(*watched) {})
	var lost uint64
	for _, l := range w.losses {
		lost += l.Lost
		if l.From >= l.To || l.From > end || l.To < begin {
			t.Errorf("loss %+v is not while it was sent, %d to %d", l, begin, end)
		}
	}
	if got := uint64(len(w.packets)) + lost; lost == 0 || got != 3*sent {
		t.Errorf("%d packets and %d lost, want %d together", len(w.packets), lost, 3*sent)
	}
	if n := len(w.packets); len(w.losses) > 0 && n > 0 && w.losses[0].From > w.packets[n-1].Time {
		t.Errorf("the loss begins after the last packet: %+v", w.losses[0])
	}
	if p, l := r.Stats(); p != uint64(len(w.packets)) || l != lost {
		t.Errorf("Stats %d, %d; want %d, %d", p, l, len(w.packets), lost)
	}
}

func TestThePacketsJustBeforeTheEndAreNotLost(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := host.open(Config{Retire: 200 * time.Millisecond, Filter: build(t, Want{Ports: []Port{{protoUDP, 80}}})})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		time.Sleep(50 * time.Millisecond)
		send(t, c, "172.17.0.2:80", 10)
		cancel()
	}()
	start := time.Now()
	if w := collect(t, ctx, r, func(*watched) {}); len(w.packets) != 30 {
		t.Errorf("%d packets, want 30", len(w.packets))
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v to end", took)
	}
}

func TestAnIdleRingEndsAtOnceAndPromisesMeanwhile(t *testing.T) {
	host := newSpace(t)
	r := host.open(Config{Retire: 500 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	start := time.Now()
	w := collect(t, ctx, r, func(*watched) {})
	if took := time.Since(start); took > 800*time.Millisecond {
		t.Errorf("ended after %v, want 700 ms", took)
	}
	if behind := start.Add(500*time.Millisecond).UnixNano() - w.until; behind > int64(20*time.Millisecond) {
		t.Errorf("the promise is %v behind", time.Duration(behind))
	}
}

func TestClosingARingEndsItsSource(t *testing.T) {
	r := newSpace(t).open(Config{})
	time.AfterFunc(50*time.Millisecond, func() { r.Close() })
	collect(t, t.Context(), r, func(*watched) {})
	for _, err := range r.Source()(t.Context()) {
		if err == nil {
			t.Error("a closed ring was read")
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestTimesOfARingAreThoseOfTheSightings(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	r := host.open(Config{Filter: build(t, Want{Ports: []Port{{protoUDP, 80}}})})
	before := time.Now().UnixNano()
	send(t, c, "172.17.0.2:80", 100)
	after := time.Now().UnixNano()
	w := watch(t, r, packets(300))
	last := before
	for i, p := range w.packets {
		if p.Time < last || p.Time > after {
			t.Fatalf("packet %d is of %d, want %d to %d", i, p.Time, last, after)
		}
		last = p.Time
		if p.Len != 14+20+8+15 || p.Orig != p.Len {
			t.Fatalf("packet %d has %d bytes of %d", i, p.Len, p.Orig)
		}
	}
}

func TestTheSnapLengthCutsWhateverTheFilterSays(t *testing.T) {
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	for name, filter := range map[string][]Instruction{"without a filter": nil, "with a filter": build(t, Want{Ports: []Port{{protoUDP, 80}}})} {
		t.Run(name, func(t *testing.T) {
			r := host.open(Config{SnapLen: 50, Filter: filter})
			send(t, c, "172.17.0.2:80", 1)
			for _, p := range watch(t, r, packets(3)).packets {
				if p.Len > 50 || p.Orig == 57 && p.Len != 50 {
					t.Errorf("%d bytes of %d kept", p.Len, p.Orig)
				}
			}
		})
	}
}
