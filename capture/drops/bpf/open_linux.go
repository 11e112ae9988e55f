package bpf

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"

	"dnatrace/capture/drops"
)

// ringSize is what the kernel may queue, in bytes: 8,192 drops.
const ringSize = 1 << 20

// Open has the wanted drops reported to the socket that it returns, as long as
// this process lives and the socket is open at the other end: give it to Source,
// and to Update. It needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN.
func Open(w drops.Want) (*os.File, error) {
	k, err := inspect()
	if err != nil {
		return nil, err
	}
	s := &station{reasons: k.reasons}
	if err := s.load(&k); err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.want(w); err != nil {
		return nil, errors.Join(err, s.close())
	}
	theirs, err := s.connect()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	go s.obey()
	go s.report()
	return theirs, nil
}

// station holds what lives in the kernel, and the socket to the listener.
type station struct {
	reasons             map[uint32]string
	netns, ports, hosts *ebpf.Map
	events, lost        *ebpf.Map
	format              *ebpf.Map
	program             *ebpf.Program
	link                link.Link
	reader              *ringbuf.Reader
	conn                *net.UnixConn
	told                uint64 // of lost and skipped
	pace                pace
	skipped             uint64 // events that came too fast
	now                 drops.Want
}

// load brings the program into the kernel and attaches it.
func (s *station) load(k *kernel) (err error) {
	_ = rlimit.RemoveMemlock() // kernels since 5.11 count otherwise
	for _, m := range []struct {
		into *(*ebpf.Map)
		spec ebpf.MapSpec
	}{
		{&s.netns, ebpf.MapSpec{Name: "dnatrace_netns", Type: ebpf.Hash, KeySize: 4, ValueSize: 1, MaxEntries: drops.Most}},
		{&s.ports, ebpf.MapSpec{Name: "dnatrace_ports", Type: ebpf.Hash, KeySize: 2, ValueSize: 1, MaxEntries: 1 << 16, Flags: unix.BPF_F_NO_PREALLOC}},
		{&s.hosts, ebpf.MapSpec{Name: "dnatrace_hosts", Type: ebpf.Hash, KeySize: 16, ValueSize: 1, MaxEntries: drops.Most}},
		{&s.events, ebpf.MapSpec{Name: "dnatrace_drops", Type: ebpf.RingBuf, MaxEntries: ringSize}},
		{&s.lost, ebpf.MapSpec{Name: "dnatrace_lost", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}},
		{&s.format, ebpf.MapSpec{Name: "dnatrace_format", Type: ebpf.Array, KeySize: 4, ValueSize: uint32(len(nameFormat)), MaxEntries: 1,
			Flags: unix.BPF_F_RDONLY_PROG, Contents: []ebpf.MapKV{{Key: uint32(0), Value: []byte(nameFormat)}}}},
	} {
		if *m.into, err = ebpf.NewMap(&m.spec); err != nil {
			return fmt.Errorf("make map %s: %w", m.spec.Name, err)
		}
	}
	if err := s.format.Freeze(); err != nil { // the program must know that it does not change
		return fmt.Errorf("freeze map dnatrace_format: %w", err)
	}
	m := maps{s.netns.FD(), s.ports.FD(), s.hosts.FD(), s.events.FD(), s.lost.FD(), s.format.FD()}
	s.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "dnatrace_drops", Type: ebpf.RawTracepoint, License: "GPL", Instructions: program(&k.offsets, m, k.noise(), binary.NativeEndian),
	})
	if err != nil {
		return fmt.Errorf("load the program for drop reasons: %w", err)
	}
	if s.link, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "kfree_skb", Program: s.program}); err != nil {
		return fmt.Errorf("attach to the tracepoint kfree_skb: %w", err)
	}
	if s.reader, err = ringbuf.NewReader(s.events); err != nil {
		return fmt.Errorf("read drop reasons: %w", err)
	}
	return nil
}

