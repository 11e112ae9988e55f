package decode

// fragmentSlots is how many datagrams are remembered. A datagram that finds its
// slots taken evicts the oldest, whose later fragments are then Tails.
const (
	fragmentSlots = 1024
	fragmentWays  = 4
)

// fragmentLife is how long a first fragment is remembered, in ns of event time:
// the kernel's own time of reassembly (net.ipv4.ipfrag_time). After it, an
// identification may have been used again.
const fragmentLife = 30e9

// fragments remembers the ports of first fragments. The zero value is empty. It
// is keyed by point, since each point sees all fragments of a datagram.
type fragments [fragmentSlots]firstFragment

type firstFragment struct {
	fragmentKey
	time             int64 // 0: free
	srcPort, dstPort uint16
	proto            Proto // of the upper layer
	kind             Kind
}

type fragmentKey struct {
	src, dst IP
	id       uint32
	point    uint16
	proto    Proto // as the IP or fragment header says
}

// fragment decodes a part of a datagram; b is what follows its IP headers.
func (d *Decoder) fragment(p *Packet, first bool, id uint32, proto Proto, b []byte, wire uint32) {
	key := fragmentKey{src: p.Src, dst: p.Dst, id: id, point: p.Point, proto: proto}
	if first {
		p.Fragment = FirstFragment
		d.transport(p, b, wire)
		if p.Kind >= Segment {
			d.fragments.put(key, p)
		}
		return
	}
	p.Fragment = LaterFragment
	p.Payload = wire
	p.Kind = Tail
	if f := d.fragments.get(key, p.Time); f != nil {
		p.Kind, p.Proto, p.SrcPort, p.DstPort = f.kind, f.proto, f.srcPort, f.dstPort
	}
}

func (fs *fragments) put(key fragmentKey, p *Packet) {
	set := fs.set(key)
	oldest := &set[0]
	for i := range set {
		if f := &set[i]; f.fragmentKey == key {
			oldest = f
			break
		} else if f.time < oldest.time {
			oldest = f
		}
	}
	*oldest = firstFragment{key, p.Time, p.SrcPort, p.DstPort, p.Proto, p.Kind}
}

// get returns the first fragment of a datagram, nil if it is not remembered.
func (fs *fragments) get(key fragmentKey, now int64) *firstFragment {
	set := fs.set(key)
	for i := range set {
		if f := &set[i]; f.fragmentKey == key && f.kind != Other && now-f.time < fragmentLife {
			return f
		}
	}
	return nil
}

func (fs *fragments) set(key fragmentKey) []firstFragment {
	h := uint64(key.id)<<24 | uint64(key.point)<<8 | uint64(key.proto)
	for i := range key.src {
		h = (h ^ uint64(key.src[i]) ^ uint64(key.dst[i])<<8) * 0x9e37_79b9_7f4a_7c15
	}
	i := h >> 32 % (fragmentSlots / fragmentWays) * fragmentWays
	return fs[i : i+fragmentWays]
}
