package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"dnatrace/capture/inputs"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
)

// fromStdin is the name of standard input among files.
const fromStdin = "-"

// stdinAlone refuses standard input beside other files: one stream has to be
// read to its end before it is known what it was.
func stdinAlone(c *cobra.Command, files []inputs.Input) error {
	if len(files) > 1 && slices.ContainsFunc(files, isStdin) {
		return usagef(c, "standard input stands alone: write it to a file first")
	}
	return nil
}

// isPipe reports whether opening a file waits for somebody.
func isPipe(f inputs.Input) bool {
	st, err := os.Stat(f.Path)
	return err == nil && st.Mode()&os.ModeNamedPipe != 0
}

func isStdin(f inputs.Input) bool { return f.Path == fromStdin }

// openInputs opens files, or standard input while it is being written: record
// -w - | replay -.
func openInputs(ctx context.Context, files []inputs.Input) (*inputs.Opened, error) {
	if len(files) != 1 || !isStdin(files[0]) {
		return inputs.Open(files...)
	}
	src, info, err := recording.OpenReader(recording.Interruptible(ctx, os.Stdin), "standard input")
	if err != nil {
		return nil, err
	}
	return &inputs.Opened{Source: src, Info: info}, nil
}

// openApart is openInputs for recordings that may be of several hosts.
func openApart(ctx context.Context, files []inputs.Input) ([]inputs.Host, error) {
	if len(files) != 1 || !isStdin(files[0]) {
		pipe := slices.IndexFunc(files, isPipe)
		if pipe < 0 {
			return inputs.OpenApart(files...)
		}
		var hosts []inputs.Host
		var err error
		if left := pipeline.Await(ctx, func() { hosts, err = inputs.OpenApart(files...) }); left != nil {
			return nil, fmt.Errorf("open %s: interrupted while waiting for who writes to the pipe", render.Clean(files[pipe].Path))
		}
		return hosts, err
	}
	in, err := openInputs(ctx, files)
	if err != nil {
		return nil, err
	}
	return []inputs.Host{{Opened: in}}, nil
}

// spooled copies standard input to a file without a name, for what is read
// twice. done lets it go.
func spooled(ctx context.Context, files []inputs.Input) (again []inputs.Input, done func(), err error) {
	if len(files) != 1 || !isStdin(files[0]) {
		return files, func() {}, nil
	}
	f, err := os.CreateTemp("", "dnatrace-stdin-*")
	if err != nil {
		return nil, nil, fmt.Errorf("keep standard input: %w", err)
	}
	done = func() { os.Remove(f.Name()) }
	_, err = io.Copy(f, recording.Interruptible(ctx, os.Stdin))
	if err = errors.Join(err, f.Close()); err != nil {
		done()
		return nil, nil, fmt.Errorf("keep standard input: %w", err)
	}
	return []inputs.Input{{Path: f.Name(), Point: files[0].Point}}, done, nil
}
