package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"

	"dnatrace/capture"
	"dnatrace/capture/inputs"
	"dnatrace/capture/live"
	"dnatrace/capture/opener"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// lookFlags say what state is looked at: that of this host, or that in files.
type lookFlags struct {
	engineFlags
	from   []string
	format lookFormat

	needsEngine bool // without one it ends in an error, which says why
}

func (f *lookFlags) add(c *cobra.Command) {
	f.format = lookFormat(render.FormatTable)
	fl := c.Flags()
	fl.VarP(&f.format, "output", "o", "how to print the result")
	fl.StringArrayVarP(&f.from, "read", "r", nil, "the same as --from")
	fl.StringArrayVar(&f.from, "from", nil, "recording, or folder of recordings and dumps, to read instead of this host; may be given more than once")
	f.engineFlags.add(fl)
}

// state reads the state once. What is missing is said; with nothing at all it is
// an error.
func (a *app) state(ctx context.Context, f *lookFlags) (*correlate.State, error) {
	s := correlate.NewState()
	var err error
	if len(f.from) > 0 {
		err = a.lookAtFiles(ctx, f, s)
	} else {
		err = a.lookAround(ctx, f, s)
	}
	if err != nil {
		return nil, err
	}
	if !s.Known() {
		return nil, errNothingKnown(s)
	}
	return s, nil
}

func errNothingKnown(s *correlate.State) error {
	for _, source := range []string{capture.OriginEngine, capture.OriginHost} {
		if why := s.Source(source).Why; why != "" {
			return remedied{fmt.Errorf("nothing is known of the host: %s", why), "run it on the Docker host (sudo), or give it a recording with --from"}
		}
	}
	return errors.New("nothing is known of the host: what was read holds neither what the engine says nor the state of the host")
}

// errNoEngine says that containers are not known at all.
func errNoEngine(s *correlate.State) error {
	why := s.Source(capture.OriginEngine).Why
	if why == "" {
		why = "what was read holds nothing of the engine's"
	}
	return fmt.Errorf("no container is known: %s", why)
}

// lookAtFiles takes the state from what replay reads.
func (a *app) lookAtFiles(ctx context.Context, f *lookFlags, s *correlate.State) error {
	var files []inputs.Input
	for _, path := range f.from {
		files = append(files, inputs.Input{Path: path})
	}
	a.confine(files)
	in, err := inputs.Open(files...)
	if err != nil {
		return err
	}
	a.passedOver(in)
	for b, err := range in.Source(ctx) {
		if err != nil {
			return err
		}
		s.Read(b.Records)
	}
	return nil
}

// lookAround takes the state of this host, and drops all privilege before it is
// judged.
func (a *app) lookAround(ctx context.Context, f *lookFlags, s *correlate.State) error {
	r, err := a.reach(ctx, &f.engineFlags)
	if err != nil {
		return err
	}
	defer r.close()
	if r.away != "" {
		return a.lookThere(ctx, &r, &f.engineFlags, s)
	}
	if runtime.GOOS != "linux" {
		return remedied{errors.New("look at this host: needs Linux"), "--from FILE works on any system"}
	}
	g := live.Glance{Netns: r.netns, Program: "dnatrace " + buildVersion(), Opener: opener.Local(), Engine: r.intent(), NoEngine: r.why}
	records, err := live.Look(ctx, g)
	if err != nil {
		return err
	}
	r.close() // nothing is asked any more
	a.confine(nil)
	s.Read(records)
	a.without(s, f.needsEngine)
	return nil
}

// without says what could not be read, but for what an error will say.
func (a *app) without(s *correlate.State, engineIsError bool) {
	for _, source := range []string{capture.OriginEngine, capture.OriginHost, capture.OriginRules} {
		if source == capture.OriginEngine && engineIsError {
			continue
		}
		if st := s.Source(source); st.State != capture.SourceOK && st.State != "" {
			fmt.Fprintf(a.err, "without %s: %s\n", source, render.Clean(st.Why))
		}
	}
}

// lookFormat is the value of -o where Markdown is to be had too.
type lookFormat render.Format

func (f *lookFormat) String() string { return string(*f) }
func (*lookFormat) Type() string     { return "table|json|jsonl|markdown" }

func (f *lookFormat) Set(s string) error {
	if s == "markdown" {
		*f = lookFormat(s)
		return nil
	}
	v, err := render.ParseFormat(s)
	*f = lookFormat(v)
	return err
}
