package main

import (
	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate/foresee"
)

func (a *app) portsCommand() *cobra.Command {
	f := lookFlags{needsEngine: true}
	c := &cobra.Command{
		Use:   "ports [--from FILE|FOLDER]…",
		Short: "List every container's exposed and published ports, and from where each can be reached",
		Long: `List every container's exposed and published ports, and from where each can be
reached: from outside, from the host, and from another container of the same
network. Nothing is captured and nothing is sent: each answer is foreseen from
rules, routes and sockets, as explain does, which tells the whole way.

With --from, the state in a recording or in a folder of dumps is looked at, on
any OS and without privilege. Without enough privilege to read rules and
namespaces, what depends on them is unknown.

Exit codes: 0 listed; 2 trouble, such as no engine to ask.`,
		Example: `  sudo dnatrace ports
  dnatrace ports --from incident.pcapng
  sudo dnatrace ports -o json | jq '.ports[] | select(.reachable.outside == "no")'`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(c, "unexpected argument %q", args[0])
			}
			s, err := a.state(c.Context(), &f)
			if err != nil {
				return err
			}
			if s.Engine() == nil {
				return errNoEngine(s)
			}
			return render.WritePorts(a.out, foresee.List(s, foresee.Options{}), render.Format(f.format), a.look)
		},
	}
	f.add(c)
	return c
}
