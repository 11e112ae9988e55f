package ruleset

import (
	"encoding/binary"
	"net/netip"

	"dnatrace/decode"
)

// load writes a value to a register, or why it is not known.
func (e *evaluation) load(r decode.Reg, b []byte, why string) bool {
	if why != "" {
		e.note(r, max(len(b), 4), why)
		return true
	}
	e.put(r, b)
	return true
}

// host32 is a number as the kernel keeps its own.
func (m *machine) host32(n uint32) []byte {
	b := make([]byte, 4)
	m.order.PutUint32(b, n)
	return b
}

func name16(s string) []byte {
	b := make([]byte, 16)
	copy(b[:15], s)
	return b
}

// meta loads what the kernel knows of the packet, or sets its mark.
func (e *evaluation) meta(x decode.MetaExpr) bool {
	if x.Set {
		return e.setMeta(x)
	}
	key := x.Key
	if x.ByName { // names and numbers of interfaces stand for each other
		key = map[uint32]uint32{decode.MetaIIF: decode.MetaIIFName, decode.MetaOIF: decode.MetaOIFName}[key]
	}
	b, why := e.metaValue(key)
	if b == nil {
		return false // there is no socket here, or no interface
	}
	return e.load(x.Reg, b, why)
}

func (e *evaluation) metaValue(key uint32) (b []byte, why string) {
	if e.framed() {
		if b, why, ok := e.metaFrame(key); ok {
			return b, why
		}
	}
	switch key {
	case decode.MetaLen:
		if e.p.Length == 0 {
			return e.host32(0), "the packet's length is not known"
		}
		return e.host32(uint32(e.p.Length)), ""
	case decode.MetaProtocol:
		return e.etherType(), ""
	case decode.MetaMark:
		return e.host32(e.mark), ""
	case decode.MetaIIFName:
		return e.device16(e.hasIIF, e.iif)
	case decode.MetaOIFName:
		return e.device16(e.hasOIF, e.oif)
	case decode.MetaIIF:
		return e.index32(e.hasIIF, e.iifIndex, e.iif)
	case decode.MetaOIF:
		return e.index32(e.hasOIF, e.oifIndex, e.oif)
	case decode.MetaIIFType:
		return e.type16(e.hasIIF, e.iif)
	case decode.MetaOIFType:
		return e.type16(e.hasOIF, e.oif)
	case decode.MetaIIFKind:
		return e.kind16(e.hasIIF, e.iif)
	case decode.MetaOIFKind:
		return e.kind16(e.hasOIF, e.oif)
	case decode.MetaNFProto:
		return []byte{byte(e.family)}, ""
	case decode.MetaL4Proto:
		return []byte{byte(e.tuple.Proto)}, ""
	case decode.MetaPktType:
		return []byte{0}, "" // a unicast packet is for this host
	case decode.MetaSKUID, decode.MetaSKGID:
		if e.at != decode.HookOutput && e.at != decode.HookPostrouting || !e.p.Sent {
			return nil, ""
		}
		return e.host32(0), "whose process sent it is not known"
	}
	f := metaFields[key]
	if f.kind == kindIfname {
		return name16(""), f.name + " is not known"
	}
	if f.name == "" {
		return e.host32(0), "meta is not decoded"
	}
	return e.host32(0), f.name + " is not known"
}

func (m *machine) etherType() []byte {
	if m.family == decode.FamilyARP {
		return []byte{0x08, 0x06}
	}
	if m.family == decode.FamilyIPv6 {
		return []byte{0x86, 0xdd}
	}
	return []byte{0x08, 0x00}
}

// device16 is the name of an interface, empty where there is none at this hook.
func (m *machine) device16(has bool, name string) ([]byte, string) {
	if has && name == "" {
		return name16(""), "the interface is not known"
	}
	if !has {
		name = ""
	}
	return name16(name), ""
}

// index32 is the number of an interface: as given, or that of its name.
func (m *machine) index32(has bool, index uint32, name string) ([]byte, string) {
	switch {
	case !has:
		index = 0
	case index == 0:
		if index = m.link(name).Index; index == 0 {
			return m.host32(0), "the interface's index is not known"
		}
	}
	return m.host32(index), ""
}

func (m *machine) link(name string) Link {
	if name == "" || m.p.Link == nil {
		return Link{}
	}
	return m.p.Link(name)
}

// type16 and kind16 are what an interface is. Where there is none, rules that ask
// do not match.
func (m *machine) type16(has bool, name string) ([]byte, string) {
	if !has {
		return nil, ""
	}
	b := make([]byte, 2)
	l := m.link(name)
	m.order.PutUint16(b, l.Type)
	if l.Type == 0 {
		return b, "the interface's type is not known"
	}
	return b, ""
}

func (m *machine) kind16(has bool, name string) ([]byte, string) {
	if !has {
		return nil, ""
	}
	l := m.link(name)
	if l.Kind == "" {
		return name16(""), "the interface's kind is not known"
	}
	return name16(l.Kind), ""
}

// payload loads bytes of the packet, as far as they are known.
func (e *evaluation) payload(x decode.PayloadExpr) bool {
	if x.Set {
		return e.setPayload(x)
	}
	var header, known []byte
	if e.family == decode.FamilyARP && x.Base == decode.BaseTransport {
		return false // there is none
	}
	switch x.Base {
	case decode.BaseLink:
		header, known = e.linkHeader()
	case decode.BaseNetwork:
		header, known = e.networkHeader()
	case decode.BaseTransport:
		header, known = e.transportHeader()
	}
	if x.Len > 64 || x.Offset+x.Len > len(header) {
		return e.load(x.Reg, make([]byte, min(x.Len, 64)), "the packet's bytes there are not known")
	}
	why := ""
	for _, k := range known[x.Offset : x.Offset+x.Len] {
		if k == 0 {
			why = "the packet's bytes there are not known"
		}
	}
	return e.load(x.Reg, header[x.Offset:x.Offset+x.Len], why)
}

