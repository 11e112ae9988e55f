// Package tcpdump reads what tcpdump prints as text, and makes a capture of it: a
// pcapng file of headers. A line tells less than the packet did. What it does not say
// (payload, mostly; without -v the IP identification, without -e hardware addresses) is
// zero in the frame, as where a capture has none; of a line that does not say who spoke
// to whom no packet is made, and it is counted.
//
// The package reads bytes that it is given and opens nothing. It must not import
// decode, correlate or cmd.
package tcpdump

import (
	"bytes"
	"slices"
	"strings"
)

// Capture is what a text holds.
type Capture struct {
	Clock    Clock
	Packets  int
	Unread   int      // lines of which no packet could be made, though one was there
	Example  string   // the first of those
	Names    []string // of hosts, in those lines, where an address is wanted; at most maxNames
	Lost     uint64   // packets that the kernel did not hand to tcpdump, as it says, or whose lines are not there
	captured uint64   // packets that tcpdump counted; 0 if it does not say
	unreadAt []uint64 // of Unread, by the number of the interface
	points   []string // names of the interfaces, in order; "" where the text does not say
	frames   []frame
}

// Bounds of what is kept: names for a message, and interfaces, of which no host has
// more.
const (
	maxNames  = 5
	maxPoints = 4096
)

// Watched reports whether the text says that nothing was seen: tcpdump had begun.
func (c *Capture) Watched() bool { return len(c.points) > 0 && c.Packets+c.Unread == 0 }

// Read reads the output of one run. Interface is the one that the command names, "" if
// it is not known; lines that name theirs come before it.
func Read(text []byte, iface string) *Capture {
	r := &reader{c: &Capture{}, iface: iface, numbers: newNumbers()}
	r.any = iface == "any"
	groups := r.groups(text)
	times := r.c.Clock.times(groups)
	for i := range groups {
		r.take(&groups[i], times[i])
	}
	r.c.Packets = len(r.c.frames)
	if len(groups) == 0 && r.listens {
		r.point(r.iface)
	}
	if printed := uint64(len(groups)); r.c.captured > printed {
		r.c.Lost += r.c.captured - printed
	}
	if r.any || r.repeats() {
		r.everywhere()
	}
	return r.c
}

// reader is the state between lines.
type reader struct {
	c       *Capture
	iface   string // of lines that name none
	any     bool   // all interfaces were captured, and a line may not say which
	listens bool   // tcpdump says that it began
	numbers *numbers
}

// group is the line that begins with a time, and those that belong to it.
type group struct {
	stamp stamp
	iface string
	head  string
	rest  []string
}

// maxRest is how many lines of one packet are kept: more is payload.
const maxRest = 4200

// groups parts the text into packets, and keeps what tcpdump says of itself.
func (r *reader) groups(text []byte) []group {
	var all []group
	for len(text) > 0 {
		raw, rest, _ := bytes.Cut(text, []byte{'\n'})
		text = rest
		line := strings.TrimRight(string(raw), " \t\r")
		if r.remark(line) {
			continue
		}
		if s, head, ok := begins(line); ok {
			if len(all) == 0 {
				r.c.Clock = s.clock
			}
			all = append(all, group{stamp: s, iface: r.iface, head: head})
			continue
		}
		if n := len(all); n > 0 && line != "" && len(all[n-1].rest) < maxRest {
			all[n-1].rest = append(all[n-1].rest, line)
		}
	}
	return all
}

// take makes a packet of the lines of one.
func (r *reader) take(g *group, at int64) {
	if g.stamp.clock != r.c.Clock || g.stamp.clock == Untimed {
		r.unread(g, g.iface, "")
		return
	}
	l := line{iface: g.iface}
	l.read(g.head, g.rest)
	switch {
	case l.nothing:
		return
	case l.name != "":
		r.unread(g, l.iface, l.name)
		return
	case !l.known:
		r.unread(g, l.iface, "")
		return
	}
	r.numbers.settle(&l.packet)
	if l.quoted != nil {
		r.numbers.settle(l.quoted)
	}
	r.c.frames = append(r.c.frames, frame{time: at, point: r.point(l.iface), dir: l.dir, everyone: l.everyone, data: l.frame(), orig: l.orig(), like: l.like()})
}

// unread counts a line of which no packet can be made, at its interface.
func (r *reader) unread(g *group, iface, name string) {
	at := r.point(iface)
	for len(r.c.unreadAt) < len(r.c.points) {
		r.c.unreadAt = append(r.c.unreadAt, 0)
	}
	r.c.unreadAt[at]++
	if r.c.Unread++; r.c.Example == "" {
		r.c.Example = clipped(g.head)
	}
	if name != "" && len(r.c.Names) < maxNames && !slices.Contains(r.c.Names, name) {
		r.c.Names = append(r.c.Names, name)
	}
}

func clipped(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// point is the number of the interface of that name.
func (r *reader) point(name string) int {
	if name == "any" || name == "?" {
		name, r.any = "", true
	}
	if i := slices.Index(r.c.points, name); i >= 0 {
		return i
	}
	if len(r.c.points) == maxPoints {
		return maxPoints - 1
	}
	r.c.points = append(r.c.points, name)
	return len(r.c.points) - 1
}

// repeats reports whether a text that names no interface has one packet several times
// at once, as a capture of all of them has.
func (r *reader) repeats() bool {
	const within = 100e3 // ns
	last := map[string]int64{}
	for _, f := range r.c.frames {
		if r.c.points[f.point] != "" || f.like == "" {
			continue
		}
		if t, ok := last[f.like]; ok && f.time-t <= within && f.time >= t {
			return true
		}
		last[f.like] = f.time
	}
	return false
}

// everywhere marks the frames that may be of any interface.
func (r *reader) everywhere() {
	for i := range r.c.frames {
		f := &r.c.frames[i]
		f.cooked = r.c.points[f.point] == ""
	}
}
