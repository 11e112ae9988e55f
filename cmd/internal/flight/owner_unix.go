//go:build unix

package flight

import (
	"io/fs"
	"syscall"
)

func belongs(st fs.FileInfo, uid int) bool {
	sys, ok := st.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == uid
}
