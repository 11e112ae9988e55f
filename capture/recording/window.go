package recording

import "io"

// window is the sliding view of a stream that blocks are cut from in place: the
// bytes of a batch are the window's own, so nothing is copied per packet.
type window struct {
	r          io.Reader
	buf        []byte
	start, end int   // unread bytes are buf[start:end]
	base       int64 // offset in the stream of buf[0]
	err        error // why there is no more to read; io.EOF at the end
}

func newWindow(r io.Reader, size int) window {
	return window{r: r, buf: make([]byte, size)}
}

// rest is what is buffered and not consumed.
func (w *window) rest() []byte { return w.buf[w.start:w.end] }

// offset is where rest begins in the stream.
func (w *window) offset() int64 { return w.base + int64(w.start) }

// more moves the rest to the front and reads until n bytes are buffered; it
// reports false if the stream ends before. All earlier slices of buf become
// invalid. The buffer grows with what really arrives, not with n: a length
// field alone allocates nothing.
func (w *window) more(n int) bool {
	if w.start > 0 {
		copy(w.buf, w.buf[w.start:w.end])
		w.base += int64(w.start)
		w.end -= w.start
		w.start = 0
	}
	for w.end < n {
		if w.err != nil {
			return false
		}
		if w.end == len(w.buf) {
			w.grow()
		}
		w.read()
	}
	return true
}

func (w *window) grow() {
	buf := make([]byte, 2*len(w.buf))
	copy(buf, w.buf[:w.end])
	w.buf = buf
}

// read fills the buffer once. A reader that keeps returning nothing counts as
// broken.
func (w *window) read() {
	for range 100 {
		n, err := w.r.Read(w.buf[w.end:])
		w.end += n
		if err != nil {
			w.err = err
		}
		if n > 0 || err != nil {
			return
		}
	}
	w.err = io.ErrNoProgress
}
