package recording

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"dnatrace/capture"
)

// ErrInterrupted is wrapped by the error about input that was not read to its end
// because the context ended. What was read before was passed on, with a Damage
// record that says so.
var ErrInterrupted = errors.New("interrupted")

// courtesy is how long a pipe is read on when the context has ended: whoever
// writes it, in the same pipeline, was told to end as well, and may yet end it in
// order.
const courtesy = time.Second

// patience is the context to read inputs with.
func patience(ctx context.Context, inputs []input) (context.Context, context.CancelFunc) {
	for _, in := range inputs {
		if in.piped {
			return afterwards(ctx, courtesy)
		}
	}
	return context.WithCancel(ctx)
}

// afterwards is a context that ends a while after another.
func afterwards(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		select {
		case <-time.After(d):
			cancel()
		case <-later.Done():
		}
	})
	return later, func() { stop(); cancel() }
}

// isPiped reports whether reading r may have to wait for someone.
func isPiped(r io.Reader) bool {
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		st, err := f.Stat()
		return err != nil || !st.Mode().IsRegular()
	}
	_, ok := r.(io.Seeker)
	return !ok
}

// Interruptible returns a reader of a pipe, which fails with ErrInterrupted soon
// after ctx has ended, even where the pipe gives nothing and does not end. What
// was asked of the pipe by then is lost.
func Interruptible(ctx context.Context, r io.Reader) io.Reader {
	later, _ := afterwards(ctx, courtesy)
	return until(later, r)
}

// until reads r for as long as ctx lasts.
func until(ctx context.Context, r io.Reader) io.Reader {
	return &waiting{ctx: ctx, r: r, got: make(chan result, 1), buf: make([]byte, 64<<10)}
}

// waiting reads on a goroutine of its own, and waits for it or for its context.
type waiting struct {
	ctx   context.Context
	r     io.Reader
	buf   []byte
	left  []byte // of buf, read and not yet handed out
	err   error  // behind left
	asked bool   // a read is under way, into buf
	got   chan result
}

type result struct {
	n   int
	err error
}

func (w *waiting) Read(p []byte) (int, error) {
	if len(w.left) == 0 && w.err == nil {
		w.wait()
	}
	if n := copy(p, w.left); n > 0 {
		w.left = w.left[n:]
		return n, nil
	}
	return 0, w.err
}

func (w *waiting) wait() {
	if !w.asked {
		w.asked = true
		go func() {
			n, err := w.r.Read(w.buf)
			w.got <- result{n, err}
		}()
	}
	select {
	case r := <-w.got:
		w.asked, w.left, w.err = false, w.buf[:r.n], r.err
	case <-w.ctx.Done():
		w.err = ErrInterrupted
	}
}

func (s *stream) isInterrupted() bool { return errors.Is(s.win.err, ErrInterrupted) }

func (s *stream) interruptedAt() string {
	return fmt.Sprintf("reading %s was interrupted after %d bytes", s.info.Name, s.win.offset())
}

// interrupted says of every file that is not at its end how far it was read, and
// is the error about it.
func interrupted(streams []*stream, yield func(*capture.Batch, error) bool) error {
	var first error
	var records []capture.Record
	for _, s := range streams {
		if s.win.err == io.EOF && len(s.win.rest()) == 0 {
			continue
		}
		at := s.win.offset()
		if first == nil {
			first = fmt.Errorf("read %s: %w after %d bytes", s.info.Name, ErrInterrupted, at)
		}
		if s.isInterrupted() {
			continue // it has told
		}
		d := capture.Damage{File: s.info.Name, Offset: at, Why: s.interruptedAt()}
		s.info.Damage = append(s.info.Damage, d.Why)
		data, err := json.Marshal(d)
		if err != nil {
			return fmt.Errorf("tell of damage: %w", err)
		}
		records = append(records, capture.Record{Time: s.last, Origin: capture.OriginMeta, Kind: capture.KindDamage, Data: data})
	}
	if len(records) > 0 && !yield(&capture.Batch{Records: records}, nil) {
		return nil
	}
	if first == nil {
		first = fmt.Errorf("read captures: %w", ErrInterrupted)
	}
	return first
}
