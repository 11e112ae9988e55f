//go:build !linux

package conntrack

import (
	"errors"
	"os"
)

var errUnsupported = errors.New("conntrack needs Linux")

// Listen is Linux only.
func Listen() (*os.File, error) { return nil, errUnsupported }

// Dump is Linux only.
func Dump(string) ([]byte, error) { return nil, errUnsupported }
