//go:build !linux

package ring

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"

	"golang.org/x/net/bpf"

	"dnatrace/capture"
)

var errUnsupported = fmt.Errorf("capture packets: %w: AF_PACKET rings exist on Linux only", errors.ErrUnsupported)

// Ring captures packets on Linux. Elsewhere there is none.
type Ring struct{}

// Socket fails: there are packet sockets on Linux only.
func Socket() (*os.File, error) { return nil, errUnsupported }

// Open fails: there are packet rings on Linux only.
func Open(Config, *os.File) (*Ring, error) { return nil, errUnsupported }

// Source fails.
func (*Ring) Source() capture.Source {
	return func(context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) { yield(nil, errUnsupported) }
	}
}

// SetFilter fails.
func (*Ring) SetFilter([]bpf.RawInstruction) error { return errUnsupported }

// Points returns none.
func (*Ring) Points() []capture.Point { return nil }

// Stats returns nothing.
func (*Ring) Stats() (packets, lost uint64) { return 0, 0 }

// Close does nothing.
func (*Ring) Close() error { return nil }
