package ring

import "golang.org/x/net/bpf"

// opening is how a program begins.
type opening struct {
	// plain runs its body if the frame is an untagged Ethernet frame with IPv4.
	plain func(body code) code
	// any leaves the EtherType in A and the offset of the network header in X.
	any code
}

// withPlain is the most instructions of a program with a short way: it makes more
// of the kernel's own than its length says, which count for Budget's reasons.
const withPlain = 2 * Budget / 3

// plain is a short way for nearly all there is: TCP, UDP and SCTP over IPv4 with
// neither options nor fragments. It decides all of it by loads from fixed
// offsets, which the kernel's compiler makes in place; each load by way of X is a
// call. Whoever sends the packets waits for it, at each point. The rest falls
// through. It is entered behind the link layer's checks, and empty where
// everything of some hosts is wanted.
func (p plan) plain() code {
	if len(p.hosts.v4) > 0 {
		return nil
	}
	var c code
	for _, proto := range []uint8{protoTCP, protoUDP, protoSCTP} {
		c = join(c, when(uint32(proto), p.plainOf(proto)))
	}
	c = join(code{bpf.LoadAbsolute{Off: 14 + 9, Size: 1}}, c)
	c = join(code{
		bpf.LoadAbsolute{Off: 14 + 6, Size: 2}, // flags and fragment offset
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0x1fff, SkipTrue: 1},
		bpf.Jump{Skip: uint32(len(c))},
	}, c)
	return join(code{bpf.LoadAbsolute{Off: 14, Size: 1}}, when(0x45, c))
}

// Offsets in a frame whose IPv4 header has no options.
const (
	plainSource      = 14 + 12 // address
	plainDestination = 14 + 16
	plainPorts       = 14 + 20
)

// plainOf decides what is of a protocol.
func (p plan) plainOf(proto uint8) code {
	var c code
	for _, off := range []uint32{mL4Source, mL4Dest} {
		if spans := p.ports.of(proto); len(spans) > 0 {
			c = join(c, code{bpf.LoadAbsolute{Off: plainPorts + off, Size: 2}}, p.oneOf(spans))
		}
	}
	for _, e := range p.endpoints {
		spans := e.ports.of(proto)
		if len(spans) == 0 || len(e.addrs.v4) == 0 {
			continue
		}
		for _, side := range []struct{ addr, port uint32 }{{plainSource, mL4Source}, {plainDestination, mL4Dest}} {
			c = join(c, code{bpf.LoadAbsolute{Off: side.addr, Size: 4}},
				inSpans(e.addrs.v4, join(code{bpf.LoadAbsolute{Off: plainPorts + side.port, Size: 2}}, p.oneOf(spans))))
		}
	}
	return join(c, reject())
}
