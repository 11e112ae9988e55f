package privilege

import (
	"errors"
	"fmt"
)

// Confine takes from this process all that is beyond the limits. What cannot be taken
// is said in an error, and the rest is taken all the same. In a binary built with cgo
// Go does not know all threads: there, files and calls alone are bounded.
func Confine(l Limits) error {
	taken := errors.Join(NoNew(), Bound(l.Capabilities), Keep(l.Capabilities))
	if errors.Is(taken, errors.ErrUnsupported) {
		taken = nil
	}
	if err := errors.Join(taken, inside(l), calls(l)); err != nil {
		return fmt.Errorf("confine this process: %w", err)
	}
	return nil
}

// Known says what this kernel has.
func Known() Means { return Means{Landlock: landlockVersion(), Seccomp: filterable()} }
