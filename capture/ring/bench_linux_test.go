package ring

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

const senderMark = "RING_TEST_SENDER"

// TestSender is the traffic of the benchmarks, in a process of its own so that
// the CPU time of the process that captures is that of capturing alone. What
// the taps cost in the kernel is charged to the sender.
func TestSender(t *testing.T) {
	n, err := strconv.Atoi(os.Getenv(senderMark))
	if err != nil {
		t.Skip("part of the benchmarks")
	}
	payload := make([]byte, 512)
	before := cpu()
	for range n {
		if err := unix.Send(3, payload, 0); err != nil && err != unix.ECONNREFUSED {
			t.Fatal(err)
		}
	}
	fmt.Printf("sender %d ns\n", (cpu() - before).Nanoseconds())
}

// cpu is the CPU time of this process.
func cpu() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// traffic sends n datagrams from a socket and returns the CPU time it took,
// the kernel's forwarding and taps included.
func traffic(b *testing.B, from *os.File, n int) time.Duration {
	child := exec.CommandContext(b.Context(), "/proc/self/exe", "-test.run=^TestSender$")
	child.Env = append(os.Environ(), senderMark+"="+strconv.Itoa(n))
	child.ExtraFiles = []*os.File{from}
	out, err := child.CombinedOutput()
	var ns int64
	if _, serr := fmt.Sscanf(string(out), "sender %d ns", &ns); err != nil || serr != nil {
		b.Fatalf("%v %v: %s", err, serr, out)
	}
	return time.Duration(ns)
}

// connected is a client's socket to the container. It is not one of package
// net: the runtime polls those, and would wake this process for every datagram
// the other one sends.
func (s space) connected(from, to string) *os.File {
	s.tb.Helper()
	var f *os.File
	s.do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		must(s.tb, err)
		f = os.NewFile(uintptr(fd), "udp")
		must(s.tb, unix.Bind(fd, sockaddr(from)))
		must(s.tb, unix.Connect(fd, sockaddr(to)))
	})
	s.tb.Cleanup(func() { f.Close() })
	return f
}

func sockaddr(s string) unix.Sockaddr {
	ap := netip.MustParseAddrPort(s)
	return &unix.SockaddrInet4{Addr: ap.Addr().As4(), Port: int(ap.Port())}
}

// BenchmarkRing forwards b.N datagrams from a client to a container and watches
// them in the host's namespace, where each is captured three times, or in both.
// An op is one datagram. cpu-ns/capture is the CPU time of the process that
// captures, kernel-ns/datagram that of sending, forwarding and tapping.
func BenchmarkRing(b *testing.B) {
	want := Want{Ports: []Port{{protoUDP, 80}}, Endpoints: []Endpoint{{netip.MustParseAddr("172.17.0.2"), []Port{{protoUDP, 80}}}}, SnapLen: 96}
	other := want
	other.Ports, other.Endpoints = []Port{{protoUDP, 81}}, nil
	for _, bc := range []struct {
		name string
		open func(b *testing.B, host, inner space) (capture.Source, []*Ring)
	}{
		{"none", nil},
		{"host", onlyHost(want)},
		{"host-others-traffic", onlyHost(other)},
		{"host-merged", merged(want, false)},
		{"host-and-container-merged", merged(want, true)},
	} {
		b.Run(bc.name, func(b *testing.B) {
			client, host, inner := dockerHost(b)
			inner.udp("172.17.0.2:80").SetReadBuffer(1 << 12)
			from := client.connected("198.51.100.100:40000", "172.17.0.2:80")
			if bc.open == nil {
				b.ReportMetric(float64(traffic(b, from, b.N).Nanoseconds())/float64(b.N), "kernel-ns/datagram")
				return
			}
			source, opened := bc.open(b, host, inner)
			ctx, cancel := context.WithCancel(b.Context())
			var sum drained
			done := make(chan struct{})
			before := cpu()
			go func() { defer close(done); sum.drain(ctx, source) }()
			b.ResetTimer()
			sent := traffic(b, from, b.N)
			b.StopTimer()
			cancel()
			<-done
			sum.report(b, cpu()-before, sent, opened)
		})
	}
}

// drained is what a consumer does at least: look at every header and some bytes.
type drained struct{ packets, batches, bytes uint64 }

func (d *drained) drain(ctx context.Context, s capture.Source) {
	for b, err := range s(ctx) {
		if err != nil {
			panic(err)
		}
		d.batches++
		for _, p := range b.Packets {
			d.packets++
			d.bytes += uint64(b.Arena[p.Off+p.Len-1]) + uint64(p.Len)
		}
	}
}

func (d *drained) report(b *testing.B, used, sent time.Duration, rings []*Ring) {
	var lost uint64
	for _, r := range rings {
		_, l := r.Stats()
		lost += l
	}
	b.ReportMetric(used.Seconds()/b.Elapsed().Seconds()*100, "cpu-%")
	if d.packets > 0 {
		b.ReportMetric(float64(used.Nanoseconds())/float64(d.packets), "cpu-ns/capture")
	}
	b.ReportMetric(float64(sent.Nanoseconds())/float64(b.N), "kernel-ns/datagram")
	b.ReportMetric(float64(d.packets)/b.Elapsed().Seconds(), "captures/s")
	b.ReportMetric(float64(lost), "lost")
}

func onlyHost(w Want) func(*testing.B, space, space) (capture.Source, []*Ring) {
	return func(b *testing.B, host, _ space) (capture.Source, []*Ring) {
		r := host.open(Config{Filter: build(b, w)})
		return r.Source(), []*Ring{r}
	}
}

func merged(w Want, inside bool) func(*testing.B, space, space) (capture.Source, []*Ring) {
	return func(b *testing.B, host, inner space) (capture.Source, []*Ring) {
		prog, all, m := build(b, w), new(capture.Points), capture.NewMerger(0)
		list := []*Ring{host.open(Config{Points: all, Filter: prog})}
		if inside {
			list = append(list, inner.open(Config{Points: all, Filter: prog, Netns: "web", Prefix: "web:"}))
		}
		for _, r := range list {
			m.Add(r.cfg.Netns, r.Source())
		}
		return m.Run, list
	}
}
