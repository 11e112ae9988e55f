// Package inputs opens what people have: recordings, captures and dumps, files
// and folders of them, plain or gzipped, each known by its content. All of it
// becomes one stream: dumps come before the first packet, and tell what the
// interfaces of captures are.
//
// The package works on any OS. It must not import decode, correlate or cmd.
package inputs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/dumps"
	"dnatrace/capture/recording"
)

// Bounds of what a folder stands for: levels of folders within it, files, and
// bytes of all dumps together.
const (
	maxDepth = 2
	maxFiles = 2000
	maxBytes = 256 << 20
)

// ErrNothing is wrapped by the error about input of which nothing could be
// made out.
var ErrNothing = errors.New("no recording, capture or dump that is known here")

// Input is a file, or a folder, which stands for the files in it.
type Input struct {
	Path string
	// Point names the point of a capture of one interface, as in
	// recording.Named. Of a dump, it names the container in whose namespace it
	// was taken: "web", or "web:" with anything behind it.
	Point string
}

// Opened is what was found.
type Opened struct {
	Source capture.Source
	Info   *recording.Info // of the captures; complete when the iteration is over
	Dumps  []Dump          // in the order of the files
	// Unknown are the files of folders that are none of any kind, or that
	// cannot be read: one sentence each.
	Unknown []string
}

// Dump is a dump that was read.
type Dump struct {
	Path string
	Kind dumps.Kind
	Err  error // of a part that could not be read
}

// Open finds out what the inputs are and returns one stream over all of them.
// What is given by itself must be of a known kind; of a folder's files, those of
// no known kind are passed over, unless there are no others.
func Open(inputs ...Input) (*Opened, error) { return open(disk{}, inputs) }

// OpenFS is Open for files of another file system, such as one in memory.
func OpenFS(fsys fs.FS, inputs ...Input) (*Opened, error) { return open(fsys, inputs) }

// disk is the file system, by the paths that the operating system knows.
type disk struct{}

func (disk) Open(name string) (fs.File, error)          { return os.Open(name) }
func (disk) Stat(name string) (fs.FileInfo, error)      { return os.Stat(name) }
func (disk) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }

func open(fsys fs.FS, inputs []Input) (*Opened, error) {
	f := &files{fsys: fsys}
	if err := f.find(inputs); err != nil {
		return nil, err
	}
	if len(f.hosts()) > 1 {
		return nil, fmt.Errorf("read %s: %w: give those of one host at a time", inputs[0].Path, ErrHosts)
	}
	return f.open(inputs)
}

// open makes one stream of what was found.
func (f *files) open(inputs []Input) (*Opened, error) {
	o := &Opened{Unknown: f.unknown}
	set := f.merged(o)
	if len(f.captures)+len(f.dumps) == 0 {
		if len(f.printed) > 0 {
			return nil, fmt.Errorf("read %s: %s", f.printed[0].path, f.printed[0].unread())
		}
		return nil, fmt.Errorf("read %s: %w", inputs[0].Path, ErrNothing)
	}
	if len(f.captures) == 0 && set.Empty() {
		for _, d := range o.Dumps {
			if d.Err != nil {
				return nil, fmt.Errorf("read %s: %w", d.Path, d.Err)
			}
		}
	}
	src, info, err := recording.OpenNamed(f.captures...)
	if err != nil {
		return nil, err
	}
	o.Info = info
	o.Source = with(src, known(set, f.captures), append(o.damage(), f.shortened()...), set)
	return o, nil
}

// files are what the inputs stand for, sorted out by kind.
type files struct {
	fsys     fs.FS
	captures []recording.Named
	printed  []printed
	dumps    []dumped
	unknown  []string
	read     []fs.FileInfo // files that were taken in
	bytes    int
	members  int // of archives
}

// dumped is the content of a dump.
type dumped struct {
	path, folder string
	netns        string // as it was given; "" unknown
	set          *dumps.Set
	kind         dumps.Kind
	err          error
}

// find sorts out what the inputs stand for.
func (f *files) find(inputs []Input) error {
	if err := f.each(inputs); err != nil {
		return err
	}
	f.join()
	return nil
}

func (f *files) each(inputs []Input) error {
	named := map[string]string{}
	for _, in := range inputs {
		if in.Point != "" {
			named[filepath.Clean(in.Path)] = in.Point
		}
	}
	for _, in := range inputs {
		st, err := fs.Stat(f.fsys, in.Path)
		if err != nil {
			return fmt.Errorf("open %s: %w", in.Path, cause(err))
		}
		if !st.IsDir() {
			if err := f.add(in, ""); err != nil {
				return err
			}
			continue
		}
		if in.Point != "" {
			return fmt.Errorf("name the point of %s: it is a folder", in.Path)
		}
		if err := f.folder(in.Path, named); err != nil {
			return err
		}
	}
	return nil
}

