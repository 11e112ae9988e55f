package netfilter

import (
	"os"
	"path/filepath"
	"testing"
)

// WithoutPrograms has none found until the test ends.
func WithoutPrograms(t *testing.T) {
	were := programDirs
	programDirs = []string{t.TempDir()}
	t.Cleanup(func() { programDirs = were })
}

// TestOnlyRootsProgramsAreRun: what prints the rules runs with the privilege of who
// asks, so nobody else may have put it there.
func TestOnlyRootsProgramsAreRun(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving files to others needs root")
	}
	base, err := os.MkdirTemp("/root", "programs")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(base) })
	plant := func(dir string, mode, fileMode os.FileMode, uid int) string {
		path := filepath.Join(base, dir)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(path, "nft")
		if err := os.WriteFile(file, []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{os.Chmod(file, fileMode), os.Chmod(path, mode), os.Chown(file, uid, uid)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	good := plant("good", 0o755, 0o755, 0)
	for name, dir := range map[string]string{
		"another's program":               plant("another", 0o755, 0o755, 65534),
		"a program that others may write": plant("writable", 0o755, 0o777, 0),
		"a directory that others may":     plant("open", 0o777, 0o755, 0),
	} {
		if path, err := program("nft", []string{dir}); err == nil || notThere(err) {
			t.Errorf("%s: %s is run, %v", name, path, err)
		}
		if path, err := program("nft", []string{dir, good}); err != nil || path != filepath.Join(good, "nft") {
			t.Errorf("%s: behind it %s is found, %v", name, path, err)
		}
	}
	link := filepath.Join(base, "links")
	if err := os.Mkdir(link, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(base, "another", "nft"), filepath.Join(link, "nft")); err != nil {
		t.Fatal(err)
	}
	if path, err := program("nft", []string{link}); err == nil {
		t.Errorf("a link to another's program: %s is run", path)
	}
	t.Setenv("PATH", filepath.Join(base, "another"))
	if path, err := program("nft", programDirs); err == nil && filepath.Dir(path) == filepath.Join(base, "another") {
		t.Error("the caller's PATH counts")
	}
	if _, err := program("no-such-program", programDirs); !notThere(err) {
		t.Errorf("what is not installed is %v", err)
	}
}
