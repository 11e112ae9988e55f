package recording

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"

	"github.com/klauspost/compress/gzip"

	"dnatrace/capture"
)

// Formats of files.
const (
	FormatOwn    = "dnatrace"
	FormatPcapng = "pcapng"
	FormatPcap   = "pcap"
	FormatGzip   = "gzip" // of Recognise only: what is inside has yet to be seen
	FormatEmpty  = "empty"
)

// Info is what reading the files has shown. It is complete when the iteration
// is over.
type Info struct {
	Files []*File

	progress *progress // nil before anything was opened
}

// Own reports whether any of the files is a recording of dnatrace.
func (i *Info) Own() bool {
	for _, f := range i.Files {
		if f.Format == FormatOwn {
			return true
		}
	}
	return false
}

// File is what reading one file has shown.
type File struct {
	Name       string // as it was opened
	Base       string // names the point of a capture that does not
	Point      string // as in Named: it comes before what the capture says
	Format     string // one of the Format constants
	Compressed bool
	Packets    uint64
	Records    uint64   // other than packets, announcements made up for foreign interfaces included
	Skipped    uint64   // blocks of a kind that is of no use here
	Malformed  uint64   // blocks that contradict themselves
	Untimed    uint64   // packets without a time
	Misdated   uint64   // packets and records with a time far off those around them
	Late       uint64   // packets further out of order than Batch.Until allowed for
	Ended      bool     // a recording of ours that was ended in order
	Damage     []string // what could not be read, one sentence each

	malformedAt int64
}

// Recognise tells the format of a file by its first bytes, of which it wants
// 12; "" is none of ours. It does not look into gzip.
func Recognise(head []byte) string {
	if len(head) == 0 {
		return FormatEmpty
	}
	if len(head) >= 12 && bytes.HasPrefix(head, magics[0].bytes) && new(ng).turn(head) != nil {
		return ""
	}
	for _, m := range magics {
		if n := min(len(head), len(m.bytes)); bytes.Equal(head[:n], m.bytes[:n]) && n >= m.least {
			return m.format
		}
	}
	return ""
}

// magics are told from a cut file too, where no other format begins alike.
var magics = []struct {
	bytes  []byte
	least  int
	format string
}{
	{[]byte{0x0A, 0x0D, 0x0D, 0x0A}, 2, FormatPcapng},
	{binary.LittleEndian.AppendUint32(nil, magicMicro), 1, FormatPcap},
	{binary.BigEndian.AppendUint32(nil, magicMicro), 1, FormatPcap},
	{binary.LittleEndian.AppendUint32(nil, magicNano), 1, FormatPcap},
	{binary.BigEndian.AppendUint32(nil, magicNano), 1, FormatPcap},
	{binary.LittleEndian.AppendUint32(nil, magicModified), 1, FormatPcap},
	{binary.BigEndian.AppendUint32(nil, magicModified), 1, FormatPcap},
	{[]byte{0x1F, 0x8B, 0x08}, 1, FormatGzip},
}

// Open recognises the files and returns one stream over all of them, in time
// order. Regular files are opened again whenever the source is ranged over;
// anything else (a pipe) can be ranged over once. A context that ends before the
// files do is an error that wraps ErrInterrupted.
//
// A file that is no capture is an error that wraps ErrNotCapture. One that is
// cut or corrupt is read as far as it goes, and capture.Damage records at the
// end say so; it is an error only if nothing could be read.
func Open(paths ...string) (capture.Source, *Info, error) {
	files := make([]Named, len(paths))
	for i, p := range paths {
		files[i].Path = p
	}
	return OpenNamed(files...)
}

// Named is a file and the point it was captured at.
type Named struct {
	Path string
	// Point names the point of a capture of one interface, whatever the capture
	// itself calls it; "" leaves it to the capture, or else to the file's name.
	// A capture of several interfaces, and a recording of dnatrace, cannot be
	// named so: reading one ends with an error.
	Point string
	// Open opens it, from its beginning, whenever it is read; nil is a file of
	// that path.
	Open func() (io.ReadCloser, error)
}

// OpenNamed is Open for files whose points may be named.
func OpenNamed(files ...Named) (capture.Source, *Info, error) {
	if len(files) > maxFiles {
		return nil, nil, fmt.Errorf("open %d captures: at most %d can be read at once", len(files), maxFiles)
	}
	inputs := make([]input, len(files))
	for i, f := range files {
		in, err := f.input()
		if err != nil {
			for _, earlier := range inputs[:i] {
				earlier.drop()
			}
			return nil, nil, err
		}
		inputs[i] = in
	}
	source, info := fromInputs(inputs)
	return source, info, nil
}

func (f Named) input() (in input, err error) {
	if f.Open == nil {
		in, err = openPath(f.Path)
	} else {
		in = input{name: f.Path, open: f.Open}
	}
	in.point = f.Point
	return in, err
}

// OpenReader is Open for one stream, such as standard input or a fixture in
// memory; name stands in messages, and names the point of a capture that does
// not. A Seeker can be ranged over again.
func OpenReader(r io.Reader, name string) (capture.Source, *Info, error) {
	in, err := openReader(r, name)
	if err != nil {
		return nil, nil, err
	}
	source, info := fromInputs([]input{in})
	return source, info, nil
}

// input is a file that was recognised.
type input struct {
	name  string
	point string // as in Named
	open  func() (io.ReadCloser, error)
	piped bool      // reading it may have to wait for whoever writes it
	held  io.Closer // kept open since it was recognised; nil for regular files
}

func (in input) drop() {
	if in.held != nil {
		in.held.Close()
	}
}

