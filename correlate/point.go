package correlate

import (
	"slices"
	"time"

	"dnatrace/capture"
	"dnatrace/decode"
)

// point is a capture point and what the tracker keeps for it.
type point struct {
	capture.Point
	space   uint16 // number of the namespace: part of a leg's key
	same    uint16 // the first point of this name and namespace: two files of one point are one point
	since   int64  // Unix ns; watched from here on
	until   int64  // Unix ns; watched up to here; 0 to the end
	packets uint64
	macs    macs
	last    lastPacket // valid iff doubled
	doubled bool       // another file has this point too, or it is everything
	all     bool       // every interface at once, not told apart: it sees a packet once for each
}

// lastPacket recognises one packet that two files of one point both hold.
type lastPacket struct {
	time     int64
	tuple    decode.Tuple
	seq, ack uint32
	payload  uint32
	ipid     uint16
	of       uint16 // which file had it
}

// linkCooked is LINKTYPE_LINUX_SLL: captures of all interfaces that do not say
// by which a packet came.
const linkCooked = 113

// repeats reports whether p is the packet that the other file of this point
// just had, or another of its interfaces: within 10 µs, or the time it takes
// through a bridge, and alike in all that tells packets apart.
func (pt *point) repeats(p *decode.Packet, of uint16) bool {
	l, within := &pt.last, 10*time.Microsecond
	if pt.all {
		within = 100 * time.Microsecond
	}
	if (l.of != of || pt.all) && p.Time-l.time <= int64(within) && l.tuple == p.Tuple &&
		l.seq == p.Seq && l.ack == p.Ack && l.payload == p.Payload && l.ipid == p.IPID {
		return true
	}
	*l = lastPacket{p.Time, p.Tuple, p.Seq, p.Ack, p.Payload, p.IPID, of}
	return false
}

func (t *Tracker) addPoint(e *decode.Point) {
	if int(e.ID) < len(t.points) && e.Until != 0 {
		t.points[e.ID].until = e.Until
	}
	if int(e.ID) != len(t.points) {
		return // points are announced once, in order
	}
	space, ok := t.netns[e.Netns]
	if !ok {
		space = uint16(len(t.netns))
		t.netns[e.Netns] = space
	}
	p := point{Point: e.Point, space: space, same: e.ID, since: e.Since}
	if e.Link == linkCooked && !e.Counting {
		p.all, p.doubled = true, true
	}
	if i := slices.IndexFunc(t.points, func(o point) bool { return o.Name == e.Name && o.Netns == e.Netns }); i >= 0 {
		p.same = t.points[i].same
		p.doubled = true
		t.points[p.same].doubled = true
	}
	if mac, ok := parseMAC(e.MAC); ok {
		p.macs.given(mac)
	}
	t.points = append(t.points, p)
	t.giveMACs()
}

// containerOf names the container whose traffic passes a point: its own
// namespace, or the host-side veth whose other end is in there.
func (t *Tracker) containerOf(pt *point) string {
	if pt.Container != "" || pt.Role != capture.RoleVeth {
		return pt.Container
	}
	return t.world.vethOwner(pt.Name)
}

// pointName is what people read.
func (t *Tracker) pointName(n uint16) string { return t.points[n].Name }
