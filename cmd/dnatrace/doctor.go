package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/live"
	"dnatrace/capture/opener"
	"dnatrace/capture/privilege"
	"dnatrace/capture/probe"
	"dnatrace/capture/recording"
	"dnatrace/capture/rules"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
)

// doctorFlags are the command line of doctor.
type doctorFlags struct {
	outputFlags
	engineFlags
	selftest bool
}

func (a *app) doctorCommand() *cobra.Command {
	var f doctorFlags
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Say which evidence this host can give, and which verdicts are therefore out of reach",
		Long: `Arm every source of evidence as diagnose does, let go of it at once, and say what
works, what is missing and how to get it, which packet filters have rules here,
which verdicts and causes cannot be told or proven, and whether probe works here.

--selftest then builds the private lab of demo, breaks it in every way it knows,
and checks every verdict.

Exit codes: 0 reported, and every verdict of --selftest the expected one; 1 a
verdict of --selftest was another; 2 trouble, such as a selftest that cannot run.`,
		Example: `  dnatrace doctor
  sudo dnatrace doctor --selftest`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(c, "unexpected argument %q", args[0])
			}
			if render.OfCases(render.Format(f.format)) {
				return usagef(c, "-o %s: no requests are judged here: table, json, jsonl, markdown", &f.format)
			}
			return a.doctor(c.Context(), &f)
		},
	}
	f.outputFlags.add(c)
	f.engineFlags.add(c.Flags())
	c.Flags().BoolVar(&f.selftest, "selftest", false, "build the lab, break it in every known way, and check every verdict")
	return c
}

func (a *app) doctor(ctx context.Context, f *doctorFlags) error {
	r, err := a.reach(ctx, &f.engineFlags)
	if err != nil {
		return err
	}
	defer r.close()
	var d *render.Doctor
	if r.away != "" {
		d, err = a.doctorThere(ctx, &r, &f.engineFlags)
	} else {
		d = a.report(ctx, live.Config{Netns: r.netns, Program: "dnatrace " + buildVersion(), Engine: r.intent(), NoEngine: r.why})
	}
	if err != nil {
		return err
	}
	var trouble error
	if f.selftest {
		d.Selftest, trouble = a.selftest(ctx)
		if d.Selftest != nil && d.Selftest.Passed < d.Selftest.Of {
			a.code = exitFailed
		}
	}
	return errors.Join(render.WriteDoctor(a.out, d, render.Format(f.format), a.look), trouble)
}

// report is what there is to say of this host.
func (a *app) report(ctx context.Context, c live.Config) *render.Doctor {
	d := &render.Doctor{Schema: correlate.Schema, Privileges: privileges()}
	e := examine(ctx, c)
	d.Backends = e.backends()
	d.Sources = e.untraceable(d.Backends)
	d.Versions = versions(e.snapshot)
	d.OutOfReach = correlate.OutOfReach(d.Sources)
	d.Probe = probing(c.Netns)
	d.Confined = confinement(privilege.Known())
	return d
}

// probing says whether a request can be made without a client.
func probing(netns string) *render.Ability {
	err := privileged()
	if err == nil {
		err = probe.Try(netns)
	}
	if err != nil {
		return &render.Ability{Why: err.Error()}
	}
	return &render.Ability{OK: true}
}

// confinement says with what processes are kept to what they need.
func confinement(k privilege.Means) *render.Ability {
	if k.Cgo {
		return &render.Ability{Why: "this binary is built with cgo: what it does not need is not taken from it; build it with CGO_ENABLED=0"}
	}
	var lack []string
	if k.Landlock == 0 {
		lack = append(lack, "this kernel has no Landlock, or it is not among lsm= on its command line: files are not kept from what reads recordings")
	}
	if !k.Seccomp {
		lack = append(lack, "system calls are not filtered here")
	}
	return &render.Ability{OK: len(lack) == 0, Why: strings.Join(lack, "; ")}
}

// privileges lists what evidence takes, held or not.
func privileges() []render.Privilege {
	var out []render.Privilege
	for _, p := range opener.Privileges() {
		out = append(out, render.Privilege{Name: p.Privilege, Held: p.Remedy == "", Cost: p.Cost, Remedy: p.Remedy})
	}
	return out
}

// examination is what trying every source has shown.
type examination struct {
	sources  []correlate.SourceReport
	snapshot *engine.Snapshot // nil without an engine
	rulesets []rules.Ruleset  // of the host
	failed   error            // why they could not be read
}

// examine arms every source in the way a session does, and lets go of it.
func examine(ctx context.Context, c live.Config) examination {
	var e examination
	c.Everything, c.Trace = true, true
	if c.Engine != nil {
		e.snapshot, _ = c.Engine.Snapshot(ctx)
	}
	if privileged() != nil {
		e.without(&c, needed)
		return e
	}
	c.Opener = opener.Local()
	defer c.Opener.Close()
	e.arm(ctx, c)
	e.rulesets, e.failed = c.Opener.Rules(c.Netns)
	return e
}

