package privilege

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Confine takes from this process all that is beyond the limits. What cannot be taken
// is said in an error, and the rest is taken all the same. Of a binary built with cgo
// nothing is taken: not all of its threads would lose it, and those that a C library
// makes would fail.
func Confine(l Limits) error {
	if withCgo {
		return nil
	}
	taken := errors.Join(NoNew(), Bound(l.Capabilities))
	if l.Nobody {
		becomeNobody()
	}
	if err := errors.Join(taken, Keep(l.Capabilities), inside(l), calls(l)); err != nil {
		return fmt.Errorf("confine this process: %w", err)
	}
	return nil
}

// nobody is the user and the group that own nothing.
const nobody = 65534

// becomeNobody has root be nobody, in all threads. In a namespace that has no such user,
// or without the capability for it, root stays.
func becomeNobody() {
	if os.Geteuid() != 0 || syscall.Setgroups(nil) != nil {
		return
	}
	if syscall.Setresgid(nobody, nobody, nobody) == nil {
		_ = syscall.Setresuid(nobody, nobody, nobody)
	}
}

// Known says what there is to confine a process with.
func Known() Means {
	if withCgo {
		return Means{Cgo: true}
	}
	return Means{Landlock: landlockVersion(), Seccomp: filterable()}
}
