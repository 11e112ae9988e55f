package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Create opens path for a new recording, readable by its owner alone. The file
// is written in place, so that it can be read up to where a crash left it.
//
// What exists there already is replaced iff it is a regular file of the same
// owner under no other name, and its content is gone at once; a symbolic link,
// a directory or anyone else's file is refused. os.DevNull is taken as it is.
func Create(path string) (*os.File, error) {
	if path == os.DevNull {
		return os.OpenFile(path, os.O_WRONLY, 0)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o600)
	if errors.Is(err, fs.ErrExist) {
		f, err = replace(path)
	}
	if err != nil {
		return nil, fmt.Errorf("create recording: %w", err)
	}
	return f, nil
}

// replace empties an existing file, after having made sure of the one that is
// open, not of whatever its name may mean by then.
func replace(path string) (*os.File, error) {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is %s, not a regular file: name another, or remove it", path, kindOf(st.Mode()))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|noFollow|nonBlock, 0)
	if err != nil {
		return nil, err
	}
	if err := takeOver(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("replace %s: %w", path, err)
	}
	return f, nil
}

func takeOver(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("it is %s, not a regular file", kindOf(st.Mode()))
	}
	if err := ours(st); err != nil {
		return err
	}
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	return f.Truncate(0)
}

func kindOf(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "a symbolic link"
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Ours reports whether a file or directory is this user's own.
func Ours(st fs.FileInfo) bool { return owned(st) == nil }
