//go:build !linux

package events

import (
	"context"
	"errors"
	"iter"
	"os"

	"dnatrace/capture"
)

// Source is Linux only: it yields an error and nothing else.
func Source(*os.File, Kind) capture.Source {
	return func(context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			yield(nil, errors.New("netlink needs Linux"))
		}
	}
}
