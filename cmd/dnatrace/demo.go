package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// demoFlags are the command line of demo.
type demoFlags struct {
	outputFlags
	scenario string // "" is the default one
}

func (a *app) demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo [SCENARIO]",
		Short: "Build a private lab with real kernel NAT, break it, diagnose it, tear it down",
		Long: `Build a private lab with real kernel NAT, break it in the named way, send a
request, diagnose it live and tear everything down. Needs Linux and root, and
nothing else: no Docker, no nft, no iptables. Elsewhere the recording of the same
scenario is replayed, and the output says so.`,
		Example: `  dnatrace demo
  dnatrace demo no-listener`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(c, "one scenario at a time: %q is too many", args[1])
			}
			if len(args) == 1 {
				f.scenario = args[0]
			}
			p := a.printer(f.outputFlags)
			d, err := a.demo(c.Context(), &f, p)
			return a.conclude(p, d, f.outputFlags, err)
		},
	}
	f.outputFlags.add(c)
	return c
}

// demo runs a scenario, and leaves in f.expect the verdict it was built for: a
// demo succeeds when it is diagnosed as what it is.
//
// SEAM: the lab of fixtures, or fixtures.Load where there is no root; an unknown
// scenario is an error that names the known ones.
func (a *app) demo(_ context.Context, _ *demoFlags, _ render.Printer) (*correlate.Document, error) {
	return nil, errors.New("demo: the lab is not in this build")
}
