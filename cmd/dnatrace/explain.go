package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture"
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
	var more []string
	c := &cobra.Command{
		Use:   "explain TARGET… | --all",
		Short: "Say, before any traffic, what would become of a request, by which rules, and why",
		Long: `Say, before any traffic, what would become of a request: from outside, from the
host, from its loopback, and from containers of the same and of another network.
Stage by stage: which rule translates, drops or lets it pass, where it is routed,
what listens at the end, and how the answer gets back. Nothing is captured and
nothing is sent.

All of it is inferred from state. What state cannot show (a server that hangs, a
network in front of the host) is named as blind.

` + targetForms + ` Each has a section of its
own, and each port of a range; what nobody publishes, declares or listens at in a
range of more than 64 is left out and said. --all asks for every port from where it
is meant to be reached, and lists what is wrong, the worst first.

Exit codes: 0 a request from outside would be delivered, or nothing is wrong; 1 it
would not, or something is; 2 trouble; 3 not enough is known to tell. Where no
path comes from outside, or --place leaves it out, all paths count.`,
		Example: `  sudo dnatrace explain 8080
  sudo dnatrace explain shop/web 7000-7010/udp --place outside
  dnatrace explain --all --from incident.pcapng
  sudo dnatrace explain 8080 -o json | jq '.paths[] | {from, verdict, why}'`,
		RunE: func(c *cobra.Command, args []string) error {
			args = append(args, more...)
			if err := checkTargets(c, args); err != nil {
				return err
			}
			o, err := f.check(c, args)
			if err != nil {
				return err
			}
			return a.explain(c.Context(), &f, o, args)
		},
	}
	f.add(c)
	targetFlag(c, &more)
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
	case !f.all && len(args) == 0:
		return o, usagef(c, "give a target, or --all")
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
	targets, err := target.ParseAll(args)
	if err != nil {
		return err
	}
	s, err := a.state(ctx, &f.lookFlags)
	if err != nil {
		return err
	}
	var e *foresee.Explanation
	if f.all {
		e = foresee.Everything(s, o)
	} else if e, err = foresee.Explain(s, targets, o); err != nil {
		return fmt.Errorf("explain: %w", err)
	} else {
		a.elsewhere(targets, addressesOf(s))
	}
	a.code = foreseen(e, f.all)
	return render.WriteExplanation(a.out, e, render.Format(f.format), a.look)
}

// addressesOf are those of the host, as far as they are known.
func addressesOf(s *correlate.State) (all []netip.Addr) {
	if h := s.Host(capture.HostNetns); h != nil {
		for _, a := range h.Addrs {
			all = append(all, a.Prefix.Addr())
		}
	}
	return all
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
