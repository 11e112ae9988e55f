package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/spf13/cobra"

	"dnatrace/capture"
	"dnatrace/capture/inputs"
	"dnatrace/cmd/internal/cut"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/decode/excerpt"
)

// minimiseFlags are the command line of minimise.
type minimiseFlags struct {
	verbose  bool
	files    []inputs.Input
	out      string
	targets  []string
	requests []string
	all      bool
}

func (a *app) minimiseCommand() *cobra.Command {
	var f minimiseFlags
	var points []string
	c := &cobra.Command{
		Use:   "minimise FILE… -w OUT [--target TARGET]… [--request ID]…",
		Short: "Keep of a recording only what its judgement rests on",
		Long: `Keep of a recording only the packets and the state that its judgement rests on: of
one request, the one that the verdict of the run is about, unless --request or
--all name others. The result is replayed before the file appears: verdict, cause,
stage, rule, fix, proof and hops of the requests are the same, or else more is
kept, and it is said what. An OUT that ends in .gz is compressed.

Together with redact it makes a fixture for a test: see docs/FIXTURES.md.`,
		Example: `  dnatrace minimise incident.pcapng -w small.pcapng.gz
  dnatrace minimise incident.pcapng -w one.pcapng --request 17
  dnatrace minimise captures/ -w web.pcapng --target 8080 --all`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			switch {
			case len(args)+len(points) == 0:
				return usagef(c, "no file to minimise")
			case f.out == "" || f.out == "-":
				return usagef(c, "no file to write: name one with -w")
			case f.all && len(f.requests) > 0:
				return usagef(c, "--all and --request: give one of them")
			}
			if f.files, err = namedFiles(c, args, points); err != nil {
				return err
			}
			return a.minimise(c.Context(), &f)
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.out, "write", "w", "", "write the recording to this file")
	fl.StringArrayVar(&f.targets, "target", nil, "look only at requests to this, as in replay; may be given more than once")
	fl.StringArrayVar(&f.requests, "request", nil, "keep the request with this id of replay -o json; may be given more than once")
	verboseFlag(c, &f.verbose)
	fl.BoolVar(&f.all, "all", false, "keep every request that is judged")
	fl.StringArrayVar(&points, "point", nil, "NAME=FILE: read a capture of one interface, which was taken at this point")
	return c
}

// minimise writes the least of a recording that is judged the same.
func (a *app) minimise(ctx context.Context, f *minimiseFlags) error {
	in, err := a.openFor(f.out, f.files...)
	if err != nil {
		return err
	}
	defer a.progress(f.verbose, "minimise", in.Info)()
	was, err := pipeline.Run(ctx, in.Source, pipeline.Options{Options: judge.Options{Targets: f.targets, Keep: -1}})
	if err != nil {
		return err
	}
	chosen, err := f.choose(was)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		fmt.Fprintln(a.err, "no request was judged: there is nothing to keep")
		a.code = exitNothing
		return nil
	}
	file, err := createWhole(f.out)
	if err != nil {
		return err
	}
	return file.finish(a.smallest(ctx, f, in.Source, file, was, chosen))
}

// choose picks the requests that are kept: those asked for, else the first one
// with the verdict and cause of the run.
func (f *minimiseFlags) choose(d *correlate.Document) ([]*correlate.Incident, error) {
	var chosen []*correlate.Incident
	for i := range d.Requests {
		r := &d.Requests[i]
		switch {
		case f.all, slices.Contains(f.requests, r.ID):
			chosen = append(chosen, r)
		case len(f.requests) == 0 && len(chosen) == 0 && r.Verdict == d.Verdict && r.Cause == d.Cause:
			chosen = append(chosen, r)
		}
	}
	for _, id := range f.requests {
		if !slices.ContainsFunc(chosen, func(r *correlate.Incident) bool { return r.ID == id }) {
			return nil, remedied{fmt.Errorf("find request %q: there is none with this id", id), "dnatrace replay -o json | jq '.requests[].id' lists them"}
		}
	}
	return chosen, nil
}

// smallest tries one extent after the other, until what was written is judged
// the same.
func (a *app) smallest(ctx context.Context, f *minimiseFlags, src capture.Source, file *wholeFile, was *correlate.Document, chosen []*correlate.Incident) error {
	want := cut.Wanted(chosen)
	var why string
	for extent := excerpt.Concerned; extent <= excerpt.Everything; extent++ {
		if why != "" {
			fmt.Fprintf(a.err, "%s\nkeeping %s\n", render.Clean(why), extent)
		}
		kept, size, err := writeExcerpt(ctx, file, strings.HasSuffix(f.out, ".gz"), src, want, extent)
		if err != nil || file.path == "" {
			return err
		}
		is, err := rejudge(ctx, file, f.targets...)
		if err != nil {
			return err
		}
		if why = cut.Changed(chosen, is); why == "" {
			fmt.Fprintf(a.err, "wrote %s: %d of %d packets, %d bytes, %s, judged as before\n", render.Clean(f.out), kept, packetsOf(was), size, plural(len(chosen), "request"))
			return nil
		}
	}
	return fmt.Errorf("minimise: even with everything kept, %s", why)
}

func packetsOf(d *correlate.Document) (n uint64) {
	for _, p := range d.Recording.Points {
		n += p.Packets
	}
	return n
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// writeExcerpt writes over what the file held.
func writeExcerpt(ctx context.Context, file *wholeFile, packed bool, src capture.Source, want excerpt.Want, extent excerpt.Extent) (packets uint64, size int64, err error) {
	if file.path != "" {
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			return 0, 0, fmt.Errorf("write recording: %w", err)
		}
		if err := file.Truncate(0); err != nil {
			return 0, 0, fmt.Errorf("write recording: %w", err)
		}
	}
	out := io.Writer(file)
	z, _ := gzip.NewWriterLevel(file, gzip.BestCompression) // the level is one of its own
	if packed {
		out = z
	}
	packets, err = cut.Write(ctx, out, madeHere(), src, want, extent)
	if packed && err == nil {
		err = z.Close()
	}
	if err != nil || file.path == "" {
		return packets, 0, err
	}
	size, err = file.Seek(0, io.SeekEnd)
	return packets, size, err
}
