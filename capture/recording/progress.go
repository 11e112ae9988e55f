package recording

import (
	"io"
	"io/fs"
	"sync/atomic"
)

// progress is how far the files of an Info were read. It may be asked for while
// they are.
type progress struct {
	read, size atomic.Int64
}

// Progress is how many bytes of the files were read, as they lie on the disk, in
// the reading that was begun last, and how many they are; size is 0 where that is
// not known, as of a pipe. It may be called while the source is ranged over.
func (i *Info) Progress() (read, size int64) {
	if i.progress == nil {
		return 0, 0
	}
	return i.progress.read.Load(), max(0, i.progress.size.Load())
}

// begin starts to count anew.
func (p *progress) begin() {
	p.read.Store(0)
	p.size.Store(0)
}

// of counts what is read of one file. One whose size is not known leaves all of
// them unknown.
func (p *progress) of(r io.ReadCloser) io.ReadCloser {
	size := int64(-1)
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			size = st.Size()
		}
	}
	switch {
	case size < 0 || p.size.Load() < 0:
		p.size.Store(-1)
	default:
		p.size.Add(size)
	}
	return &counted{r, p}
}

type counted struct {
	io.ReadCloser
	p *progress
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.p.read.Add(int64(n))
	return n, err
}
