package ring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// Socket creates the packet socket of a ring in the network namespace of the
// calling thread. It is the only step that needs a privilege, CAP_NET_RAW over
// that namespace; the socket may then be passed to a process without any, which
// opens the ring on it. Nothing is captured before Open.
func Socket() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open packet socket: %w", err)
	}
	return os.NewFile(uintptr(fd), "packet"), nil
}

// Ring is a TPACKET_V3 ring on all interfaces of one namespace.
type Ring struct {
	cfg    Config
	sock   *os.File
	conn   syscall.RawConn
	mem    []byte
	blocks int
	table  *table
	first  []capture.Record // points known at Open
	bound  int64            // Unix ns: nothing earlier was captured

	packets, lost atomic.Uint64

	mu      sync.Mutex // guards what follows
	filter  []bpf.RawInstruction
	hidden  []int32 // interfaces the filter leaves out
	state   state
	cancel  context.CancelFunc // valid iff state is running
	closing bool               // Close was called while it ran
}

type state uint8

const (
	opened state = iota
	running
	closed
)

// Open makes a ring of sock, which Socket made, and binds it: from here on
// everything Config.Filter passes is captured. It takes sock over and closes it
// when it fails. No privilege is needed, and sock's namespace need not be that
// of the caller.
func Open(cfg Config, sock *os.File) (*Ring, error) {
	cfg = cfg.withDefaults()
	r := &Ring{cfg: cfg, sock: sock, filter: cfg.Filter}
	if err := r.open(); err != nil {
		r.release()
		return nil, fmt.Errorf("open ring in %s: %w", cfg.Netns, err)
	}
	return r, nil
}

func (r *Ring) open() error {
	if err := r.cfg.check(); err != nil {
		return err
	}
	var err error
	if r.conn, err = r.sock.SyscallConn(); err != nil {
		return err
	}
	if err := r.control(r.setup); err != nil {
		return err
	}
	return r.control(r.enumerate)
}

func (c Config) check() error {
	if c.Points == nil {
		return errors.New("no Points to number its interfaces")
	}
	if c.BlockSize < minBlockSize || c.BlockSize&(c.BlockSize-1) != 0 {
		return fmt.Errorf("block size %d: not a power of two of at least %d", c.BlockSize, minBlockSize)
	}
	return nil
}

// control runs f with the descriptor, which stays open meanwhile.
func (r *Ring) control(f func(fd int) error) error {
	var err error
	if cerr := r.conn.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// setup makes the ring and binds it, in this order: what is captured goes
// through the filter from the first frame on.
func (r *Ring) setup(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return fmt.Errorf("set TPACKET_V3: %w", err)
	}
	// Room in front of each frame to put its VLAN tag back in place.
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_RESERVE, vlanTagLen); err != nil {
		return fmt.Errorf("reserve room for VLAN tags: %w", err)
	}
	if err := r.attach(fd); err != nil {
		return err
	}
	if err := r.allocate(fd); err != nil {
		return err
	}
	r.bound = time.Now().UnixNano()
	all := &unix.SockaddrLinklayer{Protocol: bigEndian(unix.ETH_P_ALL)}
	if err := unix.Bind(fd, all); err != nil {
		return fmt.Errorf("bind to all interfaces: %w", err)
	}
	return nil
}

// allocate makes the kernel's buffer, smaller if it must be, and maps it.
func (r *Ring) allocate(fd int) error {
	const frameSize = 1 << 11 // V3 only checks that it divides a block
	for r.blocks = r.cfg.Blocks; ; r.blocks /= 2 {
		err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &unix.TpacketReq3{
			Block_size: uint32(r.cfg.BlockSize), Block_nr: uint32(r.blocks),
			Frame_size: frameSize, Frame_nr: uint32(r.cfg.BlockSize / frameSize * r.blocks),
			Retire_blk_tov: uint32(max(r.cfg.Retire/time.Millisecond, 1)),
		})
		if err == nil {
			break
		}
		if err != unix.ENOMEM || r.blocks/2 < fewestBlocks {
			return fmt.Errorf("allocate %d blocks of %d bytes: %w", r.blocks, r.cfg.BlockSize, err)
		}
	}
	mem, err := unix.Mmap(fd, 0, r.cfg.BlockSize*r.blocks, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("map ring: %w", err)
	}
	r.mem = mem
	return nil
}

// enumerate makes points of the interfaces that exist.
func (r *Ring) enumerate(fd int) error {
	r.table = newTable(r.cfg, r.bound)
	for _, f := range list(fd) {
		if err := r.found(f); err != nil {
			return err
		}
	}
	return r.reattach(fd)
}

// found makes a point of an interface and keeps its record to be told.
func (r *Ring) found(f iface) error {
	e, p, err := r.table.add(f)
	if err == nil && e.wanted {
		r.first = append(r.first, pointRecord(p, r.bound))
	}
	return err
}

// SetFilter replaces the filter while the ring runs: each frame is judged by
// the old one or the new one, and what is in the ring already stays. Nil passes
// everything. It is safe for concurrent use.
func (r *Ring) SetFilter(prog []bpf.RawInstruction) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.filter
	r.filter = prog
	err := r.control(r.attach)
	if err != nil {
		r.filter = old
		return fmt.Errorf("set filter in %s: %w", r.cfg.Netns, err)
	}
	return nil
}

// reattach follows a change of the interfaces that are not wanted.
func (r *Ring) reattach(fd int) error {
	if len(r.cfg.Interfaces) == 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hidden = r.table.unwanted()
	return r.attach(fd)
}

// attach sets the filter, with what Config adds to it. r.mu is held, or nobody
// else knows r yet.
func (r *Ring) attach(fd int) error {
	prog := limited(r.filter, r.hidden, uint32(r.cfg.SnapLen))
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog); err != nil {
		return fmt.Errorf("attach filter of %d instructions: %w", len(prog), err)
	}
	return nil
}

// Points returns the points that exist now, in the order they appeared.
func (r *Ring) Points() []capture.Point { return r.table.points() }

// Stats returns how many packets the source has handed out so far, and how many
// the kernel had no room for. It is safe for concurrent use.
func (r *Ring) Stats() (packets, lost uint64) { return r.packets.Load(), r.lost.Load() }

// Close ends the ring. If its source is being ranged over, that ends as if its
// context had ended, and then releases the ring; Close does not wait for it.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state == running {
		r.closing = true
		r.cancel()
		return nil
	}
	return r.release()
}

// release unmaps and closes. r.mu is held.
func (r *Ring) release() error {
	if r.state == closed {
		return nil
	}
	r.state = closed
	err := r.sock.Close()
	if r.mem != nil {
		err = errors.Join(err, unix.Munmap(r.mem))
	}
	return err
}

// block returns the i-th block of the ring.
func (r *Ring) block(i int) block {
	return block(r.mem[i*r.cfg.BlockSize : (i+1)*r.cfg.BlockSize])
}

func bigEndian(v uint16) uint16 {
	b := [2]byte{byte(v >> 8), byte(v)}
	return *(*uint16)(unsafe.Pointer(&b))
}