// networkHeader is the IP header, and which bytes of it are known. It is not a
// fragment.
func (m *machine) networkHeader() (b, known []byte) {
	if m.family == decode.FamilyARP {
		return nil, nil
	}
	if m.family == decode.FamilyIPv6 {
		b, known = make([]byte, 40), make([]byte, 40)
		b[0], b[6] = 0x60, byte(m.tuple.Proto)
		copy(b[8:], m.tuple.Src[:])
		copy(b[24:], m.tuple.Dst[:])
		mark(known, 6, 7, 8, 40)
		m.hide(known, 8, 24)
		if m.p.Length > 40 {
			binary.BigEndian.PutUint16(b[4:], uint16(m.p.Length-40))
			mark(known, 4, 6)
		}
		if b[7] = m.ttl(); m.p.TTL > 0 {
			mark(known, 7, 8)
		}
		return b, known
	}
	b, known = make([]byte, 20), make([]byte, 20)
	b[0], b[9] = 0x45, byte(m.tuple.Proto)
	copy(b[12:], m.tuple.Src[12:])
	copy(b[16:], m.tuple.Dst[12:])
	mark(known, 0, 1, 6, 8, 9, 10, 12, 20)
	if m.p.Length > 0 {
		binary.BigEndian.PutUint16(b[2:], uint16(m.p.Length))
		mark(known, 2, 4)
	}
	if b[8] = m.ttl(); m.p.TTL > 0 {
		mark(known, 8, 9)
	}
	m.hide(known, 12, 16)
	return b, known
}

// hide takes back what masquerading, which is over by now, has changed.
func (m *machine) hide(known []byte, from, to int) {
	if m.masqueraded && m.framed() {
		clear(known[from:to])
	}
}

// ttl is what is left of it: forwarding takes one off before the rules see it.
func (m *machine) ttl() uint8 {
	if m.forwarded && m.p.TTL > 0 {
		return m.p.TTL - 1
	}
	return m.p.TTL
}

// mark sets what lies between pairs of offsets.
func mark(known []byte, pairs ...int) {
	for i := 0; i+1 < len(pairs); i += 2 {
		for j := pairs[i]; j < pairs[i+1]; j++ {
			known[j] = 1
		}
	}
}

func (m *machine) transportHeader() (b, known []byte) {
	b, known = make([]byte, 20), make([]byte, 20)
	switch m.tuple.Proto {
	case decode.TCP, decode.UDP, decode.SCTP:
		binary.BigEndian.PutUint16(b[0:], m.tuple.SrcPort)
		binary.BigEndian.PutUint16(b[2:], m.tuple.DstPort)
		mark(known, 0, 4)
		m.hide(known, 0, 2)
		if m.tuple.Proto == decode.TCP && m.p.TCPFlags != 0 {
			b[13] = m.p.TCPFlags
			mark(known, 13, 14)
		}
		if headers := m.headers(); m.tuple.Proto == decode.UDP && m.p.Length > headers {
			binary.BigEndian.PutUint16(b[4:], uint16(m.p.Length-headers))
			mark(known, 4, 6)
		}
	case decode.ICMP, decode.ICMPv6:
		if m.p.ICMP != nil {
			b[0], b[1] = m.p.ICMP.Type, m.p.ICMP.Code
			mark(known, 0, 2)
		}
	}
	return b, known
}

// headers is how long the IP header is, without options.
func (m *machine) headers() int {
	if m.family == decode.FamilyIPv6 {
		return 40
	}
	return 20
}

// fib loads the type of an address, or the interface that its route leads to.
func (e *evaluation) fib(x decode.FibExpr) bool {
	a := e.tuple.Dst.Addr()
	if x.Flags&decode.FibSaddr != 0 {
		a = e.tuple.Src.Addr()
	}
	const other = "what the routing tables say (fib) is not known"
	if x.Result == decode.FibAddrType {
		t := e.addrType(a)
		if t == TypeUnknown || x.Flags&(decode.FibIIF|decode.FibOIFlag) != 0 && byInterface(t) {
			return e.load(x.To, e.host32(0), other)
		}
		return e.load(x.To, e.host32(t), "")
	}
	oif, why := e.route(a, x.Flags)
	switch {
	case x.Flags&decode.FibPresent != 0:
		b := []byte{0}
		if oif != "" {
			b[0] = 1
		}
		return e.load(x.To, b, why)
	case x.Result == decode.FibOIFName:
		return e.load(x.To, name16(oif), why)
	case oif == "" && why == "":
		return e.load(x.To, e.host32(0), "")
	}
	if why == "" {
		why = other
	}
	return e.load(x.To, e.host32(0), why)
}

// route is the interface that the route to an address leads to, if need be only
// the one that the packet came by.
func (m *machine) route(a netip.Addr, flags uint32) (oif, why string) {
	if m.p.Route == nil {
		return "", "what the routing tables say (fib) is not known"
	}
	oif, known := m.p.Route(a)
	if !known {
		return "", "what the routing tables say (fib) is not known"
	}
	if flags&decode.FibIIF != 0 && oif != m.iif {
		oif = ""
	}
	return oif, ""
}