// without is what is left where nothing can be opened: the engine may still
// answer.
func (e *examination) without(c *live.Config, why func(source string) string) {
	for _, name := range capture.Sources {
		s := correlate.SourceReport{Name: name, State: capture.SourceAbsent, Why: why(name)}
		if name == capture.OriginEngine {
			s.Why = c.NoEngine
			if e.snapshot != nil {
				s.State = capture.SourceOK
			}
		}
		e.sources = append(e.sources, s)
	}
}

// needed is the privilege that a source lacks here, or lives by.
func needed(source string) string {
	missing := opener.Check()
	by := map[string]string{capture.OriginPackets: "CAP_NET_RAW", capture.OriginHost: "CAP_SYS_ADMIN"}
	name := cmp.Or(by[source], "CAP_NET_ADMIN")
	if !slices.ContainsFunc(missing, func(m opener.Missing) bool { return m.Privilege == name }) && len(missing) > 0 {
		name = missing[0].Privilege
	}
	return "needs " + name
}

// arm opens a session and ends it at once.
func (e *examination) arm(ctx context.Context, c live.Config) {
	s, err := live.Open(ctx, c)
	if err != nil {
		e.without(&c, func(string) string { return err.Error() })
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	for range s.Source()(ctx) { // what is open is released by reading to the end
	}
	states := map[string]capture.SourceState{}
	for _, st := range s.Sources() {
		states[st.Name] = st
	}
	for _, name := range capture.Sources {
		e.sources = append(e.sources, correlate.SourceReport{Name: name, State: states[name].State, Why: states[name].Why})
	}
}

// untraceable are the sources, where having nothing to trace is no fault.
func (e *examination) untraceable(backends []render.Backend) []correlate.SourceReport {
	nft := func(b render.Backend) bool { return b.Name == "nft" || b.Name == "iptables-nft" }
	if e.failed != nil || e.rulesets == nil || slices.ContainsFunc(backends, nft) {
		return e.sources
	}
	for i, s := range e.sources {
		if s.Name == capture.OriginRuleTrace && s.State == capture.SourceAbsent {
			e.sources[i].State, e.sources[i].Why = capture.SourceOK, "works, and has nothing to trace: there are no nf_tables rules here"
		}
	}
	return e.sources
}

// backends are the packet filters that have rules here.
func (e *examination) backends() []render.Backend {
	if e.failed != nil {
		return []render.Backend{{Name: "nf_tables", Error: e.failed.Error()}}
	}
	byName := map[string]*render.Backend{}
	for _, r := range e.rulesets {
		switch {
		case r.Error != "":
			of(byName, r.Backend).Error = r.Error
		case r.Backend == "nft":
			nftBackends(byName, r.Data)
		case strings.HasSuffix(r.Backend, "-legacy") && r.Table != "":
			b := of(byName, r.Backend)
			b.Tables = append(b.Tables, r.Table)
		}
	}
	var out []render.Backend
	for _, b := range byName {
		slices.Sort(b.Owners)
		b.Owners = slices.Compact(b.Owners)
		out = append(out, *b)
	}
	slices.SortFunc(out, func(a, b render.Backend) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func of(byName map[string]*render.Backend, name string) *render.Backend {
	if byName[name] == nil {
		byName[name] = &render.Backend{Name: name}
	}
	return byName[name]
}

// nftBackends tells the rules that iptables wrote from those of nft itself.
func nftBackends(byName map[string]*render.Backend, data []byte) {
	parsed, err := decode.ParseNFTables(data)
	if err != nil {
		of(byName, "nft").Error = err.Error()
		return
	}
	for _, r := range ruleset.New(parsed).Rules() {
		b := of(byName, string(r.Backend))
		b.Rules++
		b.Owners = append(b.Owners, string(r.Owner))
		if !slices.Contains(b.Tables, r.Table) {
			b.Tables = append(b.Tables, r.Table)
		}
	}
}

// versions are those of the parts that matter.
func versions(s *engine.Snapshot) []render.Version {
	out := []render.Version{
		{Name: "dnatrace", Version: buildVersion(), Notes: []string{fmt.Sprintf("%s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH), fmt.Sprintf("recording format %d", recording.Format)}},
	}
	if k := live.Kernel(); k != "" {
		out = append(out, render.Version{Name: "kernel", Version: k, Notes: correlate.KernelNotes(k)})
	}
	if s != nil {
		out = append(out, render.Version{Name: "engine", Version: s.Version, Notes: correlate.EngineNotes(s)})
	}
	return out
}
