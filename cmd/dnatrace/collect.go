package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"dnatrace/capture"
	"dnatrace/capture/collector"
	"dnatrace/capture/filter"
	"dnatrace/capture/live"
	"dnatrace/capture/opener"
	"dnatrace/capture/privilege"
	"dnatrace/capture/target"
)

// collectCommand is what a collector runs. It is for no one else: what it reads and
// writes is told in package collector.
func (a *app) collectCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "collector",
		Short:  "Watch this host for a run on another machine, which speaks over standard input and output",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(c *cobra.Command, _ []string) error {
			err := a.collect(c.Context())
			if err == nil {
				return nil
			}
			if collector.Tell(os.Stderr, collector.Word{Error: whole(err)}) == nil {
				a.code = exitTrouble // it was told
				return nil
			}
			return err
		},
	}
}

// whole is an error with what to do about it.
func whole(err error) string {
	if r := remedy(err); r != "" {
		return err.Error() + ": " + r
	}
	return err.Error()
}

// collect does one job.
func (a *app) collect(ctx context.Context) error {
	if runtime.GOOS != "linux" {
		return errors.New("collect: needs Linux")
	}
	ctx, r, relay, err := collector.Listen(ctx, os.Stdin)
	if err != nil {
		return err
	}
	switch r.Job {
	case collector.Watch:
		return a.collectLive(ctx, r, relay)
	case collector.Look:
		return a.collectState(ctx, r, relay)
	case collector.Doctor:
		return a.collectReport(ctx, r, relay)
	}
	return fmt.Errorf("collect: %q is no job of this version: give dnatrace and the collector the same one", r.Job)
}

// collectLive watches until the other side has enough.
func (a *app) collectLive(ctx context.Context, r *collector.Request, relay *collector.Relay) (err error) {
	sparing()
	c := live.Config{
		Everything: r.Everything, Interfaces: r.Interfaces, SnapLen: r.SnapLen, Window: r.Window, Program: r.Program,
		Trace: r.Trace, NoDrops: r.NoDrops, NoConntrack: r.NoTracking, Unrecorded: r.Unrecorded,
	}
	if c.Targets, err = target.ParseAll(r.Targets); err != nil {
		return err
	}
	if r.Filter != "" {
		if c.Filter, err = filter.Parse(r.Filter); err != nil {
			return err
		}
	}
	if c.NoEngine = relay.Absent(ctx); c.NoEngine == "" {
		c.Engine = relay
	}
	if c.Opener, err = opener.Start(); err != nil {
		return err
	}
	defer c.Opener.Close()
	s, err := live.Open(ctx, c)
	if err != nil {
		return err
	}
	if err := a.dropHere(); err != nil {
		_ = collector.Tell(os.Stderr, collector.Word{Note: err.Error()})
	}
	if err := collector.Tell(os.Stderr, collector.Word{Armed: true, Points: s.Points(), Sources: s.Sources()}); err != nil {
		return err
	}
	to := sender()
	for b, err := range s.Source()(ctx) {
		if err == nil {
			err = to.Send(b)
		}
		if err != nil {
			return err
		}
	}
	if n := s.Late(); n > 0 {
		_ = collector.Tell(os.Stderr, collector.Word{Note: lateText(n)})
	}
	if text := s.Paced(); text != "" {
		_ = collector.Tell(os.Stderr, collector.Word{Note: "rule trace " + text})
	}
	return to.Close()
}

// dropHere leaves a collector its sockets and its streams.
func (a *app) dropHere() error {
	if !a.alone {
		return opener.Drop()
	}
	a.alone = false
	return privilege.Confine(privilege.Limits{Network: true})
}

// collectState sends what the host is like now.
func (a *app) collectState(ctx context.Context, r *collector.Request, relay *collector.Relay) error {
	g := live.Glance{Program: r.Program, Opener: opener.Local()}
	if g.NoEngine = relay.Absent(ctx); g.NoEngine == "" {
		g.Engine = relay
	}
	records, err := live.Look(ctx, g)
	if err != nil {
		return err
	}
	if err := collector.Tell(os.Stderr, collector.Word{Armed: true}); err != nil {
		return err
	}
	to := sender()
	end := capture.Record{Time: records[len(records)-1].Time, Origin: capture.OriginMeta, Kind: capture.KindEnd, Data: []byte("{}")}
	return errors.Join(to.Send(&capture.Batch{Records: append(records, end)}), to.Close())
}

// collectReport tells which evidence the host gives.
func (a *app) collectReport(ctx context.Context, r *collector.Request, relay *collector.Relay) error {
	c := live.Config{Program: r.Program}
	if c.NoEngine = relay.Absent(ctx); c.NoEngine == "" {
		c.Engine = relay
	}
	b, err := json.Marshal(a.report(ctx, c))
	if err != nil {
		return err
	}
	return collector.Tell(os.Stderr, collector.Word{Report: b})
}

// sender writes to the other side.
func sender() *collector.Sender {
	return collector.NewSender(os.Stdout, madeHere())
}
