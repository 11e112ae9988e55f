// Package bpf has the kernel say which of the target's packets it throws away,
// and why: a small program of our own at the tracepoint skb:kfree_skb, written in
// instructions, so that no compiler and no blob is needed. It looks at the
// packet's namespace first and then at its ports and addresses, so that others'
// packets cost next to nothing.
//
// The program, its maps and its link are file descriptors of the process that
// called Open, and nothing is pinned: the kernel removes them when that process
// ends, however it ends.
//
// The package must not import decode, correlate or cmd.
package bpf

import "errors"

// ErrUnsupported is wrapped by errors where the kernel, or the system, gives no
// drop reasons.
var ErrUnsupported = errors.New("this kernel gives no reasons for drops")
