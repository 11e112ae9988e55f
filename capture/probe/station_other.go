//go:build !linux

package probe

import (
	"errors"
	"os"
)

var errUnsupported = errors.New("a probe needs Linux")

// Open is Linux only.
func Open(string, Want) (*os.File, error) { return nil, errUnsupported }

// Try is Linux only.
func Try(string) error { return errUnsupported }

// Wait has nothing to wait for.
func Wait() {}
