package netfilter

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// programDirs are where programs are looked for. What the caller's PATH says counts
// for nothing: they are run with the privilege that this process has.
var programDirs = []string{"/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"}

// program is the absolute path of a program that only root can have put there; an
// error that wraps fs.ErrNotExist where there is none.
func program(name string, dirs []string) (string, error) {
	var refused error
	for _, dir := range dirs {
		path, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		// What is run goes by the name it was found by: iptables-save and its like are
		// one program.
		if refused = errors.Join(rootsOwn(path), rootsOwn(dir)); refused == nil {
			return filepath.Join(dir, name), nil
		}
	}
	if refused != nil {
		return "", refused
	}
	return "", fmt.Errorf("find %s: %w", name, fs.ErrNotExist)
}

// rootsOwn reports why someone else than root may change what is at a path.
func rootsOwn(path string) error {
	for {
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		owner, ok := st.Sys().(*syscall.Stat_t)
		switch {
		case !ok || owner.Uid != 0:
			return fmt.Errorf("%s is not root's", path)
		case st.Mode().Perm()&0o022 != 0 && st.Mode()&fs.ModeSticky == 0:
			return fmt.Errorf("%s can be written by others than root", path)
		}
		if path == "/" || path == "." {
			return nil
		}
		path = filepath.Dir(path)
	}
}

// notThere reports whether a program is just not installed.
func notThere(err error) bool { return errors.Is(err, fs.ErrNotExist) }
