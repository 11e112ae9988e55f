package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/flight"
	"dnatrace/cmd/internal/hook"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/store"
	"dnatrace/correlate"
)

// keepFlags have a live run keep what it has seen last, and save of each new kind
// of failure a recording of its own.
type keepFlags struct {
	keep      keepFlag
	save      string
	most      sizeFlag
	onFailure string
	uploadTo  string
}

// Defaults of --keep and --save-limit.
const (
	defaultKeepAge   = 5 * time.Minute
	defaultKeepBytes = 256 << 20
	defaultSaved     = 256 << 20
)

// addKeep adds the flags.
func (f *captureFlags) addKeep(c *cobra.Command) { f.keepFlags.addTo(c) }

func (f *keepFlags) addTo(c *cobra.Command) {
	f.keep = keepFlag{age: defaultKeepAge, bytes: defaultKeepBytes}
	f.most = defaultSaved
	fl := c.Flags()
	fl.StringVar(&f.save, "save", "", "write a recording of each new kind of failure to this directory, with a minute before and after")
	fl.Var(&f.keep, "keep", "with --save: how much of the past is kept for that, in files without a name")
	fl.Var(&f.most, "save-limit", "with --save: bytes of recordings in the directory at most; the oldest make room")
	fl.StringVar(&f.uploadTo, "upload", "", "with --save: send each recording to this place, too (s3://BUCKET/PREFIX)")
	fl.StringVar(&f.onFailure, "on-failure", "", "with --save: run this command for each, as an unprivileged user, for 30 s at most; DNATRACE_FILE, DNATRACE_VERDICT, DNATRACE_CAUSE, DNATRACE_TARGET and others tell of it")
}

// check refuses what has no meaning.
func (f *keepFlags) check(c *cobra.Command) error {
	for _, name := range []string{"keep", "save-limit", "on-failure", "upload"} {
		if f.save == "" && c.Flags().Changed(name) {
			return usagef(c, "--%s: say with --save where recordings go", name)
		}
	}
	if f.uploadTo != "" {
		if _, err := store.Parse(f.uploadTo); err != nil {
			return usagef(c, "--upload: %v", err)
		}
	}
	if f.save != "" && f.keep.bytes < flight.LeastBytes {
		return usagef(c, "--keep %s: at least 1MiB", &f.keep)
	}
	return nil
}

// creates reports whether it takes a privilege to write what is saved, or to give
// it away.
func (f *keepFlags) creating() bool {
	if f.save == "" {
		return false
	}
	_, other := hook.Unprivileged(os.Getenv)
	return f.onFailure != "" && other || !writable(f.save)
}

// keepFlag is the value of --keep: a time, a size, or both.
type keepFlag struct {
	age   time.Duration
	bytes int64
}

func (k *keepFlag) String() string {
	return fmt.Sprintf("%s,%dMiB", strings.TrimSuffix(strings.TrimSuffix(k.age.String(), "0s"), "0m"), k.bytes>>20)
}

func (*keepFlag) Type() string { return "time,size" }

// Set takes 5m, 256MiB, or 5m,256MiB. What is not said is as it was.
func (k *keepFlag) Set(text string) error {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '|' }) {
		var d durationFlag
		var s sizeFlag
		switch {
		case strings.ContainsAny(word, "bB") && s.Set(word) == nil:
			k.bytes = int64(s)
		case d.Set(word) == nil && d > 0:
			k.age = time.Duration(d)
		default:
			return fmt.Errorf("parse what is to be kept: %q is neither a time (5m) nor a size (256MiB)", word)
		}
	}
	return nil
}

// flightRecorder is what a live run with --save has beside it. The zero value has
// nothing.
type flightRecorder struct {
	say   func(format string, args ...any)
	saver *flight.Saver
	hook  *hook.Runner
	jobs  chan flight.Saved
	ended <-chan struct{}    // the last command did
	told  sync.Once          // that commands fail
	also  func(flight.Saved) // is told of recordings; may be nil
}

