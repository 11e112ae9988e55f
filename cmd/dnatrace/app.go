package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"dnatrace/capture/target"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// streams are where results and everything else go.
type streams struct {
	out, err io.Writer
	look     render.Options // what the reader of out can show
	together bool           // out and err are the same reader's terminal

	onTerminal bool // out is one
	alone      bool // this process runs one command, and may give up what that does not need

	status *statusLine // at the bottom of the terminal that err is; nil if it is none
	raw    io.Writer   // err for other programs, which write past the status; nil is err
}

func standard(ctx context.Context) streams {
	s := streamsOf(ctx, os.Stdout, os.Stderr)
	s.alone = true
	return s
}

// streamsOf are those of a run that ends with ctx, whether they are read or not.
func streamsOf(ctx context.Context, out, err *os.File) streams {
	isTerminal := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	s := streams{
		out: pipeline.Unstuck(ctx, out), err: pipeline.Unstuck(ctx, err), raw: err,
		look:     render.Detect(out, os.Getenv),
		together: isTerminal(out) && isTerminal(err),

		onTerminal: isTerminal(out),
	}
	if isTerminal(err) && os.Getenv("TERM") != "dumb" {
		s.status = &statusLine{w: s.err, width: func() int { return columns(err) }}
		s.err = above{s.err, s.status}
		if s.onTerminal {
			s.out = above{s.out, s.status}
		}
	}
	return s
}

// columns is the width of a terminal.
func columns(f *os.File) int {
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 1 {
		return w
	}
	return render.DefaultWidth
}

// app is one run of the program. Its commands leave the exit code in code.
type app struct {
	streams
	code int

	loud io.Writer // err, where -q silences it; nil: it does not

	temporary []string // directories that are gone with the run

	unwritten bool // a recording that was asked for is not whole, which was told
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:                        "dnatrace COMMAND",
		Short:                      "Follow requests to the mapped ports of a Docker host, and say where they end and why",
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       knownCommand,
		SuggestionsMinimumDistance: 2,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprint(a.err, first)
			a.code = exitTrouble
			return nil
		},
	}
	var look lookOfAll
	look.add(root)
	root.PersistentPreRunE = func(c *cobra.Command, args []string) error {
		if err := look.apply(c, a); err != nil {
			return err
		}
		return a.fetch(c, args)
	}
	root.Version = buildVersion()
	root.SetVersionTemplate(versionText())
	cobra.AddTemplateFunc("tells", strings.Contains)
	root.SetHelpTemplate(root.HelpTemplate() + `{{if and (or (not .HasParent) (.Flags.Lookup "verdict")) (not (tells .Long "Exit codes:"))}}` + exitCodes + `{{end}}`)
	root.SetHelpCommand(helpCommand(root))
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usagef(c, "%v%s", err, nearFlag(c, err)) })
	root.AddCommand(
		a.diagnoseCommand(),
		a.watchCommand(),
		a.probeCommand(),
		a.explainCommand(),
		a.portsCommand(),
		a.topologyCommand(),
		a.recordCommand(),
		a.replayCommand(),
		a.reportCommand(),
		a.redactCommand(),
		a.minimiseCommand(),
		a.diffCommand(),
		a.annotateCommand(),
		a.extcapCommand(),
		a.gatherCommand(),
		a.pluginCommand(),
		a.demoCommand(),
		a.doctorCommand(),
		a.versionCommand(),
		a.collectCommand(),
		a.metadataCommand(),
		a.manCommand(),
	)
	completing(root)
	return root
}

// knownCommand refuses a command that does not exist, on one line.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef(c, "unknown command %q: did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usagef(c, "unknown command %q", args[0])
}

// nearFlag names the flags that look like one that is not known.
func nearFlag(c *cobra.Command, err error) string {
	name, ok := strings.CutPrefix(err.Error(), "unknown flag: --")
	if !ok {
		return ""
	}
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	near := target.Nearest(name, names)
	if len(near) == 0 {
		return ""
	}
	return ": did you mean --" + strings.Join(near, " or --") + "?"
}

// mostInSummary is how many requests --summary lists.
const mostInSummary = 100

// printer writes the results of a command as its flags say.
func (a *app) printer(f outputFlags) render.Printer {
	look := a.look
	look.Numeric, look.Overflow, look.Zone = f.numeric, overflow, time.Local
	if f.summary {
		look.Worst = mostInSummary
	}
	if f.byWords != "" {
		if p, err := render.NewTemplate(a.out, f.byWords); err == nil { // it was read before
			return render.Select(p, f.selected)
		}
	}
	return render.Select(render.New(a.out, render.Format(f.format), look), f.selected)
}

// overflow opens a file for what a long result would take of memory. It has no
// name where the system allows that: it is gone when this process is.
func overflow() (*os.File, error) {
	file, err := os.CreateTemp("", "dnatrace-")
	if err != nil {
		return nil, fmt.Errorf("create file for a long result: %w (set TMPDIR to a directory with room)", err)
	}
	os.Remove(file.Name()) // what cannot be removed while it is open stays until the system tidies up
	return file, nil
}

// conclude ends the output of a run and settles the exit code. A run that ended
// in trouble may have come to a document all the same: it is shown first.
func (a *app) conclude(p render.Printer, d *correlate.Document, f outputFlags, trouble error) error {
	if d == nil {
		return trouble
	}
	if err := p.End(d); err != nil && trouble == nil {
		trouble = err
	}
	if !a.together || f.format != formatFlag(render.FormatTable) {
		fmt.Fprintln(a.err, a.look.Lang.Sentence(render.Packets(d)))
		for _, s := range untold(d, &f) {
			fmt.Fprintln(a.err, a.look.Lang.Sentence(s))
		}
	}
	a.code = exitCode(d, f.expect)
	if f.each != nil {
		if !f.expect.set {
			a.code = exitOK // each target says what counts, not the run
		}
		for _, s := range f.each.unmet() {
			a.code = exitFailed
			fmt.Fprintln(cmp.Or(a.loud, a.err), render.Clean(s))
		}
	}
	defer func() {
		if a.unwritten {
			a.code = exitTrouble
		}
	}()
	if f.expect.set && a.code != exitOK {
		fmt.Fprintf(cmp.Or(a.loud, a.err), "expected %s, got %s:%s\n", f.expect.String(), d.Verdict, render.Clean(string(d.Cause)))
	}
	return trouble
}

// untold is what was damaged or not decoded, where the format does not say it.
func untold(d *correlate.Document, f *outputFlags) (said []string) {
	if f.byWords == "" && !render.OfCases(render.Format(f.format)) {
		return render.Undecoded(d)
	}
	for _, s := range d.Recording.Damage {
		said = append(said, render.Clean(render.Damaged(s)))
	}
	return said
}

// helpCommand is help for those who ask for it by that word.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Show what a command is for, and its flags",
		RunE: func(c *cobra.Command, args []string) error {
			about, rest, err := root.Find(args)
			if err != nil || about == root && len(rest) > 0 {
				return knownCommand(root, rest)
			}
			return about.Help()
		},
	}
}
