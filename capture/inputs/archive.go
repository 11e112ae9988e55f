package inputs

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// An archive stands for the files in it, as a folder does. Its members are named
// as if it were one: "incident.tar.gz/dumps/link.json".

// maxZip is the most bytes of an archive whose list of members is at its end, and
// which is itself compressed or in another one: it has to be kept as a whole.
const maxZip = 256 << 20

// isTar reports whether a file begins with the header of a tar (POSIX ustar, GNU).
func isTar(head []byte) bool {
	return len(head) >= 262 && bytes.Equal(head[257:262], []byte("ustar"))
}

func isZip(head []byte) bool {
	return bytes.HasPrefix(head, []byte("PK\x03\x04")) || bytes.HasPrefix(head, []byte("PK\x05\x06"))
}

// opener opens a file from its beginning, as often as it is asked to.
type opener func() (io.ReadCloser, error)

// archived takes in the members of an archive.
func (f *files) archived(s source, u *unpacked) error {
	if s.depth >= maxDepth {
		return fmt.Errorf("read %s: archives in archives in archives are not read", s.path)
	}
	if isTar(u.head()) {
		return f.tarred(s, u)
	}
	return f.zipped(s, u)
}

// tarred takes in the members of a tar. One that is cut is read up to there.
func (f *files) tarred(s source, u *unpacked) error {
	r := tar.NewReader(u)
	for number := 0; ; number++ {
		h, err := r.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil && number == 0:
			return fmt.Errorf("read %s: %w", s.path, ended(err))
		case err != nil:
			f.unknown = append(f.unknown, fmt.Sprintf("%s: not all of its members can be read: %v", s.path, ended(err)))
			return nil
		case h.Typeflag != tar.TypeReg || !f.wants(h.Name):
			continue
		}
		if err := f.member(s, h.Name, io.NopCloser(r), tarMember(s.open, number)); err != nil {
			return err
		}
	}
}

// tarMember opens one member of a tar, which is read up to it for that.
func tarMember(open opener, number int) opener {
	return func() (io.ReadCloser, error) {
		file, err := open()
		if err != nil {
			return nil, err
		}
		u, err := unpack(file)
		if err != nil {
			return nil, err
		}
		r := tar.NewReader(u)
		for range number + 1 {
			if _, err := r.Next(); err != nil {
				u.Close()
				return nil, ended(err)
			}
		}
		return readCloser{r, u}, nil
	}
}

type readCloser struct {
	io.Reader
	io.Closer
}

// zipped takes in the members of a zip.
func (f *files) zipped(s source, u *unpacked) error {
	b, err := io.ReadAll(io.LimitReader(u, maxZip+1))
	if err != nil {
		return fmt.Errorf("read %s: %w", s.path, ended(err))
	}
	if len(b) > maxZip {
		return fmt.Errorf("read %s: it is larger than %d MB: unpack it into a folder", s.path, maxZip>>20)
	}
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return fmt.Errorf("read %s: %w: unpack what can be of it into a folder", s.path, err)
	}
	for _, m := range z.File {
		if !m.Mode().IsRegular() || !f.wants(m.Name) {
			continue
		}
		if m.Flags&1 != 0 {
			f.unknown = append(f.unknown, fmt.Sprintf("%s/%s is encrypted: unpack it first", s.path, m.Name))
			continue
		}
		if err := f.member(s, m.Name, nil, func() (io.ReadCloser, error) { return m.Open() }); err != nil {
			return err
		}
	}
	return nil
}

// wants leaves out what is hidden, and what other systems put into archives.
func (f *files) wants(name string) bool {
	for part := range strings.SplitSeq(path.Clean("/"+name), "/") {
		if strings.HasPrefix(part, ".") || part == "__MACOSX" {
			return false
		}
	}
	return true
}

// member takes in one file of an archive, which is read by first where it is given. One
// that is not known, or broken, is passed over and named.
func (f *files) member(of source, name string, first io.ReadCloser, open opener) error {
	if f.members++; f.members > maxFiles {
		return fmt.Errorf("read %s: it holds more than %d files", of.path, maxFiles)
	}
	full := of.path + path.Clean("/"+strings.ReplaceAll(name, "\\", "/"))
	err := f.take(source{path: full, folder: path.Dir(full), first: first, open: open, inside: true, depth: of.depth + 1})
	if errors.Is(err, errTooLarge) {
		return err
	}
	if err != nil {
		f.unknown = append(f.unknown, unknown(full, err))
	}
	return nil
}
