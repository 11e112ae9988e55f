package live

import "golang.org/x/sys/unix"

// runningKernel names the running kernel, as uname -sr does.
func runningKernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}
