//go:build !linux

package conntrack

import (
	"errors"
	"os"

	"golang.org/x/net/bpf"

	"dnatrace/capture/ring"
)

var errUnsupported = errors.New("conntrack needs Linux")

// Listen is Linux only.
func Listen(bool) (*os.File, error) { return nil, errUnsupported }

// Filter is Linux only.
func Filter(*os.File, []bpf.RawInstruction) error { return errUnsupported }

// Dump is Linux only.
func Dump(string, ring.Want) ([]byte, error) { return nil, errUnsupported }
