package ring

import (
	"context"
	"maps"
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
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
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
		case step == 2 && slices.ContainsFunc(w.points, func(p capture.Point) bool { return p.Name == "eth7" }):
			step++
			send(t, s, "198.51.100.2:9", 1)
		case step == 3 && strings.HasPrefix(w.sightings()[len(w.packets)-1], "eth7"):
			cancel()
		}
	})
	var names []string
	for _, p := range w.points {
		if p.Gone != 0 {
			p.Name += " is gone"
		}
		names = append(names, p.Name)
	}
	if diff := cmp.Diff([]string{"lo", "tmp0", "eth7", "tmp0 is gone"}, names); diff != "" {
		t.Error(diff)
	}
	if s := w.sightings(); !strings.HasPrefix(s[0], "tmp0") || !strings.HasPrefix(s[len(s)-1], "eth7") {
		t.Errorf("sightings %v", s)
	}
}

func TestAnInterfaceThatIsGoneIsAnnouncedOnceMore(t *testing.T) {
	_, host, inner := dockerHost(t)
	host.veth("veth1", inner, "eth1")
	r := host.open(Config{})
	removed := false
	w := watch(t, r, func(w *watched) bool {
		if !removed {
			removed = true
			host.do(func() { must(t, netlink.LinkDel(host.link("veth1"))) })
		}
		return slices.ContainsFunc(w.points, func(p capture.Point) bool { return p.Gone != 0 })
	})
	last := w.points[len(w.points)-1]
	first := w.points[slices.IndexFunc(w.points, func(p capture.Point) bool { return p.Name == "veth1" })]
	if first.Gone = last.Gone; first != last || last.Gone == 0 {
		t.Errorf("announced last: %+v; want %+v, gone", last, first)
	}
}

func TestThePointsOfAClosedRingAreGoneAndThoseOfAnEndedOneAreNot(t *testing.T) {
	for _, tc := range []struct {
		name   string
		closed bool
	}{{"its namespace is watched no more", true}, {"the run is over", false}} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, inner := dockerHost(t)
			r := inner.open(Config{Netns: "web", Prefix: "web:"})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := collect(t, ctx, r, func(*watched) {
				if tc.closed {
					must(t, r.Close())
				} else {
					cancel()
				}
			})
			gone := map[string]bool{}
			for _, p := range w.points {
				gone[p.Name] = gone[p.Name] || p.Gone != 0
			}
			if want := map[string]bool{"web:lo": tc.closed, "web:eth0": tc.closed}; !maps.Equal(gone, want) {
				t.Errorf("gone: %v, want %v", gone, want)
			}
		})
	}
}
