package ring

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// space is a network namespace held by a descriptor only: it is gone with the
// test, whatever happens.
type space struct {
	tb testing.TB
	fd *os.File
}

// newSpace makes a namespace with its loopback up.
func newSpace(tb testing.TB) space {
	tb.Helper()
	if os.Geteuid() != 0 {
		tb.Skip("needs root to make network namespaces: run as root, or with sudo -E go test")
	}
	s := space{tb: tb}
	onThread(func() {
		must(tb, unix.Unshare(unix.CLONE_NEWNET))
		f, err := os.Open("/proc/thread-self/ns/net")
		must(tb, err)
		s.fd = f
	})
	tb.Cleanup(func() { s.fd.Close() })
	s.up("lo")
	return s
}

// do runs f on a thread in the namespace.
func (s space) do(f func()) {
	s.tb.Helper()
	onThread(func() {
		must(s.tb, unix.Setns(int(s.fd.Fd()), unix.CLONE_NEWNET))
		f()
	})
}

// onThread runs f on a thread of its own, which dies with it.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		f()
	}()
	<-done
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Errorf("set up: %v", err)
		runtime.Goexit()
	}
}

// veth makes a pair: one end here, the other in peer.
func (s space) veth(name string, peer space, peerName string) {
	s.tb.Helper()
	s.do(func() {
		must(s.tb, netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peerName, PeerNamespace: netlink.NsFd(peer.fd.Fd()),
		}))
	})
	s.up(name)
	peer.up(peerName)
}

func (s space) bridge(name string, ports ...string) {
	s.tb.Helper()
	s.do(func() {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
		must(s.tb, netlink.LinkAdd(br))
		for _, p := range ports {
			must(s.tb, netlink.LinkSetMaster(s.link(p), br))
		}
	})
	s.up(name)
}

// up also keeps IPv6 from saying things nobody asked for.
func (s space) up(name string) {
	s.tb.Helper()
	s.do(func() {
		os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
		must(s.tb, netlink.LinkSetUp(s.link(name)))
	})
}

// link is to be called within do.
func (s space) link(name string) netlink.Link {
	s.tb.Helper()
	l, err := netlink.LinkByName(name)
	must(s.tb, err)
	return l
}

func (s space) addr(link, prefix string) {
	s.tb.Helper()
	s.do(func() {
		a, err := netlink.ParseAddr(prefix)
		must(s.tb, err)
		if a.IP.To4() == nil {
			must(s.tb, os.WriteFile("/proc/sys/net/ipv6/conf/"+link+"/disable_ipv6", []byte("0"), 0))
			a.Flags = unix.IFA_F_NODAD
		}
		must(s.tb, netlink.AddrAdd(s.link(link), a))
	})
}

func (s space) gateway(ip string) {
	s.tb.Helper()
	s.do(func() { must(s.tb, netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(ip)})) })
}

func (s space) sysctl(path, value string) {
	s.tb.Helper()
	s.do(func() { must(s.tb, os.WriteFile("/proc/sys/net/"+path, []byte(value), 0)) })
}

// socket makes a ring's socket in the namespace.
func (s space) socket() *os.File {
	s.tb.Helper()
	var f *os.File
	s.do(func() {
		var err error
		f, err = Socket()
		must(s.tb, err)
	})
	return f
}

// open opens a ring in the namespace, from outside of it.
func (s space) open(cfg Config) *Ring {
	s.tb.Helper()
	if cfg.Points == nil {
		cfg.Points = new(capture.Points)
	}
	r, err := Open(cfg, s.socket())
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { r.Close() })
	return r
}

// udp makes a socket in the namespace. A server's is bound to local.
func (s space) udp(local string) *net.UDPConn {
	s.tb.Helper()
	var c *net.UDPConn
	s.do(func() {
		var err error
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.MustParseAddrPort(local)))
		must(s.tb, err)
	})
	s.tb.Cleanup(func() { c.Close() })
	return c
}

// send sends n datagrams from the socket, each with its number in it.
func send(tb testing.TB, c *net.UDPConn, to string, n int) {
	tb.Helper()
	dst := netip.MustParseAddrPort(to)
	for i := range n {
		if _, err := c.WriteToUDPAddrPort(fmt.Appendf(nil, "datagram %06d", i), dst); err != nil && err != syscall.ECONNREFUSED {
			tb.Fatal(err)
		}
	}
}

// dockerHost is a client, a host that routes, and a container behind a bridge:
// each datagram from the client to the container is seen three times in the
// host's namespace.
func dockerHost(tb testing.TB) (client, host, web space) {
	tb.Helper()
	client, host, web = newSpace(tb), newSpace(tb), newSpace(tb)
	host.veth("eth0", client, "eth0")
	host.veth("veth0a1b2c", web, "eth0")
	host.bridge("docker0", "veth0a1b2c")
	host.addr("eth0", "198.51.100.1/24")
	host.addr("docker0", "172.17.0.1/16")
	client.addr("eth0", "198.51.100.100/24")
	web.addr("eth0", "172.17.0.2/16")
	client.gateway("198.51.100.1")
	web.gateway("172.17.0.1")
	host.sysctl("ipv4/ip_forward", "1")
	return client, host, web
}
