package main

import (
	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate/topology"
)

func (a *app) topologyCommand() *cobra.Command {
	var f lookFlags
	c := &cobra.Command{
		Use:   "topology [--from FILE|FOLDER]…",
		Short: "Show how the host is wired: interfaces, bridges, veths and the containers behind them",
		Long: `Show how the host is wired: interfaces, bridges, the veths that are their ports,
and the containers behind them, with addresses and state. Nothing is captured.

With --from, the state in a recording or in a folder of dumps is shown, on any OS
and without privilege. Without enough privilege to enter namespaces, which veth
leads to which container is left out.

Exit codes: 0 shown; 2 trouble, such as neither an engine nor a host to look at.`,
		Example: `  sudo dnatrace topology
  dnatrace topology --from incident.pcapng
  sudo dnatrace topology -o json | jq '.networks[].ports[] | {veth, container: .container.name}'`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(c, "unexpected argument %q", args[0])
			}
			s, err := a.state(c.Context(), &f)
			if err != nil {
				return err
			}
			return render.WriteTopology(a.out, topology.Of(s), render.Format(f.format), a.look)
		},
	}
	f.add(c)
	return c
}
