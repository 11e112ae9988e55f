package live

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/filter/program"
	"dnatrace/capture/opener"
	"dnatrace/capture/ring"
	"dnatrace/capture/target"
)

// rings are the packet rings and rule traces: one for the host, one for each
// container that is watched from inside.
type rings struct {
	mu     sync.Mutex
	host   *ring.Ring
	trace  trace              // the host's
	pace   pace               // of all traces
	inside map[uint64]*inside // by inode of the namespace
	beside []string           // containers that are not watched from inside
	ended  [2]uint64          // packets and losses of rings that are gone
}

// inside is what watches in a container's namespace.
type inside struct {
	container target.Container
	path      string
	ring      *ring.Ring
	trace     trace
	close     func() // lets the namespace go
}

func (r *rings) all() []*ring.Ring {
	var out []*ring.Ring
	if r.host != nil {
		out = append(out, r.host)
	}
	for _, in := range r.inside {
		if in.ring != nil {
			out = append(out, in.ring)
		}
	}
	return out
}

func (r *rings) points() []capture.Point {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []capture.Point
	for _, g := range r.all() {
		out = append(out, g.Points()...)
	}
	return out
}

func (r *rings) stats() (packets, lost uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	packets, lost = r.ended[0], r.ended[1]
	for _, g := range r.all() {
		p, l := g.Stats()
		packets, lost = packets+p, lost+l
	}
	return packets, lost
}

func (r *rings) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, g := range r.all() {
		g.Close()
	}
	r.leave()
}

// leave lets go of the namespaces, and of what rules were traced with. The rings
// end with their sources.
func (r *rings) leave() {
	r.pace.end(time.Now())
	for _, t := range r.traces() {
		t.close()
	}
	for _, in := range r.inside {
		in.close()
	}
}

// openRings opens the ring of the host, without which there is nothing to see,
// and those inside the target's containers, without which the host-side veths
// stand for them.
func (s *Session) openRings(snapshot *engine.Snapshot, resolved *target.Resolved) error {
	filter, err := s.filter(resolved)
	if err != nil {
		return err
	}
	sock, err := s.config.Opener.PacketSocket(s.config.Netns)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoPackets, err)
	}
	s.rings.inside = map[uint64]*inside{}
	s.rings.host, err = ring.Open(ring.Config{Interfaces: s.config.Interfaces, SnapLen: s.config.SnapLen, BlockSize: s.config.BlockSize, Blocks: s.config.Blocks, Filter: filter, Read: s.haste.read, Points: &s.points}, sock)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoPackets, err)
	}
	if missing := s.missing(); missing != "" {
		return fmt.Errorf("watch interface %s: the host has none of that name", missing)
	}
	s.merger.Add(capture.OriginPackets, s.rings.host.Source())
	s.enter(resolved)
	s.states = append(s.states, s.packetState())
	return nil
}

// missing is an interface that was asked for and does not exist, or "".
func (s *Session) missing() string {
	for _, name := range s.config.Interfaces {
		if !slices.ContainsFunc(s.rings.host.Points(), func(p capture.Point) bool { return p.Name == name }) {
			return name
		}
	}
	return ""
}

// filter builds the in-kernel filter for what the targets stand for now, and the
// expression that narrows it.
func (s *Session) filter(resolved *target.Resolved) ([]ring.Instruction, error) {
	var narrow, wanted []ring.Instruction
	var err error
	if s.config.Filter != nil {
		if narrow, err = program.Build(s.config.Filter); err != nil {
			return nil, err
		}
	}
	if !s.config.Everything {
		if wanted, _, err = ring.Build(s.want(resolved)); err != nil {
			return nil, fmt.Errorf("build capture filter: %w", err)
		}
	}
	return ring.Both(narrow, wanted), nil
}

// mostInside bounds the rings inside containers; beyond it the host-side veths
// stand for the containers' interfaces.
const mostInside = 8

// packetState says which containers are not watched from inside.
func (s *Session) packetState() capture.SourceState {
	s.rings.mu.Lock()
	defer s.rings.mu.Unlock()
	st := capture.SourceState{Name: capture.OriginPackets, State: capture.SourceOK, Outside: s.rings.beside}
	if n := len(st.Outside); n > 0 {
		const most = 5
		names := slices.Clone(st.Outside[:min(n, most)])
		if n > most {
			names = append(names, fmt.Sprintf("%d more", n-most))
		}
		st.Why = fmt.Sprintf("not watched from inside: %s", strings.Join(names, ", "))
	}
	return st
}

