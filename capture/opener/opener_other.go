//go:build !linux

package opener

import "errors"

// Opener is Linux only.
type Opener struct{}

var errUnsupported = errors.New("capturing needs Linux")

// Main returns at once: there is no opener process here.
func Main() {}

// Local is Linux only: every request to the opener fails.
func Local() *Opener { return &Opener{} }

// Start is Linux only.
func Start(...string) (*Opener, error) { return nil, errUnsupported }

// Files are none.
const Files = 0

// Drop has nothing to drop.
func Drop(...DropOption) error { return nil }

// Leave has nothing to let go.
func (*Opener) Leave() {}

// Close has nothing to close.
func (*Opener) Close() error { return nil }

// Lost is never ready.
func (*Opener) Lost() <-chan struct{} { return nil }

// Loss says why nothing can be opened.
func (*Opener) Loss() error { return errUnsupported }

func (*Opener) ask(request) (answer, error) { return answer{}, errUnsupported }

// Check says that live capture needs Linux.
func Check() []Missing { return Privileges() }

// Privileges says that live capture needs Linux.
func Privileges() []Missing {
	return []Missing{{
		Privilege: "Linux",
		Cost:      "nothing can be captured on this system",
		Remedy:    "capture on the Linux host that runs the containers, and replay the recording here",
	}}
}

// Exposed has nothing to say: there are no capabilities here.
func Exposed() (why, remedy string) { return "", "" }
