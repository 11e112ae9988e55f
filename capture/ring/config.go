package ring

import (
	"slices"
	"time"

	"golang.org/x/net/bpf"

	"dnatrace/capture"
)

// Config says what a Ring captures and how it names what it sees. The zero
// value of every field but Points is a sensible default.
type Config struct {
	// Netns names the namespace in points and records: capture.HostNetns or a
	// container's name. "" is capture.HostNetns.
	Netns string
	// Prefix goes before interface names in Point.Name: "web:".
	Prefix string
	// Container is Point.Container of every point. A ring is inside a container
	// iff this is set or Netns is not capture.HostNetns; every point there but
	// the loopback is a RoleContainer.
	Container string
	// Interfaces restricts the ring to interfaces of these names, whenever they
	// come and go. Empty means all.
	Interfaces []string
	// SnapLen is the most bytes kept of a frame, whatever Filter returns; 0 or
	// more than 262144 means 262144, enough for any super-packet.
	SnapLen int
	// BlockSize in bytes, a power of two of at least 64 KiB (the ring's own
	// limit for a super-packet); 0 means 128 KiB, room for two of them.
	BlockSize int
	// Blocks is the number of blocks; 0 means 192 (24 MiB) for the host and 96
	// (12 MiB) inside a container. When the kernel has no memory for that many,
	// half of them are tried, and so on down to two. However little is captured,
	// each Retire can take a block: a reader that is stopped for longer than all
	// of them loses packets.
	Blocks int
	// Retire is how long the kernel waits for a block to fill before it hands it
	// over as it is; 0 means 10 ms. A packet is visible after one to two times
	// Retire at most, and read with the capture.Pulse after that, so it bounds the
	// latency of everything downstream.
	Retire time.Duration
	// Filter is the classic BPF program to start with, as Build makes it. Nil
	// passes everything.
	Filter []bpf.RawInstruction
	// Read is told of each block that is read when that was (Unix ns), and how long
	// after its last packet came. It is called on the reading side; nil for nobody.
	Read func(now int64, late time.Duration)
	// Points numbers the points and the ring. Required.
	Points *capture.Points
}

const (
	maxSnapLen     = 1 << 18
	minBlockSize   = 1 << 16
	blockSize      = 128 << 10
	hostBlocks     = 192
	innerBlocks    = 96 // about a second: a busy host lets its watcher wait for longer than a third of one
	fewestBlocks   = 2
	defaultRetire  = 10 * time.Millisecond
	blockRetireMax = time.Second
)

// withDefaults fills in what the zero value leaves open.
func (c Config) withDefaults() Config {
	if c.Netns == "" {
		c.Netns = capture.HostNetns
	}
	if c.SnapLen <= 0 || c.SnapLen > maxSnapLen {
		c.SnapLen = maxSnapLen
	}
	if c.BlockSize == 0 {
		c.BlockSize = blockSize
	}
	if c.Blocks == 0 {
		c.Blocks = hostBlocks
		if c.inside() {
			c.Blocks = innerBlocks
		}
	}
	if c.Retire <= 0 || c.Retire > blockRetireMax {
		c.Retire = defaultRetire
	}
	return c
}

func (c Config) inside() bool { return c.Container != "" || c.Netns != capture.HostNetns }

func (c Config) wants(name string) bool {
	return len(c.Interfaces) == 0 || slices.Contains(c.Interfaces, name)
}

// hidden is the longest time a packet may sit in an open block before the
// kernel hands the block over: two retire periods, each rounded up to the
// coarsest timer tick (HZ=100), and a tick for the timer itself.
func (c Config) hidden() time.Duration {
	const tick = 10 * time.Millisecond
	period := (c.Retire + tick - 1) / tick * tick
	return 2*period + tick
}