// enter opens rings in the namespaces of the target's containers that have none
// yet, and closes those of containers that are gone. It reports whether others
// than before are not watched from inside now.
func (s *Session) enter(resolved *target.Resolved) (changed bool) {
	r := &s.rings
	r.mu.Lock()
	defer r.mu.Unlock()
	wanted := map[uint64]bool{}
	var beside []string
	for _, c := range resolved.Watch() {
		path, inode, release, err := s.namespace(c)
		if inode, watched := r.of(c); watched && s.bereft() { // nobody can say where it is, and it was entered before
			wanted[inode] = true
			continue
		}
		if err != nil { // it is gone again, or not ours to enter: the veth stands for it
			beside = append(beside, c.Name)
			continue
		}
		wanted[inode] = true
		if in := r.inside[inode]; in != nil || len(r.inside) >= mostInside {
			if in == nil || in.ring == nil {
				beside = append(beside, c.Name)
			}
			release()
			continue
		}
		in := &inside{container: c, path: path, close: release}
		if in.ring = s.openInside(c.Name, path, resolved); in.ring == nil {
			beside = append(beside, c.Name)
		}
		in.trace = s.trace(c.Name, path, resolved)
		r.inside[inode] = in
	}
	for inode, in := range r.inside {
		if !wanted[inode] {
			s.leave(in)
			delete(r.inside, inode)
		}
	}
	changed = !slices.Equal(beside, r.beside)
	r.beside = beside
	return changed
}

// of finds what watches inside a container, as long as the same process holds its
// namespace.
func (r *rings) of(c target.Container) (inode uint64, watched bool) {
	for inode, in := range r.inside {
		if in.container.Owner == c.Owner && in.container.PID == c.PID {
			return inode, true
		}
	}
	return 0, false
}

// leave closes the ring of a container that is gone: an open socket would keep
// its namespace.
func (s *Session) leave(in *inside) {
	if in.ring != nil {
		p, l := in.ring.Stats()
		s.rings.ended[0] += p
		s.rings.ended[1] += l
		in.ring.Close()
	}
	in.trace.close()
	in.close()
}

func (s *Session) openInside(name, path string, resolved *target.Resolved) *ring.Ring {
	filter, err := s.filter(resolved)
	if err != nil {
		return nil
	}
	sock, err := s.config.Opener.PacketSocket(path)
	if err != nil {
		return nil
	}
	g, err := ring.Open(ring.Config{Netns: name, Prefix: name + ":", Container: name, SnapLen: s.config.SnapLen, BlockSize: s.config.BlockSize, Blocks: s.config.Blocks, Filter: filter, Read: s.haste.read, Points: &s.points}, sock)
	if err != nil {
		return nil
	}
	s.merger.Add(capture.OriginPackets+" of "+name, g.Source())
	return g
}

// namespace finds a container's network namespace. As long as it is not
// released, the path leads there.
func (s *Session) namespace(c target.Container) (path string, inode uint64, release func(), err error) {
	if path := s.config.FixedNetns[c.Name]; path != "" {
		inode, err := s.config.Opener.Inode(path)
		return path, inode, func() {}, err
	}
	if c.PID == 0 {
		return "", 0, nil, fmt.Errorf("enter %s: no process of it runs", c.Name)
	}
	f, inode, err := s.config.Opener.Netns(c.PID)
	if err != nil {
		return "", 0, nil, err
	}
	return opener.PathOf(f), inode, func() { f.Close() }, nil
}

// refilter gives every ring the filter for what the targets stand for now.
// Meanwhile all conntrack events pass: a packet that a ring lets pass, and of
// which conntrack is not heard, would look as if it had gone past conntrack.
func (s *Session) refilter(resolved *target.Resolved) {
	filter, err := s.filter(resolved)
	if err != nil {
		return // the old filter is better than none
	}
	s.filterEvents(nil)
	defer s.filterEvents(resolved)
	s.rings.mu.Lock()
	defer s.rings.mu.Unlock()
	for _, g := range s.rings.all() {
		g.SetFilter(filter)
	}
}
