package live

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"

	"golang.org/x/sys/unix"
)

// runningKernel names the running kernel, as uname -sr does.
func runningKernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// hostIdentity tells this host from others: a digest of its machine id, which
// itself is not to be shown around (machine-id(5)).
func hostIdentity() string {
	id, err := os.ReadFile("/etc/machine-id")
	if err != nil { // in a container it is that of the host's first process
		id, err = os.ReadFile("/proc/1/root/etc/machine-id")
	}
	if id = bytes.TrimSpace(id); err != nil || len(id) == 0 {
		return ""
	}
	sum := sha256.Sum256(append([]byte("dnatrace host "), id...))
	return hex.EncodeToString(sum[:8])
}
