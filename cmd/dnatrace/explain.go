package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture/target"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

// explainFlags are the command line of explain.
type explainFlags struct {
	lookFlags
	all    bool
	client string
	places []string
}

func (a *app) explainCommand() *cobra.Command {
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain TARGET | --all",
		Short: "Say, before any traffic, what would become of a request, by which rules, and why",
		Long: `Say, before any traffic, what would become of a request: from outside, from the
host, from its loopback, and from containers of the same and of another network.
Stage by stage: which rule translates, drops or lets it pass, where it is routed,
what listens at the end, and how the answer gets back. Nothing is captured and
nothing is sent.

All of it is inferred from state. What state cannot show (a server that hangs, a
network in front of the host) is named as blind.

TARGET is a port of the host (8080, 8080/udp, 127.0.0.1:8080, [::1]:8080), a
container (web, web:80) or a compose service (project/service). --all asks for
every port from where it is meant to be reached, and lists what is wrong, the
worst first.

Exit codes: 0 a request from outside would be delivered, or nothing is wrong; 1 it
would not, or something is; 2 trouble; 3 not enough is known to tell. Where no
path comes from outside, or --place leaves it out, all paths count.`,
		Example: `  sudo dnatrace explain 8080
  sudo dnatrace explain shop/web --place outside
  dnatrace explain --all --from incident.pcapng
  sudo dnatrace explain 8080 -o json | jq '.paths[] | {from, verdict, why}'`,
		RunE: func(c *cobra.Command, args []string) error {
			o, err := f.check(c, args)
			if err != nil {
				return err
			}
			return a.explain(c.Context(), &f, o, args)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&f.all, "all", false, "every port of every container: what is wrong here, the worst first")
	c.Flags().StringVar(&f.client, "client", "", "the address that asks from outside (default: one far away, or on the wire where no route leads further)")
	c.Flags().StringSliceVar(&f.places, "place", nil, "only from there: "+strings.Join(foresee.Places, ", "))
	return c
}

// check reads what the flags say.
func (f *explainFlags) check(c *cobra.Command, args []string) (foresee.Options, error) {
	o := foresee.Options{From: f.places}
	switch {
	case f.all && len(args) > 0:
		return o, usagef(c, "--all takes no target")
	case !f.all && len(args) != 1:
		return o, usagef(c, "give one target, or --all")
	}
	for _, p := range f.places {
		if !slices.Contains(foresee.Places, p) {
			return o, usagef(c, "--place %q: is none of %s", p, strings.Join(foresee.Places, ", "))
		}
	}
	if f.client != "" {
		ip, err := netip.ParseAddr(f.client)
		if err != nil {
			return o, usagef(c, "--client %q: is no address", f.client)
		}
		o.Client = ip.Unmap()
	}
	return o, nil
}

func (a *app) explain(ctx context.Context, f *explainFlags, o foresee.Options, args []string) error {
	var t target.Target
	if !f.all {
		var err error
		if t, err = target.Parse(args[0]); err != nil {
			return err
		}
	}
	s, err := a.state(ctx, &f.lookFlags)
	if err != nil {
		return err
	}
	e := foresee.Everything(s, o)
	if !f.all {
		if e, err = foresee.Explain(s, t, o); err != nil {
			return fmt.Errorf("explain: %w", err)
		}
	}
	a.code = foreseen(e, f.all)
	return render.WriteExplanation(a.out, e, render.Format(f.format), a.look)
}

// foreseen is the exit code of an explanation.
func foreseen(e *foresee.Explanation, all bool) int {
	paths := e.Paths
	outside := slices.DeleteFunc(slices.Clone(paths), func(p foresee.Path) bool { return p.From != foresee.Outside })
	if len(outside) > 0 && !all {
		paths = outside
	}
	code := exitOK
	if len(paths) == 0 && (!all || e.Checked == 0) {
		return exitNothing
	}
	for _, p := range paths {
		switch {
		case p.Verdict == correlate.Undetermined && code == exitOK:
			code = exitNothing
		case p.Verdict != correlate.Undetermined && p.Verdict != correlate.Delivered:
			code = exitFailed
		}
	}
	return code
}
