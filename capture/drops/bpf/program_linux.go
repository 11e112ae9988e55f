package bpf

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"
)

// Layout of an event in the ring buffer, in host byte order: time (8 bytes,
// CLOCK_BOOTTIME), inode (4), interface (4), reason (4), unused (4),
// what follows the start of the IP header, whatever it is, and the name of the
// function that dropped it, ended by a NUL.
const (
	eventHeader = 24
	eventData   = 96
	eventName   = 64
	eventSize   = eventHeader + eventData + eventName
)

// nameFormat has the kernel print a function's name for an address: reading the
// list of all names would take longer than everything else that is done about
// drops, and CAP_SYSLOG.
const nameFormat = "%ps\x00"

// Places on the program's stack, below the frame pointer.
const (
	atInode   = -8   // 4 bytes
	atPointer = -16  // what the last pointer read was
	atHead    = -24  // skb->head, then the IP header's address
	atNetwork = -32  // skb->network_header, 2 bytes
	atProto   = -40  // skb->protocol, 2 bytes
	atPorts   = -48  // source and destination, 2 bytes each; or all of a key
	atKey     = -56  // 2 bytes
	atAddr    = -72  // 16 bytes
	atIP      = -120 // the first 40 bytes of the IP header
)

// maps are the file descriptors that the program refers to.
type maps struct{ netns, ports, hosts, events, lost, format int }

// program is the filter and the report. Its context is that of a raw tracepoint:
// an array of the arguments, 8 bytes each: skb, location, reason.
func program(k *offsets, m maps, noise []uint32, order binary.ByteOrder) asm.Instructions {
	p := &writer{}
	p.add(asm.Mov.Reg(asm.R6, asm.R1))
	p.quiet(noise)
	p.add(asm.LoadMem(asm.R7, asm.R6, 0, asm.DWord)) // skb
	p.namespace(k, m)
	p.network(k)
	p.wanted(m, order)
	p.report(k, m)
	p.add(
		asm.Mov.Imm(asm.R0, 0).WithSymbol("exit"),
		asm.Return(),
	)
	return p.code
}

// writer collects instructions.
type writer struct{ code asm.Instructions }

func (p *writer) add(ins ...asm.Instruction) { p.code = append(p.code, ins...) }

// read copies size bytes from base+off in the kernel's memory to the stack. What
// cannot be read is zero.
func (p *writer) read(to int16, size int32, base asm.Register, off int16) {
	p.add(
		asm.Mov.Reg(asm.R3, base),
		asm.Add.Imm(asm.R3, int32(off)),
		asm.Mov.Reg(asm.R1, asm.R10),
		asm.Add.Imm(asm.R1, int32(to)),
		asm.Mov.Imm(asm.R2, size),
		asm.FnProbeReadKernel.Call(),
	)
}

// lookup jumps to label if the key on the stack is in the map.
func (p *writer) lookup(fd int, key int16, label string) {
	p.find(fd, key)
	p.add(asm.JNE.Imm(asm.R0, 0, label))
}

func (p *writer) find(fd int, key int16) {
	p.add(
		asm.LoadMapPtr(asm.R1, fd),
		asm.Mov.Reg(asm.R2, asm.R10),
		asm.Add.Imm(asm.R2, int32(key)),
		asm.FnMapLookupElem.Call(),
	)
}

// quiet leaves where the reason is one that says nothing.
func (p *writer) quiet(noise []uint32) {
	p.add(
		asm.LoadMem(asm.R1, asm.R6, 16, asm.DWord),
		asm.LSh.Imm(asm.R1, 32), // the upper half of an argument of four bytes is not defined
		asm.RSh.Imm(asm.R1, 32),
	)
	for _, reason := range noise {
		p.add(asm.JEq.Imm(asm.R1, int32(reason), "exit"))
	}
}

