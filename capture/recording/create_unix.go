//go:build unix

package recording

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

const (
	noFollow = syscall.O_NOFOLLOW
	nonBlock = syscall.O_NONBLOCK // a pipe put in the file's place must not hang us
)

// ours refuses files of other users, and files with a second name, through
// which someone else's could be reached.
func ours(st fs.FileInfo) error {
	if err := owned(st); err != nil {
		return err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Nlink > 1 {
		return errors.New("it has another name too (hard link): name another file, or remove it")
	}
	return nil
}

func owned(st fs.FileInfo) error {
	sys, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return errors.New("its owner is not known")
	}
	if int(sys.Uid) != os.Geteuid() {
		return fmt.Errorf("it belongs to user %d: name another file, or remove it", sys.Uid)
	}
	return nil
}
