package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
)

// diagnoseFlags are the command line of diagnose.
type diagnoseFlags struct {
	captureFlags
	outputFlags
	targets []string
	read    []string // files instead of this host
	command []string // after --; empty: run until told to stop
}

func (a *app) diagnoseCommand() *cobra.Command {
	var f diagnoseFlags
	var expr string
	var more []string
	c := &cobra.Command{
		Use:   "diagnose [TARGET…] [-- CMD…]",
		Short: "Watch live requests to a port and say what became of each, and why",
		Long: `Watch live requests to a port and say what became of each, and why.

` + targetForms + ` Without one, all published ports
are watched. The run ends with Ctrl-C, -c, -d or CMD, whose own output goes to
standard error.

Between requests a line tells of what changed on the host and concerns them: a
container restarted, a rule added or gone, a route, an address, a setting.

--save keeps the last of what was seen on disk, and writes a recording of each new
kind of failure to a directory, with a minute before and after; --on-failure runs a
command for each, and --upload sends it to a store that speaks S3.

--verdict, --cause, --not-delivered, --since and --last say which requests are
printed, or listed with -o json; those that take the end to know are printed then.
Summary, verdict and exit code stay those of all requests.`,
		Example: `  dnatrace diagnose 8080
  dnatrace diagnose web 7000-7010/udp -d 30s -w web.pcapng
  dnatrace diagnose --save /var/lib/dnatrace --on-failure 'logger "$DNATRACE_FILE: $DNATRACE_WHY"'
  dnatrace diagnose 8080 --filter 'host 203.0.113.7'
  dnatrace diagnose 8080 -r incident.pcapng
  dnatrace diagnose 8080 --expect delivered -- curl -sm 5 http://198.51.100.1:8080/`,
		RunE: func(c *cobra.Command, args []string) error {
			f.targets, f.command = splitCommand(args, c.ArgsLenAtDash())
			f.targets = append(f.targets, more...)
			if err := checkTargets(c, f.targets); err != nil {
				return err
			}
			if err := f.check(c); err != nil {
				return err
			}
			if f.file == "-" {
				return usagef(c, "-w -: standard output gets the result; record -w - writes a recording to it")
			}
			if c.ArgsLenAtDash() >= 0 && len(f.command) == 0 {
				return usagef(c, "no command after --")
			}
			if len(f.read) > 0 {
				return a.diagnoseFiles(c, &f, expr)
			}
			if err := f.narrow(c, expr); err != nil {
				return err
			}
			f.since.settled(time.Now())
			if err := f.choose(c); err != nil {
				return err
			}
			p := a.printer(f.outputFlags)
			d, err := a.diagnose(c.Context(), f, p)
			return a.conclude(p, d, f.outputFlags, err)
		},
	}
	f.captureFlags.add(c, "requests")
	targetFlag(c, &more)
	readFlag(c, &f.read)
	c.Flags().StringVar(&expr, "filter", "", "capture only what this tcpdump expression passes, such as 'host 198.51.100.100'; what it hides is not judged")
	f.addKeep(c)
	f.addTrace(c, true)
	f.traceFlags.addTo(c)
	f.outputFlags.add(c)
	f.addJudgement(c)
	return c
}

// diagnoseFiles is diagnose -r FILE: what replay does.
func (a *app) diagnoseFiles(c *cobra.Command, f *diagnoseFlags, expr string) error {
	switch {
	case len(f.command) > 0:
		return usagef(c, "-r reads files: no command is run beside them")
	case f.file != "" || f.interfaces != nil || f.netns != "" || f.host != "" || f.save != "" || f.endpoint != "" || expr != "":
		return usagef(c, "-r reads files: -w, -i, -H, --netns, --filter, --save and --otlp are for this host")
	}
	r := replayFlags{outputFlags: f.outputFlags, files: inputsOf(f.read), targets: f.targets, verbose: f.verbose}
	if c.Flags().Changed("window") {
		r.window = f.window
	}
	if err := stdinAlone(c, r.files); err != nil {
		return err
	}
	if err := r.choose(c); err != nil {
		return err
	}
	p := a.printer(r.outputFlags)
	d, err := a.replay(c.Context(), r, p)
	return a.conclude(p, d, r.outputFlags, err)
}

// splitCommand parts the targets from the command after --; dash is the number
// of arguments before it, or -1.
func splitCommand(args []string, dash int) (targets, command []string) {
	if dash < 0 {
		return args, nil
	}
	return args[:dash], args[dash:]
}

// diagnose watches a live host until ctx ends and judges what it sees.
func (a *app) diagnose(ctx context.Context, f diagnoseFlags, p render.Printer) (*correlate.Document, error) {
	out, err := a.export(ctx, &f.traceFlags, false)
	if err != nil {
		return nil, err
	}
	defer out.close()
	up, err := a.upload(ctx, &f.captureFlags, out.saved())
	if err != nil {
		return nil, err
	}
	defer up.close()
	s, err := a.open(ctx, &f.captureFlags, f.targets, len(f.command) > 0)
	if err != nil {
		return nil, err
	}
	ctx, cancel := bounded(ctx, f.duration)
	defer cancel()
	o := pipeline.Options{Options: judge.Options{Targets: f.targets, Window: time.Duration(f.window), Memory: liveRequests}, MaxRequests: f.count, Record: s.record}
	f.tell(&o, p)
	changed(&o, f.targets, p)
	o.OnTrouble = s.unwritten(a)
	if len(f.command) > 0 {
		to := a.err
		if a.raw != nil {
			to = a.raw
		}
		if o.Drain, err = pipeline.Start(ctx, f.command, to); err != nil {
			s.close()
			return nil, err
		}
	} else if t := a.telling(f.verbose); t != nil { // the command has the terminal to itself
		began := time.Now()
		o.OnStatus = func(s correlate.Status) { t.say(statusText(s, time.Since(began))) }
		defer t.end()
	}
	s.flight.beside(&o)
	out.beside(&o)
	d, err := pipeline.Run(ctx, out.listen(s.Source()), o)
	return d, errors.Join(err, s.close())
}
