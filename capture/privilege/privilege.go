// Package privilege takes from a process what it does not need, for good: capabilities,
// files, system calls, the network. What is taken from a process is taken from all its
// threads and from what it starts.
//
//	err := privilege.Confine(privilege.Limits{Read: inputs, Write: []string{"/tmp/out"}})
//
// Where a kernel knows no Landlock, or this architecture no filter of system calls,
// the rest holds all the same: Known says what there is.
//
// The package must not import decode, correlate or cmd, nor other packages of capture.
package privilege

// Limits are what a process may do once it is confined. What is not named is taken from
// it; files and sockets that are open stay open.
type Limits struct {
	// Read are files, and directories with all that is in them, that may be read.
	// Those that do not exist are passed over.
	Read []string
	// Write are directories in which files may be read, made, replaced and removed.
	Write []string
	// Network leaves sockets of TCP, UDP and netlink to the process, terminals, and
	// signals to what its user runs. Sockets of this host, with a path, it cannot open.
	Network bool
	// Paths leaves sockets of this host, with a path, as well.
	Paths bool
	// Nobody has root become the user nobody, where that can be had.
	Nobody bool
	// Capabilities are those that are kept, a bit each.
	Capabilities uint64
}

// Means are what there is to confine a process with.
type Means struct {
	Cgo      bool // this binary is built with cgo: nothing is used
	Landlock int  // version of its interface; 0: there is none, or it is not enabled
	Seccomp  bool // system calls can be filtered
}