// cause is an error without the path that the message names already.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// folder takes the files of a folder, in the order of their names. What is
// hidden, and no regular file, is left out; links are not followed out of it.
func (f *files) folder(root string, named map[string]string) error {
	n := 0
	root = filepath.ToSlash(filepath.Clean(root))
	err := fs.WalkDir(f.fsys, root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			f.unknown = append(f.unknown, fmt.Sprintf("%s cannot be read: %v", path, cause(err)))
			return nil
		}
		depth := strings.Count(strings.TrimPrefix(strings.TrimPrefix(path, root), "/"), "/")
		hidden := path != root && strings.HasPrefix(d.Name(), ".")
		if d.IsDir() {
			if hidden || path != root && depth >= maxDepth {
				return fs.SkipDir
			}
			return nil
		}
		if hidden || !d.Type().IsRegular() || named[filepath.Clean(path)] != "" {
			return nil
		}
		if n++; n > maxFiles {
			return fmt.Errorf("read %s: it holds more than %d files", root, maxFiles)
		}
		if err := f.add(Input{Path: path}, filepath.Dir(path)); err != nil {
			f.unknown = append(f.unknown, unknown(path, err))
		}
		return nil
	})
	return err
}

// unknown says why a file of a folder is passed over.
func unknown(path string, err error) string {
	if errors.Is(err, dumps.ErrUnknown) {
		return path + " is neither a capture nor a dump that is known here"
	}
	return err.Error()
}

// source is a file, or a member of an archive.
type source struct {
	path, folder, point string
	first               io.ReadCloser // of its beginning, to be read once; nil: open does
	open                opener
	inside              bool // it is a member of an archive
	depth               int  // of archives around it
}

// errTooLarge is wrapped by the error about more dumps than are read.
var errTooLarge = errors.New("all dumps together are larger than is read")

// add takes one file in, as what its content says it is.
func (f *files) add(in Input, folder string) error {
	st, err := fs.Stat(f.fsys, in.Path)
	if err != nil {
		return fmt.Errorf("open %s: %w", in.Path, cause(err))
	}
	if slices.ContainsFunc(f.read, func(o fs.FileInfo) bool { return os.SameFile(o, st) }) {
		f.unknown = append(f.unknown, in.Path+" was given already: it is read once")
		return nil
	}
	f.read = append(f.read, st)
	if !st.Mode().IsRegular() { // a pipe is read once: it has to be a capture
		f.captures = append(f.captures, f.named(in))
		return nil
	}
	return f.take(source{path: in.Path, folder: folder, point: in.Point, open: func() (io.ReadCloser, error) { return f.fsys.Open(in.Path) }})
}

// take finds out what a file is, through what it is compressed by: a capture, an
// archive, or a dump.
func (f *files) take(s source) error {
	file, err := s.first, error(nil)
	if file == nil {
		file, err = s.open()
	}
	if err != nil {
		return fmt.Errorf("open %s: %w", s.path, cause(err))
	}
	u, err := unpack(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", s.path, err)
	}
	defer u.Close()
	head, err := u.Peek(headSize)
	switch {
	case err != nil && err != io.EOF && len(head) == 0 && u.plainly && u.packed:
		head = []byte{0x1f, 0x8b, 0x08} // it is cut: the reader of captures says where
	case err != nil && err != io.EOF && len(head) == 0:
		return fmt.Errorf("read %s: %w", s.path, ended(cause(err)))
	case isTar(head), isZip(head):
		return f.archived(s, u)
	}
	if kind := recording.Recognise(head[:min(len(head), 12)]); kind != "" && kind != recording.FormatEmpty {
		f.captures = append(f.captures, f.capture(s, u))
		return nil
	}
	return f.dump(s, u)
}

// capture is a capture for package recording to open, which undoes gzip itself.
func (f *files) capture(s source, u *unpacked) recording.Named {
	if !s.inside && u.plainly {
		return f.named(Input{Path: s.path, Point: s.point})
	}
	return recording.Named{Path: s.path, Point: s.point, Open: func() (io.ReadCloser, error) {
		file, err := s.open()
		if err != nil {
			return nil, err
		}
		return unpack(file)
	}}
}

