//go:build unix

package recording

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestCreateNeverWritesThroughWhatSomeonePutThere(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(in("precious"), []byte("precious"), 0o644))
	must(os.Symlink(in("precious"), in("link")))
	must(os.Symlink(in("nowhere"), in("dangling")))
	must(os.Link(in("precious"), in("second")))
	must(os.Mkdir(in("folder"), 0o700))
	must(syscall.Mkfifo(in("pipe"), 0o600))
	for name, want := range map[string]string{
		"link":     "is a symbolic link",
		"dangling": "is a symbolic link",
		"second":   "has another name too",
		"folder":   "is a directory",
		"pipe":     "is a named pipe",
	} {
		f, err := Create(in(name))
		if err == nil {
			f.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
	if b, err := os.ReadFile(in("precious")); err != nil || string(b) != "precious" {
		t.Errorf("the precious file is now %q, %v", b, err)
	}
	if _, err := os.Lstat(in("nowhere")); err == nil {
		t.Error("a file was made through a dangling link")
	}
}

func TestCreateReplacesOnesOwnFileAndKeepsItPrivate(t *testing.T) {
	for name, prepare := range map[string]func(string) error{
		"new":      func(string) error { return nil },
		"existing": func(p string) error { return os.WriteFile(p, []byte("an old recording"), 0o644) },
	} {
		path := filepath.Join(t.TempDir(), "r.pcapng")
		if err := prepare(path); err != nil {
			t.Fatal(err)
		}
		f, err := Create(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := f.WriteString("new"); err != nil {
			t.Fatal(err)
		}
		f.Close()
		st, err := os.Stat(path)
		if err != nil || st.Size() != 3 || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, st, err)
		}
	}
}

func TestCreateRefusesAnotherUsersFile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a file of another user: run with sudo")
	}
	path := filepath.Join(t.TempDir(), "r.pcapng")
	if err := os.WriteFile(path, []byte("theirs"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(path); err == nil || !strings.Contains(err.Error(), "belongs to user 65534") {
		t.Errorf("error %v", err)
	}
	if b, _ := os.ReadFile(path); string(b) != "theirs" {
		t.Errorf("their file is now %q", b)
	}
}