// namespace leaves where the packet's namespace is not watched. A packet without
// an interface, on its way out, has a socket that tells.
func (p *writer) namespace(k *offsets, m maps) {
	p.read(atPointer, 8, asm.R7, k.skbDev)
	p.add(
		asm.LoadMem(asm.R8, asm.R10, atPointer, asm.DWord), // dev
		asm.JEq.Imm(asm.R8, 0, "no device"),
	)
	p.read(atPointer, 8, asm.R8, k.devNet)
	p.add(asm.Ja.Label("net"))

	p.add(asm.Mov.Imm(asm.R0, 0).WithSymbol("no device"))
	p.read(atPointer, 8, asm.R7, k.skbSk)
	p.add(
		asm.LoadMem(asm.R9, asm.R10, atPointer, asm.DWord),
		asm.JEq.Imm(asm.R9, 0, "exit"),
	)
	p.read(atPointer, 8, asm.R9, k.sockNet)

	p.add(asm.LoadMem(asm.R9, asm.R10, atPointer, asm.DWord).WithSymbol("net"))
	p.read(atInode, 4, asm.R9, k.netInode)
	p.find(m.netns, atInode)
	p.add(asm.JEq.Imm(asm.R0, 0, "exit"))
}

// network finds the IP header, and leaves where there is none. R9 is its
// address from here on.
func (p *writer) network(k *offsets) {
	p.read(atHead, 8, asm.R7, k.skbHead)
	p.read(atNetwork, 2, asm.R7, k.skbNetwork)
	p.read(atProto, 2, asm.R7, k.skbProtocol)
	p.add(
		asm.LoadMem(asm.R9, asm.R10, atHead, asm.DWord),
		asm.LoadMem(asm.R1, asm.R10, atNetwork, asm.Half),
		asm.Add.Reg(asm.R9, asm.R1),
	)
	p.read(atIP, 40, asm.R9, 0)
}

// wanted leaves unless a port or an address is one that is watched.
func (p *writer) wanted(m maps, order binary.ByteOrder) {
	p.add(asm.StoreImm(asm.R10, atKey, 0, asm.Half)) // port 0 stands for everything
	p.lookup(m.ports, atKey, "report")
	p.add(
		asm.LoadMem(asm.R1, asm.R10, atProto, asm.Half),
		asm.JEq.Imm(asm.R1, ethertype(order, 0x0800), "ipv4"),
		asm.JEq.Imm(asm.R1, ethertype(order, 0x86DD), "ipv6"),
		asm.Ja.Label("exit"),
	)
	p.add(
		asm.LoadMem(asm.R1, asm.R10, atIP, asm.Byte).WithSymbol("ipv4"),
		asm.And.Imm(asm.R1, 0x0F),
		asm.LSh.Imm(asm.R1, 2),
		asm.Mov.Reg(asm.R8, asm.R9),
		asm.Add.Reg(asm.R8, asm.R1),
	)
	p.ports(m)
	for _, at := range []int16{atIP + 12, atIP + 16} {
		p.add(
			asm.Mov.Imm(asm.R1, 0),
			asm.StoreMem(asm.R10, atAddr, asm.R1, asm.DWord),
			asm.StoreImm(asm.R10, atAddr+8, int64(int32(mapped(order))), asm.Word),
			asm.LoadMem(asm.R1, asm.R10, at, asm.Word),
			asm.StoreMem(asm.R10, atAddr+12, asm.R1, asm.Word),
		)
		p.lookup(m.hosts, atAddr, "report")
	}
	p.add(asm.Ja.Label("exit"))

	p.add(
		asm.Mov.Reg(asm.R8, asm.R9).WithSymbol("ipv6"),
		asm.Add.Imm(asm.R8, 40),
	)
	p.ports(m)
	for _, at := range []int16{atIP + 8, atIP + 24} {
		p.add(
			asm.LoadMem(asm.R1, asm.R10, at, asm.DWord),
			asm.StoreMem(asm.R10, atAddr, asm.R1, asm.DWord),
			asm.LoadMem(asm.R1, asm.R10, at+8, asm.DWord),
			asm.StoreMem(asm.R10, atAddr+8, asm.R1, asm.DWord),
		)
		p.lookup(m.hosts, atAddr, "report")
	}
	p.add(asm.Ja.Label("exit"))
}

