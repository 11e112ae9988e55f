//go:build !linux

package bpf

import (
	"context"
	"iter"
	"os"

	"dnatrace/capture"
	"dnatrace/capture/drops"
)

// Open is Linux only.
func Open(drops.Want) (*os.File, error) { return nil, ErrUnsupported }

// Update is Linux only.
func Update(*os.File, drops.Want) error { return ErrUnsupported }

// Source is Linux only: it yields nothing.
func Source(f *os.File, _ func(uint64) string) capture.Source {
	return func(context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) { yield(nil, ErrUnsupported) }
	}
}
