package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/filter"
	"dnatrace/cmd/internal/flight"
	"dnatrace/cmd/internal/render"
)

// defaultWindow is how long a request may stay unanswered before it is judged.
const defaultWindow = 3 * time.Second

// defaultSnap keeps every header, and little of the payload.
const defaultSnap = 256

// outputFlags say how results are shown and what is expected of them.
type outputFlags struct {
	format  formatFlag
	byWords string // a template; "" for none
	numeric bool
	summary bool
	expect  expectation
	from    string        // a file of expectations; "" none
	each    *expectations // what is in it; nil for none
	selectionFlags
	selected render.Selection
}

func (f *outputFlags) add(c *cobra.Command) {
	f.format = formatFlag(render.FormatTable)
	c.Flags().VarP(&f.format, "output", "o", "how to print the result; junit, tap and github are for what runs tests, too")
	c.Flags().BoolVarP(&f.numeric, "numeric", "n", false, "addresses instead of container names, where both are known")
}

func (f *outputFlags) addJudgement(c *cobra.Command) {
	c.Flags().StringVar(&f.byWords, "format", "", "print each request by a template of Go's, such as '{{.Client}} {{.Verdict}} {{.Why}}'")
	c.Flags().Var(&f.expect, "expect", "exit 0 if this is the verdict of the run, else 1")
	c.Flags().StringVar(&f.from, "expect-from", "", "exit 0 if requests fared as this file says, else 1: TARGET VERDICT[:CAUSE] lines")
	c.Flags().BoolVar(&f.summary, "summary", false, "with -o json: only the worst 100 requests")
	f.selectionFlags.add(c)
}

// choose settles which requests are printed.
func (f *outputFlags) choose(c *cobra.Command) (err error) {
	if f.from != "" {
		if f.each, err = readExpectations(f.from); err != nil {
			return err
		}
	}
	if f.selected, err = f.selection(c); err != nil || f.byWords == "" {
		return err
	}
	if c.Flags().Changed("output") {
		return usagef(c, "-o and --format: choose one")
	}
	if _, err = render.ParseTemplate(f.byWords); err != nil {
		return usagef(c, "--format: %v", err)
	}
	return nil
}

// captureFlags say what of a live host is watched, and for how long.
type captureFlags struct {
	engineFlags
	interfaces []string
	file       string
	count      int
	snap       int
	duration   durationFlag
	window     durationFlag
	trace      bool // have rules traced, unless noTrace
	noTrace    bool
	noDrops    bool
	noTracking bool           // do without conntrack, to measure what it costs
	filter     *filter.Filter // nil: none
	savesTo    string         // a directory that files may be written to while the run goes on; "" for none
	looks      bool           // at the host, once more, after everything is armed
	unaimed    bool           // the filter alone says what is captured
	verbose    bool
	keepFlags                // what is saved of failures, where the command has that
	turns      *flight.Turns // files that take turns, instead of file alone; nil: they do not
	sink       *os.File      // gets the recording, instead of file; the session closes it

	traceFlags                    // who is told of requests, where the command has that
	onSaved    func(flight.Saved) // is told of recordings of failures; may be nil
}

func (f *captureFlags) add(c *cobra.Command, counted string) {
	f.window = durationFlag(defaultWindow)
	fl := c.Flags()
	fl.StringSliceVarP(&f.interfaces, "interface", "i", nil, "watch only these interfaces of the host (default: all that the target's traffic can cross)")
	fl.StringVarP(&f.file, "write", "w", "", "write a recording to this file")
	fl.IntVarP(&f.count, "count", "c", 0, "stop after this many "+counted+" (0: never)")
	fl.IntVarP(&f.snap, "snapshot-length", "s", defaultSnap, "keep at most this many bytes of a packet (0: all)")
	fl.VarP(&f.duration, "duration", "d", "stop after this long (0: never)")
	f.engineFlags.add(fl)
	fl.Var(&f.window, "window", "how long a request may go unanswered before it is judged")
	verboseFlag(c, &f.verbose)
}

// addTrace adds --trace, --no-trace, --no-drops and --no-conntrack, which say what else the
// kernel is asked to report. The first two are taken by every command; the one
// that changes something there is shown.
func (f *captureFlags) addTrace(c *cobra.Command, traced bool) {
	fl := c.Flags()
	fl.BoolVar(&f.trace, "trace", traced, "have the kernel trace the rules that packets meet, with a temporary table, as diagnose does")
	fl.BoolVar(&f.noTrace, "no-trace", false, "do not have the kernel trace rules, change nothing at all")
	fl.BoolVar(&f.noDrops, "no-drops", false, "do not have the kernel say which packets it drops, load no bpf program")
	fl.BoolVar(&f.noTracking, "no-conntrack", false, "do without the kernel's record of translations; for measurements")
	_ = fl.MarkHidden("no-conntrack")
	fl.Lookup("trace").Hidden = traced
	fl.Lookup("no-trace").Hidden = !traced
}

// check refuses values that have no meaning.
func (f *captureFlags) check(c *cobra.Command) error {
	switch {
	case c.Flags().Changed("trace") && c.Flags().Changed("no-trace"):
		return usagef(c, "--trace and --no-trace: choose one")
	case f.count < 0:
		return usagef(c, "-c %d: must not be negative", f.count)
	case f.snap < 0:
		return usagef(c, "-s %d: must not be negative", f.snap)
	case f.window == 0:
		return usagef(c, "--window 0: must be longer than 0")
	}
	if err := f.keepFlags.check(c); err != nil {
		return err
	}
	return f.traceFlags.check(c)
}

// formatFlag is the value of -o.
type formatFlag render.Format

func (f *formatFlag) String() string { return string(*f) }
func (*formatFlag) Type() string     { return "table|json|jsonl|markdown" }

func (f *formatFlag) Set(s string) error {
	v, err := render.ParseRunFormat(s)
	*f = formatFlag(v)
	return err
}

// durationFlag reads a duration, or a plain number of seconds as tcpdump's
// users write it. It is never negative.
type durationFlag time.Duration

func (d *durationFlag) String() string { return time.Duration(*d).String() }
func (*durationFlag) Type() string     { return "duration" }

func (d *durationFlag) Set(s string) error {
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		s += "s"
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("parse duration: %q is none (such as 30s or 2m)", s)
	}
	if v < 0 {
		return fmt.Errorf("parse duration: %s is negative", s)
	}
	*d = durationFlag(v)
	return nil
}