// ports looks at the first four bytes of the transport header, at R8.
func (p *writer) ports(m maps) {
	p.read(atPorts, 4, asm.R8, 0)
	for _, at := range []int16{atPorts, atPorts + 2} {
		p.add(
			asm.LoadMem(asm.R1, asm.R10, at, asm.Half),
			asm.StoreMem(asm.R10, atKey, asm.R1, asm.Half),
		)
		p.lookup(m.ports, atKey, "report")
	}
}

// report sends the event, or counts it as lost where there is no room.
func (p *writer) report(k *offsets, m maps) {
	p.add(
		asm.LoadMapPtr(asm.R1, m.events).WithSymbol("report"),
		asm.Mov.Imm(asm.R2, eventSize),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "lost"),
		asm.Mov.Reg(asm.R8, asm.R0),
		asm.FnKtimeGetBootNs.Call(),
		asm.StoreMem(asm.R8, 0, asm.R0, asm.DWord),
		asm.LoadMem(asm.R1, asm.R10, atInode, asm.Word),
		asm.StoreMem(asm.R8, 8, asm.R1, asm.Word),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R8, 12, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R6, 16, asm.DWord),
		asm.StoreMem(asm.R8, 16, asm.R1, asm.Word),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R8, 20, asm.R1, asm.Word),
		// The data.
		asm.Mov.Reg(asm.R1, asm.R8),
		asm.Add.Imm(asm.R1, eventHeader),
		asm.Mov.Imm(asm.R2, eventData),
		asm.Mov.Reg(asm.R3, asm.R9),
		asm.FnProbeReadKernel.Call(),
		// Where it was dropped.
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.R8, eventHeader+eventData, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord),
		asm.StoreMem(asm.R10, atPointer, asm.R1, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R8),
		asm.Add.Imm(asm.R1, eventHeader+eventData),
		asm.Mov.Imm(asm.R2, eventName),
		asm.LoadMapValue(asm.R3, m.format, 0),
		asm.Mov.Reg(asm.R4, asm.R10),
		asm.Add.Imm(asm.R4, atPointer),
		asm.Mov.Imm(asm.R5, 8),
		asm.FnSnprintf.Call(),
		// The interface, through skb->dev again: R8 has been put to other use.
		asm.Mov.Reg(asm.R3, asm.R7),
		asm.Add.Imm(asm.R3, int32(k.skbDev)),
		asm.Mov.Reg(asm.R1, asm.R10),
		asm.Add.Imm(asm.R1, atPointer),
		asm.Mov.Imm(asm.R2, 8),
		asm.FnProbeReadKernel.Call(),
		asm.LoadMem(asm.R3, asm.R10, atPointer, asm.DWord),
		asm.JEq.Imm(asm.R3, 0, "submit"),
		asm.Add.Imm(asm.R3, int32(k.devIndex)),
		asm.Mov.Reg(asm.R1, asm.R8),
		asm.Add.Imm(asm.R1, 12),
		asm.Mov.Imm(asm.R2, 4),
		asm.FnProbeReadKernel.Call(),
		asm.Mov.Reg(asm.R1, asm.R8).WithSymbol("submit"),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRingbufSubmit.Call(),
		asm.Ja.Label("exit"),

		asm.Mov.Imm(asm.R1, 0).WithSymbol("lost"),
		asm.StoreMem(asm.R10, atPorts, asm.R1, asm.Word),
	)
	p.find(m.lost, atPorts)
	p.add(
		asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
	)
}

// ethertype is a value of skb->protocol, which is in network byte order, as a
// load of two bytes sees it.
func ethertype(order binary.ByteOrder, v uint16) int32 {
	return int32(order.Uint16(binary.BigEndian.AppendUint16(nil, v)))
}

// mapped are the bytes 00 00 ff ff before an IPv4 address mapped to IPv6 (RFC
// 4291 §2.5.5.2), as a store of four bytes writes them.
func mapped(order binary.ByteOrder) uint32 {
	return order.Uint32([]byte{0, 0, 0xFF, 0xFF})
}
