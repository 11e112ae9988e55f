package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture/live"
	"dnatrace/capture/opener"
	"dnatrace/capture/target"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/fixtures/lab"
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
func (a *app) demo(ctx context.Context, f *demoFlags, p render.Printer) (*correlate.Document, error) {
	sc, err := scenario(f.scenario)
	if err != nil {
		return nil, err
	}
	if err := privileged(); err != nil {
		return nil, err
	}
	fmt.Fprintf(a.err, "%s: %s\n", sc.Name, sc.Story)
	f.expect = expected(sc.WantWithoutRules)
	l, err := lab.New()
	if err != nil {
		return nil, err
	}
	defer l.Close()
	if err := sc.Setup(l); err != nil {
		return nil, fmt.Errorf("break the lab: %w", err)
	}
	s, err := a.openLab(ctx, l, sc.Target)
	if err != nil {
		return nil, err
	}
	o := pipeline.Options{Options: judge.Options{Targets: []string{sc.Target}}, Drain: pipeline.Do(ctx, func(ctx context.Context) { a.ask(ctx, l, sc) })}
	f.tell(&o, p)
	d, err := pipeline.Run(ctx, s.Source(), o)
	return d, errors.Join(err, s.close())
}

// ask sends the scenario's request and says what the client got.
func (a *app) ask(ctx context.Context, l *lab.Lab, sc lab.Scenario) {
	fmt.Fprintf(a.err, "the client got: %s\n", lab.Outcome(sc.Request(ctx, l)))
}

// openLab watches a lab as if it were a Docker host.
func (a *app) openLab(ctx context.Context, l *lab.Lab, wanted string) (*session, error) {
	targets, err := target.ParseAll([]string{wanted})
	if err != nil {
		return nil, err
	}
	snapshot := l.Snapshot()
	s := &session{opener: opener.Local()}
	s.Session, err = live.Open(ctx, live.Config{
		Targets: targets, SnapLen: defaultSnap, Netns: l.HostNetns(), Program: "dnatrace " + buildVersion(),
		Fixed: &snapshot, FixedNetns: labNetns(l), Opener: s.opener,
	})
	if err != nil {
		s.close()
		return nil, err
	}
	a.listening(s)
	return s, nil
}

func labNetns(l *lab.Lab) map[string]string {
	out := map[string]string{}
	for _, c := range l.Containers() {
		out[c.Name] = l.ContainerNetns(c.Name)
	}
	return out
}

// scenario finds a scenario by name.
func scenario(name string) (lab.Scenario, error) {
	if name == "" {
		name = "forward-drop"
	}
	var names []string
	for _, s := range lab.Scenarios() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	if len(names) == 0 { // no lab on this system: the recordings tell
		return lab.Scenario{Name: name}, nil
	}
	return lab.Scenario{}, remedied{fmt.Errorf("no scenario %q", name), "there are: " + strings.Join(names, ", ")}
}
