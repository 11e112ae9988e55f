//go:build !linux

package conntrack

import (
	"context"
	"errors"
	"iter"
	"os"

	"dnatrace/capture"
)

var errUnsupported = errors.New("conntrack needs Linux")

// Listen is Linux only.
func Listen() (*os.File, error) { return nil, errUnsupported }

// Dump is Linux only.
func Dump(string) ([]byte, error) { return nil, errUnsupported }

// Source is Linux only: it yields an error and nothing else.
func Source(f *os.File, netns string) capture.Source {
	return func(context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) { yield(nil, errUnsupported) }
	}
}
