//go:build !linux

package kernel

import (
	"errors"
	"os"

	"dnatrace/capture/host"
)

// Reader is Linux only.
type Reader struct{}

var errUnsupported = errors.New("sampling the state of a host needs Linux")

// Take is Linux only.
func (*Reader) Take(string, host.Options) (*host.Sample, error) { return nil, errUnsupported }

// Take is Linux only.
func Take(string, host.Options) (*host.Sample, error) { return nil, errUnsupported }

// Watch is Linux only.
func Watch() (*os.File, error) { return nil, errUnsupported }
