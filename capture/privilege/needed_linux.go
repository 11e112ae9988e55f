package privilege

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// mostTried bounds how many files of a folder are tried.
const mostTried = 10_000

// Needed are the capabilities without which this process could not read or write what
// the limits name: those of root on files of others, or none.
func Needed(l Limits) (caps uint64) {
	const override, search = uint64(1) << unix.CAP_DAC_OVERRIDE, uint64(1) << unix.CAP_DAC_READ_SEARCH
	have, err := Capabilities()
	if err != nil || have&(override|search) == 0 {
		return 0
	}
	withoutEffect(func() {
		for _, path := range l.Read {
			if !readableNow(path) {
				caps |= search
				if have&search == 0 {
					caps |= override
				}
			}
		}
		for _, path := range l.Write {
			if err := unix.Faccessat(unix.AT_FDCWD, path, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err == unix.EACCES {
				caps |= override
			}
		}
	})
	return caps & have
}

// withoutEffect has f do something while the capabilities of this thread have no effect.
func withoutEffect(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var as [2]unix.CapUserData
	if unix.Capget(&hdr, &as[0]) != nil {
		return
	}
	without := as
	without[0].Effective, without[1].Effective = 0, 0
	if unix.Capset(&hdr, &without[0]) != nil {
		return
	}
	defer unix.Capset(&hdr, &as[0]) // what is permitted may always have an effect again
	f()
}

// readableNow reports whether a file, or all that is in a folder, can be read. What
// does not exist needs nothing.
func readableNow(path string) bool {
	tried, refused := 0, false
	_ = filepath.WalkDir(path, func(path string, _ fs.DirEntry, err error) error {
		if tried++; tried > mostTried {
			return filepath.SkipAll
		}
		if err == nil {
			err = opens(path)
		}
		if refused = os.IsPermission(err); refused {
			return filepath.SkipAll
		}
		return nil
	})
	return !refused
}

// opens opens a file or folder for reading. A pipe is left alone: somebody may wait at
// its other end.
func opens(path string) error {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() && !st.IsDir() {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}
