package ring

import (
	"encoding/json"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// table maps interface indexes to points, and follows interfaces that come, go
// and are renamed. All but list belongs to one goroutine.
type table struct {
	cfg     Config
	ring    uint16
	since   int64
	hot     [64]*entry // by index, for the packet path
	entries map[int32]*entry
	highest int32

	mu      sync.Mutex
	current []capture.Point // for Points
}

// entry is one interface as it was last seen.
type entry struct {
	iface
	id     uint16
	wanted bool
	missed int           // refreshes since it went
	point  capture.Point // valid iff wanted
}

// keepGone is for how many refreshes an interface is remembered after it went:
// its last frames may still be in the ring.
const keepGone = 30

func newTable(cfg Config, since int64) *table {
	return &table{cfg: cfg, ring: cfg.Points.NewRing(), since: since, entries: map[int32]*entry{}}
}

// find returns the entry of the interface a frame crossed, nil if it is new or
// no longer the same.
func (t *table) find(index int32, hatype uint16) *entry {
	e := t.hot[uint32(index)%uint32(len(t.hot))]
	if e == nil || e.index != index {
		if e = t.entries[index]; e == nil {
			return nil
		}
		t.hot[uint32(index)%uint32(len(t.hot))] = e
	}
	if e.hatype != hatype {
		return nil
	}
	return e
}

// add makes a new point of an interface, in place of the one that had its
// index. The point is zero if the ring does not want it.
func (t *table) add(f iface) (*entry, capture.Point, error) {
	e := &entry{iface: f, wanted: t.cfg.wants(f.name)}
	var p capture.Point
	if e.wanted {
		var err error
		if p, err = t.cfg.Points.Add(t.point(f)); err != nil {
			return nil, p, err
		}
		e.id, e.point = p.ID, p
	}
	t.entries[f.index] = e
	t.hot[uint32(f.index)%uint32(len(t.hot))] = e
	t.highest = max(t.highest, f.index)
	t.publish(p, f.index, e.wanted && !f.gone)
	return e, p, nil
}

// point is the point an interface makes. It was watched since the ring was
// bound, even if it did not exist yet: then there was nothing to miss.
func (t *table) point(f iface) capture.Point {
	p := capture.Point{
		Name: t.cfg.Prefix + f.label(), Netns: t.cfg.Netns, Ring: t.ring, Role: f.role(),
		Index: int(f.index), Link: linkOf(f.hatype), MAC: f.mac, Counting: true,
		Since: t.since, Container: t.cfg.Container,
	}
	if t.cfg.inside() && p.Role != capture.RoleLoopback {
		p.Role = capture.RoleContainer
	}
	return p
}

// publish replaces the point of an index in the list of current points.
func (t *table) publish(p capture.Point, index int32, present bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.current[:0]
	for _, old := range t.current {
		if old.Index != int(index) {
			kept = append(kept, old)
		}
	}
	if t.current = kept; present {
		t.current = append(t.current, p)
	}
}

// points returns the points that exist now. It is safe for concurrent use.
func (t *table) points() []capture.Point {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]capture.Point(nil), t.current...)
}

// refresh looks for interfaces that are new, renamed or gone, calls found for those
// that make a new point, and gone for those that had one. One ioctl an interface,
// and some for the indexes the next ones will have.
func (t *table) refresh(fd int, found func(iface) error, gone func(capture.Point)) error {
	for index, e := range t.entries {
		name := nameOf(fd, index)
		if name != e.name && !e.gone && e.wanted {
			gone(e.point)
		}
		switch {
		case name == "":
			t.forget(e)
		case name != "" && (e.gone || name != e.name):
			if err := found(describe(fd, index, name)); err != nil {
				return err
			}
		}
	}
	for i, end := t.highest+1, t.highest+newAhead; i <= end; i++ {
		if name := nameOf(fd, i); name != "" {
			if err := found(describe(fd, i, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// forget marks an interface as gone, and lets go of it in the end.
func (t *table) forget(e *entry) {
	if !e.gone {
		e.gone = true
		t.publish(capture.Point{}, e.index, false)
	}
	if e.missed++; e.missed > keepGone {
		delete(t.entries, e.index)
		if slot := &t.hot[uint32(e.index)%uint32(len(t.hot))]; *slot == e {
			*slot = nil
		}
	}
}

// lookup describes the interface of a frame that find does not know. The frame
// may outlive its interface.
func lookup(fd int, sll *unix.RawSockaddrLinklayer) iface {
	name := nameOf(fd, sll.Ifindex)
	if name == "" {
		return iface{index: sll.Ifindex, hatype: sll.Hatype, gone: true}
	}
	f := describe(fd, sll.Ifindex, name)
	f.hatype = sll.Hatype
	return f
}

// label is the name, or the index of one that was gone before it could be told.
func (f iface) label() string {
	if f.name == "" {
		return fmt.Sprintf("if%d", f.index)
	}
	return f.name
}

// unwanted lists interfaces whose frames the kernel need not hand over.
func (t *table) unwanted() []int32 {
	var list []int32
	for index, e := range t.entries {
		if !e.wanted && !e.gone {
			list = append(list, index)
		}
	}
	return list
}

// left are the records about all points of a ring that was closed.
func (t *table) left(time int64) []capture.Record {
	var out []capture.Record
	for _, e := range t.entries {
		if e.wanted && !e.gone {
			out = append(out, goneRecord(e.point, time))
		}
	}
	return out
}

// goneRecord announces once more a point that is gone.
func goneRecord(p capture.Point, time int64) capture.Record {
	p.Gone = time
	return pointRecord(p, time)
}

func pointRecord(p capture.Point, time int64) capture.Record {
	data, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return capture.Record{Time: time, Origin: capture.OriginPackets, Kind: capture.KindPoint, Netns: p.Netns, Data: data}
}
