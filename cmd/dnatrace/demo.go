package main

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture/live"
	"dnatrace/capture/opener"
	"dnatrace/capture/target"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/fixtures"
	"dnatrace/fixtures/lab"
)

// demoFlags are the command line of demo.
type demoFlags struct {
	outputFlags
	scenario string // "" is the default one
	file     string // recording to write; "" none
	list     bool   // only list the scenarios
}

func (a *app) demoCommand() *cobra.Command {
	var f demoFlags
	c := &cobra.Command{
		Use:   "demo [SCENARIO]",
		Short: "Build a private lab with real kernel NAT, break it, diagnose it, tear it down",
		Long: `Build a private lab with real kernel NAT, break it in the named way, send a
request, diagnose it live and tear everything down. Needs Linux and root, and
nothing else: no Docker, no nft, no iptables. Elsewhere the recording of the same
scenario is replayed, and the output says so.

Exit codes: 0 the verdict is the one the scenario was made for; 1 it is another; 2
trouble.`,
		Example: `  dnatrace demo
  dnatrace demo no-listener`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(c, "one scenario at a time: %q is too many", args[1])
			}
			if len(args) == 1 {
				f.scenario = args[0]
			}
			if f.list {
				a.listScenarios()
				return nil
			}
			p := a.printer(f.outputFlags)
			d, err := a.demo(c.Context(), &f, p)
			return a.conclude(p, d, f.outputFlags, err)
		},
	}
	f.outputFlags.add(c)
	c.Flags().StringVarP(&f.file, "write", "w", "", "write a recording to this file")
	c.Flags().BoolVar(&f.list, "list", false, "list the scenarios and their stories, one a line, and do nothing")
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
		if f.file != "" {
			return nil, err // a recording is asked for, and none can be made
		}
		return a.replayDemo(ctx, f, sc.Name, err, p)
	}
	fmt.Fprintf(a.err, "%s: %s\n", sc.Name, sc.Story)
	f.expect = expected(sc.Want)
	return a.diagnoseLab(ctx, sc, f.file, func(o *pipeline.Options) { f.tell(o, p) })
}

// replayDemo tells the story of a scenario from the recording that was made of
// it, where no lab can be built.
func (a *app) replayDemo(ctx context.Context, f *demoFlags, name string, why error, p render.Printer) (*correlate.Document, error) {
	c, err := fixtures.Demo("demo-" + name)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(a.err, "%s: %s\n", name, c.Story)
	fmt.Fprintf(a.err, "no lab can be built here (%s): this is the recording of one\n", render.Clean(why.Error()))
	if f.expect, err = goldenVerdict(c); err != nil {
		return nil, err
	}
	src, err := c.Open()
	if err != nil {
		return nil, err
	}
	var o pipeline.Options
	f.tell(&o, p)
	return pipeline.Run(ctx, src, o)
}

// goldenVerdict is what a fixture's golden document says.
func goldenVerdict(c fixtures.Case) (expectation, error) {
	var d correlate.Document
	if err := json.Unmarshal(c.Want, &d); err != nil {
		return expectation{}, fmt.Errorf("read golden document of %s: %w", c.Name, err)
	}
	return expectation{set: true, verdict: d.Verdict, cause: d.Cause}, nil
}

// ask sends the scenario's request and says what the client got.
func (a *app) ask(ctx context.Context, l *lab.Lab, sc lab.Scenario) {
	fmt.Fprintln(a.err, a.look.Lang.Say("the client got: %s", lab.Outcome(sc.Request(ctx, l))))
}

// openLab watches a lab as if it were a Docker host.
func (a *app) openLab(ctx context.Context, l *lab.Lab, wanted, file string) (*session, error) {
	targets, err := target.ParseAll([]string{wanted})
	if err != nil {
		return nil, err
	}
	snapshot := l.Snapshot()
	s := &session{opener: opener.Local()}
	if err := s.create(ctx, file); err != nil {
		return nil, err
	}
	s.watched, err = live.Open(ctx, live.Config{
		Targets: targets, SnapLen: defaultSnap, Netns: l.HostNetns(), Program: "dnatrace " + buildVersion(),
		Fixed: &snapshot, FixedNetns: labNetns(l), Opener: s.opener, Trace: true,
	})
	if err != nil {
		s.watched = nil
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

// listScenarios writes a line for each scenario: its name, a tab, its story.
// Where there is no lab, these are the ones that were recorded.
func (a *app) listScenarios() {
	for _, s := range lab.Scenarios() {
		fmt.Fprintf(a.out, "%s\t%s\n", s.Name, s.Story)
	}
	if runtime.GOOS == "linux" {
		return
	}
	for _, name := range fixtures.Demos() {
		if scenario, ok := strings.CutPrefix(name, "demo-"); ok {
			c, _ := fixtures.Demo(name)
			fmt.Fprintf(a.out, "%s\t%s\n", scenario, c.Story)
		}
	}
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
	if near := target.Nearest(name, names); len(near) > 0 {
		return lab.Scenario{}, remedied{fmt.Errorf("no scenario %q: did you mean %s?", name, strings.Join(near, " or ")), "dnatrace demo --list lists all of them"}
	}
	return lab.Scenario{}, remedied{fmt.Errorf("no scenario %q", name), "there are: " + strings.Join(names, ", ")}
}
