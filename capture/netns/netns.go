// Package netns names and enters network namespaces. Everywhere in dnatrace a
// namespace is a path: "" is the one the process was started in,
// "/proc/123/ns/net" that of a process, "/run/netns/x" a named one,
// "/proc/PID/fd/N" one that a process merely holds open.
//
// The package must not import anything of dnatrace.
package netns

import "errors"

// ErrUnsupported is returned by everything here on systems other than Linux.
var ErrUnsupported = errors.New("network namespaces need Linux")
