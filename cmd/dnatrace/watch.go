package main

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture"
	"dnatrace/capture/inputs"
	"dnatrace/capture/pages"
	"dnatrace/capture/target"
	"dnatrace/cmd/internal/flight"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/watch"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/correlate/judge"
)

// watchFlags are the command line of watch.
type watchFlags struct {
	captureFlags
	outputFlags
	targets  []string
	interval durationFlag
	lines    bool     // even on a terminal
	onScreen bool     // otherwise, on one
	replay   []string // files to watch instead of this host
	speed    float64  // of it; 0 is as fast as it can be read
	metrics  listenFlag
	config   configFlags
}

func (a *app) watchCommand() *cobra.Command {
	f := watchFlags{interval: durationFlag(10 * time.Second), speed: 1}
	var expr string
	var more []string
	c := &cobra.Command{
		Use:   "watch [TARGET…]",
		Short: "Stay beside published ports: what is asked of them, and what fails and why",
		Long: `Stay beside published ports: what is asked of them, how fast they answer, and what
fails and why.

` + targetForms + ` Without one, all published ports
are watched. The run ends with Ctrl-C, -c or -d.

On a terminal it is a screen: the ports with their state, rates, verdicts, times and
last failures; Enter opens a port, its kinds of failures and its last requests, and
then the way of a request with the rule that decided and the fix. w saves a recording
of the last minutes to the working directory, r one and a report; ? names the keys.

Elsewhere, and with --lines, one line is printed each --interval, and each first
failure of a kind in full, as diagnose prints it; equal ones are counted. -o jsonl writes the objects of diagnose,
and an "interval" object each --interval. -o json and markdown print at the end, as
diagnose does; json lists the worst 100 requests.

--save writes a recording of each new kind of failure, as diagnose does; --upload sends
it to a store that speaks S3, where replay and report read it by its s3://… name.

--metrics serves Prometheus at /metrics as long as the run lasts, and /healthz: requests
by port, container, verdict and cause, how long they took, packets and losses. A port
alone, or :9469, is one of the loopback.

--otlp sends traces and logs to an OpenTelemetry receiver: each failure, and one in
--trace-sample of what was delivered. Hosts that share --trace-secret show the same
request in the same trace.

--config takes flags from a file, DNATRACE_WATCH_… from the environment; --check-config
says which hold, and ends.

--replay watches recordings, or anyone's captures and dumps, at the pace at which
they were taken, without privilege and on any OS.`,
		Example: `  sudo dnatrace watch
  sudo dnatrace watch shop/web 9000 --interval 1m >> watch.log
  sudo dnatrace watch -o jsonl | jq -c 'select(.type == "interval")'
  sudo dnatrace watch --lines --metrics 127.0.0.1:9469
  sudo dnatrace watch --lines --otlp grpc://collector.example:4317 --trace-secret /etc/dnatrace/secret
  dnatrace watch --replay incident.pcapng --speed 10`,
		RunE: func(c *cobra.Command, args []string) error {
			targets, err := f.config.apply(c, append(args, more...))
			if err != nil {
				return err
			}
			f.targets, f.onScreen = targets, a.hasScreen() && !f.lines && f.format == formatFlag(render.FormatTable)
			if err := checkTargets(c, f.targets); err != nil {
				return err
			}
			if err := f.check(c, expr); err != nil {
				return err
			}
			if f.config.check {
				return a.checkConfig(c, &f)
			}
			return a.watch(c.Context(), &f)
		},
	}
	f.captureFlags.add(c, "requests")
	c.Flags().StringVar(&expr, "filter", "", "capture only what this tcpdump expression passes; what it hides is not judged")
	f.addKeep(c)
	f.addTrace(c, true)
	f.outputFlags.add(c)
	c.Flags().Var(&f.interval, "interval", "print a line this often, where the output is no terminal")
	c.Flags().BoolVar(&f.lines, "lines", false, "print lines on a terminal, too")
	f.traceFlags.addTo(c)
	f.config.addTo(c)
	c.Flags().Var(&f.metrics, "metrics", "serve metrics to Prometheus at this address (127.0.0.1:9469)")
	targetFlag(c, &more)
	c.Flags().StringArrayVarP(&f.replay, "read", "r", nil, "the same as --replay")
	c.Flags().StringArrayVar(&f.replay, "replay", nil, "watch this recording, capture or folder instead of this host; may be given more than once")
	c.Flags().Float64Var(&f.speed, "speed", 1, "with --replay: so many times as fast as it was taken (0: as fast as it can be read)")
	return c
}

// check refuses what has no meaning.
func (f *watchFlags) check(c *cobra.Command, expr string) error {
	if err := f.captureFlags.check(c); err != nil {
		return err
	}
	switch {
	case f.file == "-":
		return usagef(c, "-w -: standard output gets the result; record -w - writes a recording to it")
	case f.interval == 0:
		return usagef(c, "--interval 0: must be longer than 0")
	case f.speed < 0:
		return usagef(c, "--speed %g: must not be negative", f.speed)
	case len(f.replay) == 0 && c.Flags().Changed("speed"):
		return usagef(c, "--speed is for --replay")
	case len(f.replay) > 0 && (f.file != "" || f.interfaces != nil || f.filter != nil || f.engineFlags != engineFlags{} || f.save != ""):
		return usagef(c, "--replay reads files: -w, -i, -H, --context, --netns and --save are for this host")
	case len(f.replay) > 0 && expr != "":
		return usagef(c, "--replay reads files: --filter is for this host")
	case len(f.replay) > 0 && !c.Flags().Changed("window"):
		f.window = 0 // the recording's own
	}
	f.summary = f.format == formatFlag(render.FormatJSON)
	return f.narrow(c, expr)
}

