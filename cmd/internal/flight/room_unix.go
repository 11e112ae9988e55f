//go:build linux || darwin

package flight

import (
	"fmt"
	"syscall"
)

// room is how many bytes of the file system that a directory is on are free for
// this user, and how many there are.
func room(dir string) (free, all uint64, err error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, 0, fmt.Errorf("look how full the disk of %s is: %w", dir, err)
	}
	return uint64(st.Bavail) * uint64(st.Bsize), uint64(st.Blocks) * uint64(st.Bsize), nil
}
