package live

import (
	"errors"
	"os"
	"slices"
	"sync"

	"dnatrace/capture"
	"dnatrace/capture/drops"
	"dnatrace/capture/drops/bpf"
	"dnatrace/capture/target"
)

// dropped is the source of drop reasons. The zero value is none.
type dropped struct {
	file *os.File // the program is in the kernel as long as this is open
	host uint64   // inode of the host's namespace

	mu    sync.Mutex
	names map[uint64]string // of namespaces, by inode
}

// openDrops has the kernel say which of the target's packets it throws away.
func (s *Session) openDrops(resolved *target.Resolved) {
	inode, err := s.config.Opener.Inode(s.config.Netns)
	if err != nil {
		s.state(capture.OriginDrops, capture.SourceAbsent, err.Error())
		return
	}
	d := &s.dropped
	d.host, d.names = inode, map[uint64]string{inode: capture.HostNetns}
	f, err := s.config.Opener.Drops(s.dropsOf(resolved))
	if err != nil {
		s.state(capture.OriginDrops, capture.SourceAbsent, err.Error())
		return
	}
	d.file = f
	s.merger.Add(capture.OriginDrops, bpf.Source(f, d.name))
	s.state(capture.OriginDrops, capture.SourceOK, "")
}

// redrop has the drops of what the targets stand for now reported.
func (s *Session) redrop(resolved *target.Resolved) error {
	if s.dropped.file == nil {
		return nil
	}
	err := bpf.Update(s.dropped.file, s.dropsOf(resolved))
	if errors.Is(err, os.ErrClosed) {
		return nil // the source has ended: this session has, too, or its end was told
	}
	return err
}

// dropsOf says whose drops are of interest, in the host's namespace and in those
// that are entered.
func (s *Session) dropsOf(resolved *target.Resolved) drops.Want {
	w := s.want(resolved)
	d := drops.Want{Everything: s.config.Everything, Inodes: []uint64{s.dropped.host}, Hosts: w.Hosts}
	for _, p := range w.Ports {
		d.Ports = append(d.Ports, p.Port)
	}
	for _, r := range w.Ranges {
		d.Ranges = append(d.Ranges, [2]uint16{r.First, r.Last})
	}
	slices.SortFunc(d.Ranges, func(a, b [2]uint16) int { return slices.Compare(a[:], b[:]) })
	d.Ranges = slices.Compact(d.Ranges) // of several protocols
	for _, e := range w.Endpoints {
		for _, p := range e.Ports {
			d.Ports = append(d.Ports, p.Port)
		}
	}
	slices.Sort(d.Ports)
	d.Ports = slices.Compact(d.Ports)
	s.rings.mu.Lock()
	defer s.rings.mu.Unlock()
	s.dropped.mu.Lock()
	defer s.dropped.mu.Unlock()
	for inode, in := range s.rings.inside {
		d.Inodes = append(d.Inodes, inode)
		s.dropped.names[inode] = in.container.Name
	}
	return d
}

// name is that of a namespace; "" unless known.
func (d *dropped) name(inode uint64) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.names[inode]
}
