package pipeline

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"
)

// ErrStuck is what a write fails with that nobody took while the run was to end.
var ErrStuck = errors.New("nobody reads it")

// Patience is how long the reader of an output is waited for, once the run is to
// end and nothing more is taken. A variable for tests.
var Patience = 2 * time.Second

// chunk is how much is written at once, so that a slow reader shows that he reads.
const chunk = 32 << 10

// Unstuck returns a writer to f that a reader who has stopped reading cannot hold
// up once ctx has ended: it then fails with ErrStuck, now and for good. A file on
// a disk is returned as it is.
func Unstuck(ctx context.Context, f *os.File) io.Writer {
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		return f
	}
	return &unstuck{ctx: ctx, w: f, taken: make(chan written, 1)}
}

// unstuck writes on a goroutine of its own. Like a file it may be used by several.
type unstuck struct {
	ctx   context.Context
	w     io.Writer
	mu    sync.Mutex
	taken chan written
	stuck bool
	buf   []byte // what is being written: the caller's is his again after a failure
}

type written struct {
	n   int
	err error
}

func (u *unstuck) Write(b []byte) (n int, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for first := true; first || len(b) > 0; first = false {
		part := b[:min(len(b), chunk)]
		m, err := u.write(part)
		if n += m; err != nil {
			return n, err
		}
		b = b[len(part):]
	}
	return n, nil
}

func (u *unstuck) write(b []byte) (int, error) {
	if u.stuck {
		return 0, ErrStuck
	}
	u.buf = append(u.buf[:0], b...)
	go func() {
		n, err := u.w.Write(u.buf)
		u.taken <- written{n, err}
	}()
	select {
	case w := <-u.taken:
		return w.n, w.err
	case <-u.ctx.Done():
	}
	late := time.NewTimer(Patience)
	defer late.Stop()
	select {
	case w := <-u.taken:
		return w.n, w.err
	case <-late.C:
		u.stuck = true
		return 0, ErrStuck
	}
}
