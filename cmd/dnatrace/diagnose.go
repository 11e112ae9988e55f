package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// diagnoseFlags are the command line of diagnose.
type diagnoseFlags struct {
	captureFlags
	outputFlags
	targets []string
	command []string // after --; empty: run until told to stop
}

func (a *app) diagnoseCommand() *cobra.Command {
	var f diagnoseFlags
	c := &cobra.Command{
		Use:   "diagnose [TARGET…] [-- CMD…]",
		Short: "Watch live requests to a port and say what became of each, and why",
		Long: `Watch live requests to a port and say what became of each, and why.

TARGET is a port of the host (8080, 8080/udp, 127.0.0.1:8080, [::1]:8080), a
container (web, web:80) or a compose service (project/service). Without one, all
published ports are watched. The run ends with Ctrl-C, -c, -d or CMD, whose own
output goes to standard error.`,
		Example: `  dnatrace diagnose 8080
  dnatrace diagnose web -d 30s -w web.pcapng
  dnatrace diagnose 8080 --expect delivered -- curl -sm 5 http://198.51.100.1:8080/`,
		RunE: func(c *cobra.Command, args []string) error {
			f.targets, f.command = splitCommand(args, c.ArgsLenAtDash())
			if err := f.check(c); err != nil {
				return err
			}
			if c.ArgsLenAtDash() >= 0 && len(f.command) == 0 {
				return usagef(c, "no command after --")
			}
			p := a.printer(f.outputFlags)
			d, err := a.diagnose(c.Context(), f, p)
			return a.conclude(p, d, f.outputFlags, err)
		},
	}
	f.captureFlags.add(c, "requests")
	f.outputFlags.add(c)
	f.addJudgement(c)
	return c
}

// splitCommand parts the targets from the command after --; dash is the number
// of arguments before it, or -1.
func splitCommand(args []string, dash int) (targets, command []string) {
	if dash < 0 {
		return args, nil
	}
	return args[:dash], args[dash:]
}

// diagnose watches a live host until ctx ends and judges what it sees.
//
// SEAM: open capture/live with f.captureFlags, print its Listening() to a.err
// once it is armed, run f.command beside it (runCommand), and hand its Source to
// cmd/internal/pipeline with p.Start and p.Incident.
func (a *app) diagnose(_ context.Context, _ diagnoseFlags, _ render.Printer) (*correlate.Document, error) {
	return nil, errors.New("diagnose: live capture is not in this build")
}
