package probe

import (
	"errors"
	"fmt"
	"net"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/rlimit"
	"golang.org/x/sys/unix"
)

// liveFrames is BPF_F_TEST_XDP_LIVE_FRAMES (linux/bpf.h, Linux 5.18): what the
// program lets pass goes on as if the interface had received it.
const liveFrames = 1 << 1

// xdpContext is struct xdp_md (linux/bpf.h).
type xdpContext struct {
	Data, DataEnd, DataMeta     uint32
	IngressIfindex, RxQueue, Eg uint32
}

// injector puts frames into an interface.
type injector struct {
	program  *ebpf.Program
	index    uint32
	to, from [6]byte
}

// newInjector loads the program, which does nothing but let pass. It is a file
// of this process and attached to nothing.
func newInjector(w *Want) (*injector, error) {
	i := &injector{}
	link, err := net.InterfaceByName(w.Link)
	if err != nil {
		return nil, fmt.Errorf("find interface %s: %w", w.Link, err)
	}
	i.index = uint32(link.Index)
	for _, m := range []struct {
		text string
		into *[6]byte
	}{{w.To, &i.to}, {w.From, &i.from}} {
		mac, err := net.ParseMAC(m.text)
		if err != nil || len(mac) != 6 {
			return nil, fmt.Errorf("put frames into %s: %q is no MAC address", w.Link, m.text)
		}
		copy(m.into[:], mac)
	}
	if err := trial(); err != nil {
		return nil, err
	}
	i.program, err = load(xdpPass)
	return i, err
}

// What an XDP program returns.
const (
	xdpDrop = 1
	xdpPass = 2
)

func load(verdict int32) (*ebpf.Program, error) {
	_ = rlimit.RemoveMemlock() // kernels since 5.11 count otherwise
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "dnatrace_probe", Type: ebpf.XDP, License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, verdict), asm.Return()},
	})
	if err != nil {
		return nil, fmt.Errorf("load an XDP program: %w", err)
	}
	return p, nil
}

// trial has lo receive a frame that the program drops: whether it can be done at
// all.
func trial() error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return fmt.Errorf("find interface lo: %w", err)
	}
	p, err := load(xdpDrop)
	if err != nil {
		return err
	}
	defer p.Close()
	i := injector{program: p, index: uint32(lo.Index)}
	return i.put(make([]byte, ip4Size))
}

// put has the interface receive an IP packet. The calling thread must be in the
// interface's namespace.
func (i *injector) put(ip []byte) error {
	frame := Frame(i.to, i.from, ip)
	_, err := i.program.Run(&ebpf.RunOptions{
		Data: frame, Context: &xdpContext{DataEnd: uint32(len(frame)), IngressIfindex: i.index},
		Repeat: 1, BatchSize: 1, Flags: liveFrames,
	})
	if errors.Is(err, unix.EINVAL) || errors.Is(err, ebpf.ErrNotSupported) {
		return fmt.Errorf("put a frame into an interface: this kernel has no test run of XDP programs with live frames (Linux 5.18 or later): %w", err)
	}
	if err != nil {
		return fmt.Errorf("put a frame into an interface: %w", err)
	}
	return nil
}

func (i *injector) close() { i.program.Close() }
