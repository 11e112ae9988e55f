package inputs

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/maphash"
	"os"

	"dnatrace/capture"
	"dnatrace/capture/recording"
)

// Bounds of a survey: packets looked at, and how long the same packet takes from
// one interface to the next (ns).
const (
	surveyed = 200_000
	passing  = 2e6
	slots    = 1 << 12
)

// survey tells the roles of interfaces by the traffic in captures of all
// interfaces, which are read once for it. A bridge and its ports see the very
// same packet, in the order in which it passes; a network card sees it before
// or after it was routed, when its time to live has changed.
func survey(captures []recording.Named) map[uint32]capture.Role {
	v := &sightings{seed: maphash.MakeSeed(), arp: map[uint32]uint16{}, inner: map[uint32]int{}, outer: map[uint32]int{}, port: map[uint32]int{}, came: map[uint32]bool{}}
	for _, c := range captures {
		if c.Open == nil {
			if st, err := os.Stat(c.Path); err != nil || !st.Mode().IsRegular() {
				continue // it can be read once only
			}
		}
		v.read(c)
	}
	return v.roles()
}

// sightings is what a survey has seen.
type sightings struct {
	seed  maphash.Seed
	last  [slots]sighting
	arp   map[uint32]uint16 // ARPHRD_ numbers, by interface index
	inner map[uint32]int    // times an interface was a port of a bridge
	outer map[uint32]int    // times it was the bridge
	port  map[uint32]int    // times it passed a packet on to another, or got it from there, as it was
	came  map[uint32]bool   // packets came in by it
	count int
}

type sighting struct {
	hash  uint64
	time  int64
	index uint32
	out   bool
}

func (v *sightings) read(c recording.Named) {
	src, _, err := recording.OpenNamed(c)
	if err != nil {
		return
	}
	all := map[uint16]bool{}
	for b, err := range src(context.Background()) {
		if err != nil || v.count > surveyed {
			return
		}
		for _, r := range b.Records {
			var p capture.Point
			if r.Kind == capture.KindPoint && json.Unmarshal(r.Data, &p) == nil && many(&p) {
				all[p.ID] = true
			}
		}
		if len(b.Packets) > 0 && len(all) == 0 {
			return // of one interface
		}
		for i := range b.Packets {
			if p := &b.Packets[i]; all[p.Point] && p.Len >= 20 {
				v.packet(p.Time, b.Arena[p.Off:p.Off+p.Len])
			}
		}
	}
}

// packet takes one packet, by its cooked header: protocol, interface index,
// ARPHRD_ number and packet type.
func (v *sightings) packet(t int64, b []byte) {
	v.count++
	index, hardware := binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint16(b[8:])
	v.arp[index] = hardware
	if hardware == arphrdLoopback || binary.BigEndian.Uint16(b) != 0x0800 && binary.BigEndian.Uint16(b) != 0x86dd {
		return
	}
	out := b[10] == 4
	v.came[index] = v.came[index] || !out
	hash := maphash.Bytes(v.seed, b[20:])
	last := &v.last[hash%slots]
	switch same := last.hash == hash && last.index != index && t-last.time < passing; {
	case same && last.out && out:
		v.outer[last.index]++
		v.inner[index]++
	case same && !last.out && !out:
		v.inner[last.index]++
		v.outer[index]++
	case same && out: // from port to port, past the bridge's own eyes, or out of those
		v.port[last.index]++
		v.port[index]++
	}
	*last = sighting{hash, t, index, out}
}

const arphrdLoopback = 772

// roles are what the sightings amount to. Where they contradict each other, or
// say nothing, it stays open.
func (v *sightings) roles() map[uint32]capture.Role {
	out := map[uint32]capture.Role{}
	bridged := len(v.inner) > 0
	for index, hardware := range v.arp {
		in, outer := v.inner[index], v.outer[index]
		switch {
		case index == 0:
			continue
		case hardware == arphrdLoopback:
			out[index] = capture.RoleLoopback
		case in > 0 && outer == 0:
			out[index] = capture.RoleVeth
		case outer > 0 && in == 0:
			out[index] = capture.RoleBridge
		case in == 0 && outer == 0 && v.port[index] > 0:
			out[index] = capture.RoleVeth
		case in == 0 && outer == 0 && bridged && v.came[index] && hardware == 1:
			out[index] = capture.RoleNIC
		default:
			out[index] = capture.RoleOther
		}
	}
	return out
}
