package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/inputs"
	"dnatrace/cmd/internal/annotate"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// annotateFlags are the command line of annotate.
type annotateFlags struct {
	files   []inputs.Input
	out     string
	targets []string
	window  durationFlag
	point   string // "" all
	verbose bool
}

func (a *app) annotateCommand() *cobra.Command {
	f := annotateFlags{window: durationFlag(defaultWindow)}
	var points []string
	c := &cobra.Command{
		Use:   "annotate FILE|FOLDER… -w OUT.pcapng [--point NAME]",
		Short: "Write a capture that stock Wireshark shows annotated",
		Long: `Write one capture of what replay reads, for Wireshark, tshark and their like: an
interface for each point, the same packet identifier (epb_packetid) for one packet
at all points, names for the addresses of containers, the other evidence between
the packets, and comments where something happened. The first packet of each
request says what became of it, and why.

With --point NAME, the packets of that point alone are written: one segment, in
which nothing is seen twice, for the analysis of TCP. (--point NAME=FILE says where
a capture was taken, as in replay.)

The file appears when it is whole. -w - writes to standard output. Runs on any
system and needs no privilege.`,
		Example: `  dnatrace annotate incident.pcapng -w annotated.pcapng
  dnatrace annotate incident.pcapng -w - --point eth0 | wireshark -k -i -
  tshark -r annotated.pcapng -Y frame.comment -T fields -e frame.number -e frame.comment`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if len(args)+len(points) == 0 {
				return usagef(c, "no file to annotate")
			}
			if f.out == "" {
				return usagef(c, "no file to write: name one with -w")
			}
			if f.window == 0 {
				return usagef(c, "--window 0: must be longer than 0")
			}
			if !c.Flags().Changed("window") {
				f.window = 0 // the recording's own
			}
			if points, err = f.choose(c, points); err != nil {
				return err
			}
			if f.files, err = namedFiles(c, args, points); err != nil {
				return err
			}
			if err = stdinAlone(c, f.files); err != nil {
				return err
			}
			return a.annotate(c.Context(), &f)
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.out, "write", "w", "", "write the capture to this file; - is standard output")
	verboseFlag(c, &f.verbose)
	fl.StringArrayVar(&f.targets, "target", nil, "annotate only requests to this, as in diagnose; may be given more than once")
	fl.StringArrayVar(&points, "point", nil, "NAME: write the packets of this point alone; NAME=FILE: read a capture of one interface, which was taken at this point")
	fl.Var(&f.window, "window", "how long a request may go unanswered before it is judged")
	return c
}

// choose takes the point to write out of the values of --point; the others name
// files.
func (f *annotateFlags) choose(c *cobra.Command, points []string) (named []string, err error) {
	for _, s := range points {
		switch {
		case strings.Contains(s, "="):
			named = append(named, s)
		case f.point != "":
			return nil, usagef(c, "--point %q: %s is chosen already", s, f.point)
		default:
			f.point = s
		}
	}
	return named, nil
}

// annotate writes the capture, and on a.err what it holds.
func (a *app) annotate(ctx context.Context, f *annotateFlags) error {
	a.confine(f.files, f.out)
	files, done, err := spooled(ctx, f.files)
	if err != nil {
		return err
	}
	defer done()
	in, err := a.openFor(f.out, files...)
	if err != nil {
		return err
	}
	o := annotate.Options{Targets: f.targets, Window: time.Duration(f.window), Point: f.point, Program: "dnatrace " + buildVersion()}
	defer a.progress(f.verbose, "annotate", in.Info)()
	d, err := written(f.out, a.out, func(w io.Writer) (*correlate.Document, error) {
		d, err := annotate.Write(ctx, in.Source, w, o)
		if err == nil && f.point != "" && !hasPackets(d, f.point) {
			err = fmt.Errorf("write %s: no packet was seen at %s", f.out, f.point)
		}
		return d, err
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "wrote %s: %s, %s\n", render.Clean(f.out), plural(len(d.Requests), "request"), outcome(d))
	return nil
}

// hasPackets reports whether anything was seen at a point.
func hasPackets(d *correlate.Document, point string) bool {
	return slices.ContainsFunc(d.Recording.Points, func(p correlate.PointReport) bool { return p.Name == point && p.Packets > 0 })
}

// written has a file written that appears when it is whole; "-" is out.
func written(path string, out io.Writer, write func(io.Writer) (*correlate.Document, error)) (d *correlate.Document, err error) {
	if path == "-" {
		return write(out)
	}
	file, err := createWhole(path)
	if err != nil {
		return nil, err
	}
	d, err = write(file)
	return d, file.finish(err)
}
