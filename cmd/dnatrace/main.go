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

	"dnatrace/capture/engine/docker"
	"dnatrace/capture/opener"
	"dnatrace/cmd/internal/hook"
)

func main() {
	opener.Main() // does not return in the process that was started as the opener
	docker.Main() // nor in the one that asks the engine
	guardMain()   // nor in the one that guards the terminal
	evictorMain() // nor in the one that takes a collector away
	hook.Main()   // nor in the one that runs the command of --on-failure

	// The first signal ends the capture in order, so that report and file are
	// finished; the second takes its default course and ends the process.
	ctx, stop := signal.NotifyContext(context.Background(), ending()...)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, asPlugin(os.Args[0], os.Args[1:]), standard(ctx)))
}

// ending are the signals that end a run in order. A terminal that is closed sends
// SIGHUP; nohup has it ignored, and that stays so.
func ending() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// run is the whole program but for the process around it. The result is the
// exit code.
func run(ctx context.Context, args []string, s streams) int {
	a := &app{streams: s}
	defer a.tidy()
	root := a.root()
	root.SetArgs(append([]string{}, asExtcap(args)...)) // nil would be this process's own
	root.SetOut(s.out)
	root.SetErr(s.err)
	if err := root.ExecuteContext(ctx); err != nil {
		report(s.err, err)
		return exitTrouble
	}
	return a.code
}
