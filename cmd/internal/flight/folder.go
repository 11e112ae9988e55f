package flight

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"dnatrace/capture/recording"
	"dnatrace/correlate"
)

// Folder is a directory of saved recordings.
type Folder struct {
	Path  string
	Bytes int64 // of recordings in it, at most; the oldest make room
	Owner *Owner
}

// Owner is the user whom saved recordings are given to; nil leaves them to the one
// who runs this.
type Owner struct{ UID, GID int }

// Prepare makes the directory, with mode 0700, or makes sure of the one there is.
func (d Folder) Prepare() error {
	err := os.Mkdir(d.Path, 0o700)
	switch {
	case err == nil:
		return d.give(d.Path)
	case !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("make directory for recordings: %w", err)
	}
	st, err := os.Lstat(d.Path)
	if err != nil {
		return fmt.Errorf("look at directory for recordings: %w", err)
	}
	if st.Mode()&fs.ModeSymlink != 0 || !st.IsDir() {
		return fmt.Errorf("save recordings in %s: it is not a directory", d.Path)
	}
	return nil
}

func (d Folder) give(path string) error {
	if d.Owner == nil {
		return nil
	}
	if err := os.Lchown(path, d.Owner.UID, d.Owner.GID); err != nil {
		return fmt.Errorf("give %s to the user of --on-failure: %w", path, err)
	}
	return nil
}

// unfinished is a recording without its name.
type unfinished struct{ *os.File }

func (d Folder) begin() (*unfinished, error) {
	if err := spacious(d.Path, 1<<20); err != nil {
		d.shrink(1 << 20)
		if err := spacious(d.Path, 1<<20); err != nil {
			return nil, err
		}
	}
	f, err := os.CreateTemp(d.Path, ".dnatrace-save-*")
	if err != nil {
		return nil, fmt.Errorf("save recording: %w", err)
	}
	return &unfinished{f}, nil
}

func (u *unfinished) empty() error {
	_, err := u.Seek(0, io.SeekStart)
	if err == nil {
		err = u.Truncate(0)
	}
	if err != nil {
		return fmt.Errorf("save recording: %w", err)
	}
	return nil
}

func (u *unfinished) discard() {
	u.Close()
	os.Remove(u.Name())
}

// keep gives a recording its name, and makes room for it.
func (d Folder) keep(u *unfinished, i *correlate.Incident) (string, error) {
	size, err := u.Seek(0, io.SeekEnd)
	if err != nil {
		return "", fmt.Errorf("save recording: %w", err)
	}
	d.shrink(size)
	if d.Owner != nil {
		if err := u.Chown(d.Owner.UID, d.Owner.GID); err != nil {
			return "", fmt.Errorf("give the recording to the user of --on-failure: %w", err)
		}
	}
	if err := u.Close(); err != nil {
		return "", fmt.Errorf("save recording: %w", err)
	}
	for n := 1; n < 100; n++ {
		path := filepath.Join(d.Path, nameOf(i, n))
		if err = os.Link(u.Name(), path); err == nil { // unlike a renaming, it replaces nothing
			os.Remove(u.Name())
			return path, nil
		}
		if !errors.Is(err, fs.ErrExist) { // not every file system has links
			if _, missing := os.Lstat(path); errors.Is(missing, fs.ErrNotExist) && os.Rename(u.Name(), path) == nil {
				return path, nil
			}
			break
		}
	}
	return "", fmt.Errorf("save recording: %w", err)
}

// nameOf tells when, what became of what, and why: of names that exist, the n-th.
func nameOf(i *correlate.Incident, n int) string {
	port := i.Requested
	if at := strings.LastIndexByte(port, ':'); at >= 0 && !strings.HasSuffix(port, "]") {
		port = port[at+1:]
	} else {
		port = i.Protocol
	}
	name := fmt.Sprintf("dnatrace-%s-%s-%s-%s", i.First.UTC().Format("20060102T150405Z"), i.Verdict, i.Cause, port)
	if n > 1 {
		name += fmt.Sprintf("-%d", n)
	}
	return name + ".pcapng"
}

// ours are the names that nameOf gives.
var ours = regexp.MustCompile(`^dnatrace-\d{8}T\d{6}Z-[a-z-]+-[a-z0-9-]+\.pcapng$`)

// shrink removes the oldest recordings until so many bytes more fit in, and the
// disk has room for them. Nothing else is ever removed.
func (d Folder) shrink(more int64) {
	type saved struct {
		path string
		size int64
	}
	entries, err := os.ReadDir(d.Path)
	if err != nil {
		return // begin has told, or will
	}
	var all []saved
	total := more
	for _, e := range entries {
		st, err := e.Info()
		if err != nil || !st.Mode().IsRegular() || !ours.MatchString(e.Name()) || !d.owns(st) {
			continue
		}
		all = append(all, saved{filepath.Join(d.Path, e.Name()), st.Size()})
		total += st.Size()
	}
	slices.SortFunc(all, func(a, b saved) int { return strings.Compare(filepath.Base(a.path), filepath.Base(b.path)) })
	for _, s := range all {
		if total <= d.Bytes && spacious(d.Path, more) == nil {
			return
		}
		if os.Remove(s.path) == nil {
			total -= s.size
		}
	}
}

// owns reports whether a file is this user's, or of the one they are given to.
func (d Folder) owns(st fs.FileInfo) bool {
	return recording.Ours(st) || d.Owner != nil && belongs(st, d.Owner.UID)
}
