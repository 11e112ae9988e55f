package privilege

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// Confine takes from this process all that is beyond the limits. What cannot be taken
// is said in an error, and the rest is taken all the same. In a binary built with cgo
// Go does not know all threads: there, files and calls alone are bounded.
func Confine(l Limits) error {
	taken := errors.Join(NoNew(), Bound(l.Capabilities))
	if l.Nobody {
		becomeNobody()
	}
	taken = errors.Join(taken, Keep(l.Capabilities))
	if errors.Is(taken, errors.ErrUnsupported) {
		taken = nil
	}
	if err := errors.Join(taken, inside(l), calls(l)); err != nil {
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

// Known says what this kernel has.
func Known() Means { return Means{Landlock: landlockVersion(), Seccomp: filterable()} }
