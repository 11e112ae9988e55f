package main

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture/inputs"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate/compare"
	"dnatrace/correlate/judge"
	"dnatrace/decode"
)

// diffFlags are the command line of diff.
type diffFlags struct {
	good, bad string
	targets   []string
	format    lookFormat
}

func (a *app) diffCommand() *cobra.Command {
	f := diffFlags{format: lookFormat(render.FormatTable)}
	c := &cobra.Command{
		Use:   "diff GOOD [BAD] [--good ID] [--bad ID]",
		Short: "Say where two requests part, and what differs there",
		Long: `Say where two requests part, and what differs there: who asked and for what, the
way in, translation, rules, routes, settings, sockets, versions.

GOOD and BAD are recordings, captures or folders, whatever replay reads; with one
alone, both requests are of it. The good one is the first that was delivered, the
bad one the first that failed as the run did, unless --good and --bad name others
by the ids of replay -o json.

Exit codes: 0 no difference; 1 they differ; 2 trouble; 3 nothing to compare.`,
		Example: `  dnatrace diff from-host.pcapng from-outside.pcapng
  dnatrace diff yesterday.pcapng today.pcapng --target 8080
  dnatrace diff incident.pcapng --good 3 --bad 17`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 || len(args) > 2 {
				return usagef(c, "give one or two files to compare")
			}
			return a.diff(c.Context(), args, &f)
		},
	}
	fl := c.Flags()
	fl.VarP(&f.format, "output", "o", "how to print the result")
	fl.StringVar(&f.good, "good", "", "id of the request that is as it should be")
	fl.StringVar(&f.bad, "bad", "", "id of the request that is not")
	fl.StringArrayVar(&f.targets, "target", nil, "look only at requests to this, as in replay; may be given more than once")
	return c
}

// diff compares a request of the first file with one of the last.
func (a *app) diff(ctx context.Context, files []string, f *diffFlags) error {
	a.confine(inputsOf(files))
	good, err := a.side(ctx, files[0], f.targets, f.good, true)
	if err != nil {
		return err
	}
	bad, err := a.side(ctx, files[len(files)-1], f.targets, f.bad, false)
	if err != nil {
		return err
	}
	switch {
	case good == nil, bad == nil:
		return a.nothingToCompare("no request was judged")
	case len(files) == 1 && good.Incident.ID == bad.Incident.ID:
		return a.nothingToCompare("one request alone: name two with --good and --bad, or give a second file")
	}
	if good.File == bad.File && len(files) == 2 {
		good.File, bad.File = apartNames(files[0], files[1])
	}
	r := compare.Compare(*good, *bad)
	if !r.Same {
		a.code = exitFailed
	}
	return render.WriteDiff(a.out, r, render.Format(f.format), a.look)
}

// apartNames are the names of two files of the same name: with as much of their paths
// as tells them apart.
func apartNames(a, b string) (string, string) {
	x, y := strings.Split(filepath.ToSlash(filepath.Clean(a)), "/"), strings.Split(filepath.ToSlash(filepath.Clean(b)), "/")
	for n := 2; n <= min(len(x), len(y)); n++ {
		s, t := strings.Join(x[len(x)-n:], "/"), strings.Join(y[len(y)-n:], "/")
		if s != t {
			return s, t
		}
	}
	return a, b
}

func (a *app) nothingToCompare(why string) error {
	fmt.Fprintf(a.err, "nothing to compare: %s\n", why)
	a.code = exitNothing
	return nil
}

// side judges a file, picks its request and reads the state that it met; nil if
// there is no request.
func (a *app) side(ctx context.Context, path string, targets []string, id string, good bool) (*compare.Side, error) {
	in, err := inputs.Open(inputs.Input{Path: path})
	if err != nil {
		return nil, err
	}
	a.passedOver(in)
	d, err := pipeline.Run(ctx, in.Source, pipeline.Options{Options: judge.Options{Targets: targets, Keep: -1}})
	if err != nil {
		return nil, err
	}
	i := compare.Choose(d, id, good)
	if i == nil && id != "" {
		return nil, remedied{fmt.Errorf("find request %q in %s: there is none with this id", id, path), "dnatrace replay -o json | jq '.requests[].id' lists them"}
	}
	if i == nil {
		return nil, nil
	}
	s := &compare.Side{File: filepath.Base(path), Incident: i, Points: d.Recording.Points, World: compare.NewWorld(i.First)}
	return s, readWorld(ctx, in, s.World)
}

// readWorld reads the state in a file a second time: only now is it known which
// time counts.
func readWorld(ctx context.Context, in *inputs.Opened, w *compare.World) error {
	for b, err := range in.Source(ctx) {
		if err != nil {
			return err
		}
		for _, r := range b.Records {
			events, _ := decode.Control(r) // what is damaged was told by the judging
			for _, e := range events {
				w.Take(e)
			}
		}
	}
	return nil
}