// named is the capture for package recording to open.
func (f *files) named(in Input) recording.Named {
	n := recording.Named{Path: in.Path, Point: in.Point}
	if f.fsys != (disk{}) {
		n.Open = func() (io.ReadCloser, error) { return f.fsys.Open(in.Path) }
	}
	return n
}

// dump takes in a file that is no capture.
func (f *files) dump(s source, u *unpacked) error {
	b, err := f.content(s.path, u)
	if err != nil {
		return err
	}
	d := dumped{path: s.path, folder: s.folder, set: &dumps.Set{}}
	d.netns, _, _ = strings.Cut(s.point, ":")
	d.kind, d.err = d.set.Add("", b)
	if errors.Is(d.err, dumps.ErrUnknown) {
		return fmt.Errorf("read %s: %w", s.path, d.err)
	}
	if d.kind == dumps.Empty && s.folder == "" { // in folders they are common: of tables without rules
		f.unknown = append(f.unknown, s.path+" is empty")
	}
	for _, what := range d.set.Passed {
		f.unknown = append(f.unknown, s.path+": "+what)
	}
	f.print(s, d.set.Printed)
	if d.kind != dumps.TCPDump || d.err != nil || !d.set.Empty() {
		f.dumps = append(f.dumps, d)
	}
	return nil
}

// content reads a whole file that is no capture, as text.
func (f *files) content(path string, u *unpacked) ([]byte, error) {
	first := make([]byte, 64<<10)
	n, err := io.ReadFull(u, first)
	first = first[:n]
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	if n == cap(first) && bytes.IndexByte(first, 0) >= 0 && !dumps.IsUTF16(first) { // no text: it need not be read to the end
		return nil, fmt.Errorf("read %s: %w", path, dumps.ErrUnknown)
	}
	b, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(first), u), dumps.MaxSize+1))
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read %s: %w", path, cause(err))
	}
	if f.bytes += len(b); f.bytes > maxBytes {
		return nil, fmt.Errorf("read %s: %w: %d MB", path, errTooLarge, maxBytes>>20)
	}
	return dumps.PlainText(b), nil
}

// merged puts the dumps of each namespace together. Whose namespace it is, is
// told by the links and addresses that the engine knows; dumps that do not say
// so are of the same namespace as the others in their folder.
func (f *files) merged(o *Opened) *dumps.Set {
	all := &dumps.Set{}
	for _, d := range f.dumps {
		o.Dumps = append(o.Dumps, Dump{d.path, d.kind, d.err})
		all.Learn(d.set)
	}
	inside := map[string][]string{} // by folder, the namespaces of its dumps that say so
	for i := range f.dumps {
		d := &f.dumps[i]
		if where, ok := all.Netns(d.set); ok && d.folder != "" {
			inside[d.folder] = append(inside[d.folder], cmp.Or(where, capture.HostNetns))
		}
	}
	for i := range f.dumps {
		d := &f.dumps[i]
		netns := d.netns
		where, ok := all.Netns(d.set)
		said := slices.Compact(slices.Sorted(slices.Values(inside[d.folder])))
		switch {
		case netns != "":
		case ok && where != "":
			netns = where
		case !ok && len(said) == 1 && said[0] != capture.HostNetns:
			netns = said[0]
		case len(said) == 0 || !all.Names():
			netns = f.namespaceOf(d, all)
		}
		if netns == capture.HostNetns {
			netns = ""
		}
		all.Merge(d.set, netns)
	}
	return all
}

// namespaceOf is whose namespace dumps of a folder are of that does not say so: the
// container's that it is named after; one that nobody knows, by the name of the
// folder, where a folder around it tells of the same things; else the host's.
func (f *files) namespaceOf(d *dumped, all *dumps.Set) string {
	name := filepath.Base(d.folder)
	switch {
	case d.folder == "":
		return ""
	case all.HasContainer(name):
		return name
	}
	var inner, outer dumps.Set
	for _, o := range f.dumps {
		switch {
		case o.folder == d.folder:
			inner.Merge(o.set, "")
		case o.folder == "." || o.folder != "" && strings.HasPrefix(d.folder, o.folder+"/"):
			outer.Merge(o.set, "")
		}
	}
	if name != capture.HostNetns && inner.Repeats(&outer) {
		return name
	}
	return ""
}

// damage says of which dumps a part could not be read.
func (o *Opened) damage() []capture.Damage {
	var out []capture.Damage
	for _, d := range o.Dumps {
		if d.Err != nil {
			out = append(out, capture.Damage{File: d.Path, Why: fmt.Sprintf("%s: %v", d.Path, d.Err)})
		}
	}
	return out
}
