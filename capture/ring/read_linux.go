package ring

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"dnatrace/capture"
)

// Source hands out what the ring captures; it can be ranged over once. First
// come the points known at Open. A new point comes before its first packet, a
// loss before the first packet after its beginning. The bytes of a batch are
// the ring's own memory. When ctx ends, what was captured until then is still
// handed out, and the ring is closed.
func (r *Ring) Source() capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			ctx, err := r.start(ctx)
			if err != nil {
				yield(nil, err)
				return
			}
			defer r.stop()
			rd := &reader{Ring: r, ctx: ctx, yield: yield, complete: r.bound, until: r.bound - int64(slack), packets: make([]capture.Packet, 0, capture.BatchSize)}
			if err := rd.run(); err != nil && err != errStopped {
				yield(nil, fmt.Errorf("read ring in %s: %w", r.cfg.Netns, err))
			}
		}
	}
}

func (r *Ring) start(ctx context.Context) (context.Context, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != opened {
		return nil, fmt.Errorf("read ring in %s: %w", r.cfg.Netns, os.ErrClosed)
	}
	ctx, r.cancel = context.WithCancel(ctx)
	r.state = running
	return ctx, nil
}

func (r *Ring) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancel()
	r.release()
}

// errStopped says that the consumer wants no more.
var errStopped = errors.New("stopped")

// slack is how much earlier than now the kernel may have stamped a frame it is
// only now putting into the ring: when anything on the host asks for receive
// times, frames are stamped before they wait for their CPU's backlog.
const slack = 2 * time.Millisecond

// reader is one run over the ring.
type reader struct {
	*Ring
	ctx   context.Context
	yield func(*capture.Batch, error) bool

	batch    capture.Batch
	packets  []capture.Packet // of the batch being filled
	unsorted bool             // packets is out of order

	pos       int              // next block
	complete  int64            // Unix ns: no loss before it is unreported
	until     int64            // Unix ns: promised
	losses    []capture.Record // by Time, waiting for the packets before them
	refreshed int64            // Unix ns: interfaces looked at
	end       int64            // Unix ns: ctx ended; 0 while it has not
}

// run reads blocks until the end.
func (rd *reader) run() error {
	if err := rd.tell(rd.first); err != nil {
		return err
	}
	for {
		rd.noteEnd()
		b := rd.block(rd.pos)
		if b.ready() {
			if rd.beyondEnd(b) {
				return rd.finish()
			}
			if err := rd.read(b); err != nil {
				return err
			}
			b.release()
			rd.pos = (rd.pos + 1) % rd.blocks
			continue
		}
		if rd.drained(b) {
			return rd.finish()
		}
		if err := rd.idle(b); err != nil {
			return err
		}
		capture.Rest()
	}
}

// noteEnd remembers when ctx ended: what was captured before is still read.
func (rd *reader) noteEnd() {
	if rd.end == 0 && rd.ctx.Err() != nil {
		rd.end = time.Now().UnixNano()
	}
}

func (rd *reader) beyondEnd(b block) bool {
	first, _ := b.times()
	return rd.end != 0 && first > rd.end
}

// drained reports whether nothing captured before the end can still turn up.
func (rd *reader) drained(b block) bool {
	if rd.end == 0 {
		return false
	}
	late := time.Now().UnixNano() > rd.end+int64(rd.cfg.hidden())
	return !b.ready() && (b.filling() == 0 || late)
}

// read hands out the packets of a block.
func (rd *reader) read(b block) error {
	if err := rd.account(b); err != nil {
		return err
	}
	off := b.hdr().Offset_to_first_pkt
	for n := b.hdr().Num_pkts; n > 0; n-- {
		f, ok := b.frame(off)
		if !ok {
			return fmt.Errorf("packet at %d reaches beyond its block", off)
		}
		if err := rd.packet(b, f, off); err != nil {
			return err
		}
		off += f.Next_offset
	}
	_, last := b.times()
	if rd.cfg.Read != nil {
		now := time.Now().UnixNano()
		rd.cfg.Read(now, time.Duration(now-last))
	}
	rd.until = max(rd.until, min(last-int64(slack), rd.complete))
	return rd.flush(b)
}

// idle is what is done while no block is ready: look after losses and
// interfaces, and promise how far the stream is complete.
func (rd *reader) idle(b block) error {
	now := time.Now().UnixNano()
	empty := b.filling() == 0 && !b.ready() // in this order: after now
	if err := rd.count(); err != nil {
		return err
	}
	if err := rd.follow(now); err != nil {
		return err
	}
	horizon := now - int64(slack)
	if !empty {
		horizon = now - int64(rd.cfg.hidden())
	}
	const often = int64(5 * time.Millisecond)
	if horizon = min(horizon, rd.complete); horizon < rd.until+often {
		return nil
	}
	if err := rd.tellLosses(horizon); err != nil {
		return err
	}
	rd.until = horizon
	rd.batch = capture.Batch{Until: horizon}
	return stopped(rd.yield(&rd.batch, nil))
}

// follow looks at the interfaces, at most once a second.
func (rd *reader) follow(now int64) error {
	if now < rd.refreshed+int64(time.Second) {
		return nil
	}
	rd.refreshed = now
	var fresh, gone []capture.Record
	changed := false
	err := rd.control(func(fd int) error {
		err := rd.table.refresh(fd, func(f iface) error {
			changed = true
			e, p, err := rd.table.add(f)
			if err == nil && e.wanted {
				fresh = append(fresh, pointRecord(p, rd.until))
			}
			return err
		}, func(p capture.Point) { gone = append(gone, goneRecord(p, rd.until)) })
		if err != nil || !changed {
			return err
		}
		return rd.reattach(fd)
	})
	if err != nil {
		return err
	}
	return rd.tell(append(fresh, gone...))
}

// finish reports the last losses and everything else still untold.
func (rd *reader) finish() error {
	if err := rd.count(); err != nil {
		return err
	}
	if err := rd.tell(rd.losses); err != nil || !rd.left() {
		return err
	}
	return rd.tell(rd.table.left(rd.until))
}

// left reports whether the ring was closed: its namespace is watched no more, and
// the stream of the others goes on.
func (r *Ring) left() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closing
}