// watch stays until it is told to end.
func (a *app) watch(ctx context.Context, f *watchFlags) error {
	told, err := a.serve(f)
	if err != nil {
		return err
	}
	defer told.close()
	out, err := a.export(ctx, &f.traceFlags, len(f.replay) > 0)
	if err != nil {
		return err
	}
	defer out.close()
	up, err := a.upload(ctx, &f.captureFlags, out.saved())
	if err != nil {
		return err
	}
	defer up.close()
	var g *guard
	if f.onScreen {
		if g, err = standGuard(); err != nil {
			return err
		}
		defer g.end()
	}
	src, done, err := a.watched(ctx, f)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(ctx, f.duration)
	defer cancel()
	w := &watcher{model: watch.New(target.Shown(f.targets), 0)}
	told.feed(&src, w)
	out.counted(told)
	out.feed(&src)
	var d *correlate.Document
	if f.onScreen {
		d, err = a.watchScreen(ctx, f, w, src)
		g.end()
	} else {
		d, err = a.watchLines(ctx, f, w, src)
	}
	return a.conclude(w.printer, d, f.outputFlags, errors.Join(err, done()))
}

// source is what is watched, with what it is recorded by.
type source struct {
	capture.Source
	options pipeline.Options
	beside  func(*pipeline.Options) // for when all else in the options is set
	saver   *flight.Saver           // of failures; nil for none
	past    past
}

// watched opens this host, or the files of --replay.
func (a *app) watched(ctx context.Context, f *watchFlags) (src source, done func() error, err error) {
	o := judge.Options{Targets: f.targets, Window: time.Duration(f.window), Keep: mostInSummary}
	if len(f.replay) > 0 {
		src.Source, err = a.replayed(f)
		o.Advise = pages.Large
		src.options = pipeline.Options{Options: o, MaxRequests: f.count}
		src.beside = func(*pipeline.Options) {}
		return src, func() error { return nil }, err
	}
	if f.onScreen {
		f.savesTo = "."
	}
	s, err := a.open(ctx, &f.captureFlags, f.targets, false)
	if err != nil {
		return src, nil, err
	}
	o.Memory = liveRequests
	src.Source, src.options = s.Source(), pipeline.Options{Options: o, MaxRequests: f.count, Record: s.record, OnTrouble: s.unwritten(a)}
	src.beside, src.saver = s.flight.beside, s.flight.saver
	if f.onScreen {
		s.hold()
	}
	return src, s.close, nil
}

// replayed is the stream of files, at their own pace.
func (a *app) replayed(f *watchFlags) (capture.Source, error) {
	var files []inputs.Input
	for _, path := range f.replay {
		files = append(files, inputs.Input{Path: path})
	}
	l := reading(files, filepath.Join(".", "saved with a key"))
	l.Network, l.Read = true, append(l.Read, forNames...) // the screen, and who asks for metrics
	a.within(l)
	in, err := inputs.Open(files...)
	if err != nil {
		return nil, err
	}
	a.passedOver(in)
	sparing()
	if f.speed == 0 {
		return in.Source, nil
	}
	return inputs.Paced(in.Source, f.speed), nil
}

// watcher is a model that a run feeds, and others look at meanwhile.
type watcher struct {
	mu      sync.Mutex
	model   *watch.Model
	around  surroundings
	printer render.Printer // ends the output
}

// feed has a run tell the model.
func (w *watcher) feed(o *pipeline.Options) {
	o.OnIncident = func(i *correlate.Incident) { w.with(func(m *watch.Model) { m.Take(i) }) }
	if o.MaxRequests == 0 { // who counts them wants each
		o.OnPlain = func(r correlate.Plain) (enough bool) {
			w.with(func(m *watch.Model) { enough = m.Plain(r) })
			return enough
		}
	}
	o.OnTime = func(now time.Time, _ func() correlate.Status) { w.with(func(m *watch.Model) { m.Advance(now) }) }
	o.OnFlood = func(f *correlate.FloodReport) { w.with(func(m *watch.Model) { m.Flood(f) }) }
	o.OnStart = func(d *correlate.Document) {
		if d.Target != "" {
			w.with(func(m *watch.Model) { m.Target(d.Target) })
		}
	}
}

func (w *watcher) with(f func(*watch.Model)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.model)
}

// relist has the ports listed anew if they may have changed.
func (w *watcher) relist() {
	if !w.around.news() {
		return
	}
	if s := w.around.state(); s.Engine() != nil {
		list := foresee.List(s, foresee.Options{})
		w.with(func(m *watch.Model) { m.SetPorts(list.Ports) })
	}
}

// relistEvery is how often ports are looked for that came or went.
const relistEvery = 2 * time.Second

// tapped is a source that tells of the ports, until stop is called.
func (w *watcher) tapped(src capture.Source) (tapped capture.Source, stop func()) {
	return w.around.tap(src, w.relist), pipeline.Every(relistEvery, w.relist)
}
