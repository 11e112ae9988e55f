package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"time"

	"dnatrace/capture/live"
)

// commandGrace is how long a command may take to end after it was told to.
const commandGrace = 2 * time.Second

// runCommand runs the CMD of diagnose until it ends, or is ended with ctx. Its
// output goes to a.err: standard output is for results alone. How it exits is
// its own affair; the only error is that it could not be started.
func (a *app) runCommand(ctx context.Context, argv []string) error {
	c := exec.CommandContext(ctx, argv[0], argv[1:]...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, a.err, a.err
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = commandGrace
	if err := live.Ordinarily(c.Start); err != nil {
		return fmt.Errorf("start command: %w", err)
	}
	_ = c.Wait()
	return nil
}
