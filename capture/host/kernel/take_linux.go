package kernel

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture/host"
	"dnatrace/capture/netns"
)

// Reader takes samples and remembers which process holds which socket, so that
// the next sample need not look through all processes again. The zero value is
// ready; it is safe for concurrent use.
type Reader struct {
	mu      sync.Mutex
	holders holders
}

// Take samples the namespace at path once.
func Take(path string, opts host.Options) (*host.Sample, error) {
	return new(Reader).Take(path, opts)
}

// Take samples the namespace at path. What cannot be read is named in
// State.Missing; Take fails only when the namespace cannot be entered. Nothing
// is changed there; asking for sockets may make the kernel load inet_diag, as
// ss does.
func (r *Reader) Take(path string, opts host.Options) (*host.Sample, error) {
	start := time.Now()
	t := &taking{opts: opts}
	defer t.openPeers()()
	if err := netns.Do(path, t.read); err != nil {
		return nil, fmt.Errorf("sample host state: %w", err)
	}
	r.mu.Lock()
	r.holders.fill(&t.sample.State, opts.Container == "")
	r.mu.Unlock()
	t.sample.Sort()
	t.sample.Took = int64(time.Since(start))
	return &t.sample, nil
}

// taking is one sample being taken.
type taking struct {
	opts   host.Options
	peers  []peer
	route  *netlink.Handle
	sample host.Sample
}

// peer is a namespace where the other ends of links may be.
type peer struct {
	file  *os.File
	inode uint64
}

// openPeers opens them outside the namespace: paths mean something here.
func (t *taking) openPeers() (closeAll func()) {
	for _, path := range t.opts.Peers {
		f, err := netns.Open(path)
		if err != nil {
			continue
		}
		if inode, err := netns.InodeOf(f); err == nil {
			t.peers = append(t.peers, peer{f, inode})
		}
	}
	return func() {
		for _, p := range t.peers {
			p.file.Close()
		}
	}
}

// read runs inside the namespace.
func (t *taking) read() error {
	s := &t.sample
	s.Container = t.opts.Container
	inode, err := netns.Inode("/proc/thread-self/ns/net")
	t.part("inode of the namespace", err)
	s.Inode = inode
	s.Counters = map[string]uint64{}
	t.routing()
	s.Sysctls = readSysctls(s.Links)
	if len(s.Sysctls) == 0 {
		t.part("settings", errors.New("/proc/sys/net is not readable"))
	}
	s.Sockets, err = readSockets()
	t.part("sockets", err)
	readCounters(s.Counters)
	return nil
}

// routing reads what rtnetlink tells.
func (t *taking) routing() {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		t.part("links, addresses, routes and neighbours", err)
		return
	}
	defer h.Close()
	t.route = h
	t.part("links", t.readLinks())
	t.part("addresses", t.readAddrs())
	t.part("routes", t.readRoutes())
	t.part("routing policy rules", t.readRules())
	t.part("neighbours", t.readNeighbours())
}

// part notes what could not be read.
func (t *taking) part(what string, err error) {
	if err != nil {
		t.sample.Missing = append(t.sample.Missing, fmt.Sprintf("%s: %v", what, err))
	}
}

// steady lists again when the kernel says that the list changed under way.
func steady[T any](list func() ([]T, error)) (items []T, err error) {
	for range 5 {
		items, err = list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	return items, err
}
