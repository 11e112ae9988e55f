// Command dnatrace follows requests to the mapped ports of a Docker host across
// address translation and says where each was translated, dropped or delivered,
// and why.
//
// This package is the flag layer: it reads the command line, hands it to the
// packages that do the work, and turns their result into output and an exit
// code. It must not decide anything about a request.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"dnatrace/capture/opener"
)

func main() {
	opener.Main() // does not return in the process that was started as the opener

	// The first signal ends the capture in order, so that report and file are
	// finished; the second takes its default course and ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], standard()))
}

// run is the whole program but for the process around it. The result is the
// exit code.
func run(ctx context.Context, args []string, s streams) int {
	a := &app{streams: s}
	root := a.root()
	root.SetArgs(asExtcap(args))
	root.SetOut(s.out)
	root.SetErr(s.err)
	if err := root.ExecuteContext(ctx); err != nil {
		report(s.err, err)
		return exitTrouble
	}
	return a.code
}