// mostHooks is how many commands may wait for their turn, and hookEnd how long the
// last ones are waited for when the run is over.
const (
	mostHooks = 16
	hookEnd   = 10 * time.Second
)

// prepare makes what takes privilege: the directory, and the process that runs the
// command.
func (r *flightRecorder) prepare(n *notices, f *captureFlags, targets []string) error {
	if f.save == "" {
		return nil
	}
	r.say, r.also = n.say, f.onSaved
	path, err := filepath.Abs(f.save)
	if err != nil {
		return fmt.Errorf("find directory for recordings: %w", err)
	}
	folder := flight.Folder{Path: path, Bytes: int64(f.most)}
	if u, other := hook.Unprivileged(os.Getenv); f.onFailure != "" && other {
		folder.Owner = &flight.Owner{UID: u.UID, GID: u.GID}
	}
	if err := folder.Prepare(); err != nil {
		return err
	}
	if f.onFailure != "" {
		if r.hook, err = hook.Start(f.onFailure, os.Stderr); err != nil {
			return err
		}
		r.jobs = make(chan flight.Saved, mostHooks)
	}
	r.saver = flight.NewSaver(flight.Saving{
		Folder: folder, Targets: targets, Window: time.Duration(f.window), Options: madeHere(), Saved: r.saved,
		Trouble: func(err error) { n.say("dnatrace: %s", render.Clean(err.Error())) },
	}, flight.Bounds{Age: f.keep.age, Bytes: f.keep.bytes})
	return nil
}

// beside has a run's stream kept and its failures saved, beside what it does with
// them. It is for after all else in the options is set.
func (r *flightRecorder) beside(o *pipeline.Options) {
	if r.saver == nil {
		return
	}
	tell := o.OnIncident
	o.OnIncident = func(i *correlate.Incident) {
		r.saver.Take(i)
		if tell != nil {
			tell(i)
		}
	}
	o.Record = r.saver.Ring().Beside(o.Record, o.OnTrouble)
	if r.hook != nil {
		r.ended = pipeline.Do(context.Background(), r.runHooks)
	}
	r.saver.Begin()
}

// saved tells of a recording, and has the command run.
func (r *flightRecorder) saved(s flight.Saved) {
	r.say("saved %s", render.Clean(s.Path))
	if r.also != nil {
		r.also(s)
	}
	if r.hook == nil {
		return
	}
	select {
	case r.jobs <- s:
	default:
		r.told.Do(func() {
			r.say("dnatrace: --on-failure: %d wait for their turn: not run for %s", mostHooks, render.Clean(s.Path))
		})
	}
}

func (r *flightRecorder) runHooks(context.Context) {
	for s := range r.jobs {
		if err := r.hook.Run(hook.Limit, variables(s)...); err != nil {
			r.told.Do(func() { r.say("dnatrace: --on-failure: %s", render.Clean(err.Error())) })
		}
	}
}

// variables tell a command what was saved.
func variables(s flight.Saved) []string {
	i := &s.Incident
	rule := ""
	if i.Rule != nil {
		rule = i.Rule.Text
	}
	var out []string
	for _, v := range [][2]string{
		{"FILE", s.Path}, {"VERDICT", i.Verdict.String()}, {"CAUSE", string(i.Cause)}, {"TARGET", i.Requested}, {"PROTOCOL", i.Protocol},
		{"CLIENT", i.Client}, {"CONTAINER", i.Container}, {"STAGE", string(i.Stage)}, {"RULE", rule}, {"WHY", i.Why}, {"TIME", i.First.UTC().Format(time.RFC3339Nano)},
	} {
		out = append(out, "DNATRACE_"+v[0]+"="+render.Clean(v[1]))
	}
	return out
}

// close saves what waits for it, and ends what runs.
func (r *flightRecorder) close() {
	if r.saver != nil {
		r.saver.Close()
	}
	if r.hook == nil {
		return
	}
	close(r.jobs)
	if r.ended != nil {
		select {
		case <-r.ended:
		case <-time.After(hookEnd):
		}
	}
	r.hook.Close()
}