// connect makes the socket pair and returns the listener's end.
func (s *station) connect() (*os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make socket pair: %w", err)
	}
	for _, fd := range fds {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, largest)
	}
	ours := os.NewFile(uintptr(fds[0]), "drops")
	theirs := os.NewFile(uintptr(fds[1]), "drops")
	defer ours.Close()
	c, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, fmt.Errorf("make socket pair: %w", err)
	}
	s.conn = c.(*net.UnixConn)
	return theirs, nil
}

// obey follows what the listener wants, and ends everything when it is gone.
func (s *station) obey() {
	defer s.close()
	buf := make([]byte, largest)
	for {
		n, err := s.conn.Read(buf)
		if err != nil || n == 0 {
			return
		}
		var w drops.Want
		if json.Unmarshal(buf[:n], &w) == nil {
			_ = s.want(w) // what could not be added is not watched: absence of a reason says nothing
		}
	}
}

// want brings the maps to w. What is new comes before what is no longer wanted
// goes.
func (s *station) want(w drops.Want) error {
	w, _ = w.Bounded()
	w.Ports, w.Ranges = w.AllPorts(), nil
	if w.Everything {
		w.Ports = append([]uint16{0}, w.Ports...)
	}
	err := errors.Join(
		fill(s.netns, s.now.Inodes, w.Inodes, func(n uint64) any { return uint32(n) }),
		fill(s.ports, s.now.Ports, w.Ports, func(p uint16) any { return [2]byte(binary.BigEndian.AppendUint16(nil, p)) }),
		fill(s.hosts, s.now.Hosts, w.Hosts, func(a netip.Addr) any { return a.As16() }),
	)
	s.now = w
	return err
}

// fill puts the keys of now into m and takes those out that were there before.
func fill[T comparable](m *ebpf.Map, before, now []T, key func(T) any) error {
	keep, there := map[T]bool{}, map[T]bool{}
	for _, k := range before {
		there[k] = true
	}
	for _, k := range now {
		if keep[k] = true; there[k] {
			continue
		}
		if err := m.Put(key(k), uint8(1)); err != nil {
			return fmt.Errorf("watch drops of %v: %w", k, err)
		}
	}
	for _, k := range before {
		if keep[k] {
			continue
		}
		if err := m.Delete(key(k)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("no longer watch drops of %v: %w", k, err)
		}
	}
	return nil
}

// report passes on what the program says until the listener is gone.
func (s *station) report() {
	var r ringbuf.Record
	for {
		if err := s.reader.ReadInto(&r); err != nil {
			return
		}
		if !s.pace.allows(time.Now()) {
			s.skipped++
			continue
		}
		m := message{Drop: s.drop(r.RawSample)}
		if m.Drop == nil {
			continue
		}
		m.Lost = s.lostSince()
		b, err := json.Marshal(m)
		if err != nil {
			continue
		}
		if _, err := s.conn.Write(b); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
	}
}

// lostSince is how many events had no room, or came too fast, since it was last
// asked.
func (s *station) lostSince() uint64 {
	var n uint64
	if s.lost.Lookup(uint32(0), &n) != nil {
		return 0
	}
	n += s.skipped
	if n <= s.told {
		return 0
	}
	n, s.told = n-s.told, n
	return n
}

// close lets go of everything in the kernel; the reader ends with it.
func (s *station) close() error {
	var all []io.Closer
	if s.link != nil {
		all = append(all, s.link)
	}
	if s.reader != nil {
		all = append(all, s.reader)
	}
	if s.conn != nil {
		all = append(all, s.conn)
	}
	for _, m := range []*ebpf.Map{s.netns, s.ports, s.hosts, s.events, s.lost, s.format} {
		if m != nil {
			all = append(all, m)
		}
	}
	if s.program != nil {
		all = append(all, s.program)
	}
	var failed []error
	for _, c := range all {
		failed = append(failed, c.Close())
	}
	return errors.Join(failed...)
}