func openPath(path string) (input, error) {
	f, err := os.Open(path)
	if err != nil {
		return input{}, fmt.Errorf("open capture: %w", err)
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		in, err := openReader(f, path)
		if err != nil {
			f.Close()
			return input{}, err
		}
		in.held = f
		return in, nil
	}
	defer f.Close()
	if _, err := peek(f, path); err != nil {
		return input{}, err
	}
	return input{name: path, open: func() (io.ReadCloser, error) {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open capture: %w", err)
		}
		return f, nil
	}}, nil
}

func openReader(r io.Reader, name string) (input, error) {
	head, err := peek(r, name)
	if err != nil {
		return input{}, err
	}
	again := io.MultiReader(bytes.NewReader(head), r)
	used := false
	return input{name: name, piped: isPiped(r), open: func() (io.ReadCloser, error) {
		if used {
			s, ok := r.(io.Seeker)
			if !ok {
				return nil, fmt.Errorf("read %s again: it can be read once only", name)
			}
			if _, err := s.Seek(0, io.SeekStart); err != nil {
				return nil, fmt.Errorf("read %s again: %w", name, err)
			}
			again = r
		}
		used = true
		return io.NopCloser(again), nil
	}}, nil
}

// peek reads enough of r to know whether it is a capture.
func peek(r io.Reader, name string) ([]byte, error) {
	head, err := ahead(r, nil, 12)
	if err == nil && Recognise(head) == FormatGzip {
		head, err = ahead(r, head, 4<<10)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	format := Recognise(head)
	if format == FormatGzip {
		format = inGzip(head)
	}
	if format == "" {
		return nil, fmt.Errorf("read %s: %w", name, ErrNotCapture)
	}
	return head, nil
}

// ahead reads on until b has n bytes, or to the end.
func ahead(r io.Reader, b []byte, n int) ([]byte, error) {
	have := len(b)
	b = append(b, make([]byte, n-have)...)
	got, err := io.ReadFull(r, b[have:])
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return b[:have+got], err
}

// inGzip is the format of what is compressed in a file that begins with head;
// gzip if there is too little to tell.
func inGzip(head []byte) string {
	z, err := gzip.NewReader(bytes.NewReader(head))
	if err != nil {
		return FormatGzip
	}
	first := make([]byte, 12)
	n, _ := io.ReadFull(z, first)
	if n < len(first) {
		return FormatGzip
	}
	return Recognise(first)
}

func fromInputs(inputs []input) (capture.Source, *Info) {
	info := &Info{Files: make([]*File, len(inputs)), progress: new(progress)}
	for i, in := range inputs {
		info.Files[i] = &File{Name: in.name, Base: baseName(in.name), Point: cutName([]byte(in.point))}
	}
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			for _, in := range inputs {
				defer in.drop()
			}
			if err := read(ctx, inputs, info, yield); err != nil {
				yield(nil, err)
			}
		}
	}, info
}

// read opens the inputs and yields their batches, merged if there are several.
func read(ctx context.Context, inputs []input, info *Info, yield func(*capture.Batch, error) bool) error {
	ctx, done := patience(ctx, inputs)
	defer done()
	points := new(capture.Points)
	streams := make([]*stream, len(inputs))
	info.progress.begin()
	for i, in := range inputs {
		f, err := in.open()
		if err != nil {
			return err
		}
		r := io.Reader(info.progress.of(f))
		defer f.Close()
		if in.piped {
			r = until(ctx, r)
		}
		*info.Files[i] = File{Name: in.name, Base: info.Files[i].Base, Point: info.Files[i].Point}
		streams[i], err = newStream(r, info.Files[i], points, max(readBuffer/len(inputs), 32<<10))
		if err != nil {
			return err
		}
	}
	if len(streams) == 0 {
		return nil
	}
	next := streams[0].next
	if len(streams) > 1 {
		next = newMerge(streams).next
	}
	return pass(ctx, streams, next, yield)
}

// pass yields what there is until all of it was, or ctx ends.
func pass(ctx context.Context, streams []*stream, next func() (*capture.Batch, error), yield func(*capture.Batch, error) bool) error {
	for ctx.Err() == nil {
		b, err := next()
		switch {
		case err == io.EOF && !slices.ContainsFunc(streams, (*stream).isInterrupted):
			return nil
		case err == io.EOF:
			return interrupted(streams, yield)
		case err != nil:
			return err
		case !yield(b, nil):
			return nil
		}
	}
	return interrupted(streams, yield)
}

// newStream begins to read a file whose first bytes say that it is a capture.
func newStream(r io.Reader, info *File, points *capture.Points, buffer int) (*stream, error) {
	s := &stream{points: points, info: info, slack: lateness, near: noTime, win: newWindow(r, buffer)}
	s.win.more(12)
	info.Format = Recognise(s.win.rest())
	if info.Format == FormatGzip && !info.Compressed {
		z, err := gzip.NewReader(io.MultiReader(bytes.NewReader(s.win.rest()), r))
		if err != nil {
			return nil, fmt.Errorf("unpack %s: %w", info.Name, err)
		}
		info.Compressed = true
		return newStream(z, info, points, buffer)
	}
	switch info.Format {
	case FormatPcapng:
		s.frames = &ng{}
	case FormatPcap:
		s.frames = &classic{}
	case FormatEmpty:
		s.frames = nothing{}
	default:
		return nil, fmt.Errorf("read %s: %w", info.Name, ErrNotCapture)
	}
	return s, nil
}

// nothing frames an empty file: a source that is absent, not trouble.
type nothing struct{}

func (nothing) scan(s *stream) (int, error) { return 1, nil }
func (nothing) lead() int                   { return 0 }
func (nothing) finish(*stream)              {}
