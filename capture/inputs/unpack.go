package inputs

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
)

// packing is a way in which a file is compressed.
type packing struct {
	magic  []byte
	unpack func(io.Reader) (io.Reader, error)
}

// maxDictionary is the most memory that unpacking a stream may take for what it
// refers back to.
const maxDictionary = 64 << 20

var packings = []packing{
	{[]byte{0x1f, 0x8b, 0x08}, func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
	{[]byte{0x28, 0xb5, 0x2f, 0xfd}, unpackZstd},
	{[]byte{0xfd, '7', 'z', 'X', 'Z', 0}, func(r io.Reader) (io.Reader, error) { return xz.ReaderConfig{DictCap: maxDictionary}.NewReader(r) }},
	{[]byte{0x04, 0x22, 0x4d, 0x18}, func(r io.Reader) (io.Reader, error) { return lz4.NewReader(r), nil }},
	{[]byte("BZh91AY&SY"), func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
}

func unpackZstd(r io.Reader) (io.Reader, error) {
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxDictionary))
	if err != nil {
		return nil, err
	}
	return d.IOReadCloser(), nil
}

// packingOf is how a file that begins with head is compressed; nil for not at all.
func packingOf(head []byte) *packing {
	for i := range packings {
		magic := packings[i].magic
		if len(head) > 3 && head[3] >= '1' && head[3] <= '9' && bytes.HasPrefix(magic, []byte("BZh")) { // its size of blocks
			magic = append([]byte("BZh"), append([]byte{head[3]}, magic[4:]...)...)
		}
		if bytes.HasPrefix(head, magic) {
			return &packings[i]
		}
	}
	return nil
}

// mostPackings is how often a file may be compressed one way over the other.
const mostPackings = 3

// headSize is how many of a file's bytes tell what it is: a tar says so behind the
// names in its first header.
const headSize = 512

// unpacked is what a file holds, without what it is compressed by.
type unpacked struct {
	*bufio.Reader
	close func()
	// packed reports whether it was compressed at all, and plainly whether by gzip
	// alone, which the readers of captures undo themselves.
	packed, plainly bool
}

func (u *unpacked) Close() error {
	u.close()
	return nil
}

// head is how the content begins. What cannot be unpacked begins with nothing.
func (u *unpacked) head() []byte {
	b, _ := u.Peek(headSize)
	return b
}

// unpack undoes what a stream is compressed by.
func unpack(file io.ReadCloser) (*unpacked, error) {
	closers := []func(){func() { file.Close() }}
	u := &unpacked{Reader: bufio.NewReaderSize(file, 64<<10), plainly: true}
	u.close = func() {
		for i := len(closers) - 1; i >= 0; i-- {
			closers[i]()
		}
	}
	for range mostPackings {
		p := packingOf(u.head())
		if p == nil {
			return u, nil
		}
		u.plainly = u.plainly && !u.packed && p == &packings[0]
		u.packed = true
		r, err := p.unpack(u.Reader)
		if err != nil {
			u.close()
			return nil, fmt.Errorf("unpack: %w", ended(err))
		}
		if c, ok := r.(io.Closer); ok {
			closers = append(closers, func() { c.Close() })
		}
		u.Reader = bufio.NewReaderSize(r, 64<<10)
	}
	return u, nil
}

// ended says of what ends too early that it does.
func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("it ends in the middle")
	}
	return err
}
