package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/inputs"
	"dnatrace/capture/pages"
	"dnatrace/capture/recording"
	"dnatrace/capture/target"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	incident "dnatrace/cmd/internal/report"
	"dnatrace/cmd/internal/report/collect"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
)

// mostEmbedded is how many bytes of recordings --embed puts into a page: more
// than that, mail and browsers do not take.
const mostEmbedded = 16 << 20

// reportFlags are the command line of report.
type reportFlags struct {
	files    []inputs.Input
	targets  []string
	window   durationFlag
	out      string
	format   string
	forIssue bool
	embed    bool
	summary  bool
	verbose  bool
	selectionFlags
	selected render.Selection
}

func (a *app) reportCommand() *cobra.Command {
	f := reportFlags{window: durationFlag(defaultWindow)}
	var points []string
	c := &cobra.Command{
		Use:   "report FILE… -o incident.html|.md|.json",
		Short: "Write the incident report: one page that says what happened, and shows it",
		Long: `Write the incident report from recordings, captures, dumps and folders of them:
whatever replay reads. The ending of -o says what is written:

  .html  one self-contained page: it needs no network, prints, and is readable on
         a phone; its answer, pictures, packets and tables need no scripts
  .md    the same as Markdown, which renders on GitHub
  .json  the document, as replay -o json prints it

-o - writes to standard output, as --format says. A file appears whole or not at
all, readable by its owner alone. What is in the report is as confidential as the
recording: addresses, names and rules, but no payload unless it is embedded.

Exit code: 0 when the report was written, whatever it says; 2 for trouble.`,
		Example: `  dnatrace report incident.pcapng -o incident.html
  dnatrace report incident.pcapng -o incident.html --embed
  dnatrace report captures/ --target 8080 -o incident.md
  dnatrace report incident.pcapng --for-issue`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if err := f.check(c, args, points); err != nil {
				return err
			}
			if f.files, err = namedFiles(c, args, points); err != nil {
				return err
			}
			if !c.Flags().Changed("window") {
				f.window = 0 // the recording's own
			}
			if f.selected, err = f.selection(c); err != nil {
				return err
			}
			return a.writeReport(c.Context(), &f)
		},
	}
	fl := c.Flags()
	fl.StringVarP(&f.out, "output", "o", "", "the file to write: its ending (.html, .md, .json) is the format; - is standard output")
	fl.StringVar(&f.format, "format", "", "html|markdown|json, where the name does not say")
	fl.BoolVar(&f.forIssue, "for-issue", false, "what the maintainers of an engine ask for, as Markdown (default: to standard output)")
	fl.BoolVar(&f.embed, "embed", false, "put the recordings into the page, to be saved from it")
	fl.BoolVar(&f.summary, "summary", false, "with .json: only the worst 100 requests")
	fl.StringArrayVar(&f.targets, "target", nil, "judge only requests to this, as in diagnose; may be given more than once")
	fl.StringArrayVar(&points, "point", nil, "NAME=FILE: read a capture of one interface, which was taken at this point")
	fl.Var(&f.window, "window", "how long a request may go unanswered before it is judged")
	f.selectionFlags.add(c)
	verboseFlag(c, &f.verbose)
	return c
}

// check settles the format and refuses what has no meaning.
func (f *reportFlags) check(c *cobra.Command, args, points []string) error {
	if len(args)+len(points) == 0 {
		return usagef(c, "no file to report on")
	}
	if f.window == 0 {
		return usagef(c, "--window 0: must be longer than 0")
	}
	if f.forIssue && f.out == "" {
		f.out = "-"
	}
	if f.out == "" {
		return usagef(c, "no file to write: name one with -o")
	}
	if f.forIssue && f.format == "" {
		f.format = "markdown"
	}
	if f.format == "" {
		f.format = endings[strings.ToLower(filepath.Ext(f.out))]
	}
	switch {
	case !slices.Contains([]string{"html", "markdown", "json"}, f.format) && f.format != "":
		return usagef(c, "--format %q: is none of html, markdown, json%s", f.format, meant(f.format))
	case f.format == "" && f.out == "-":
		return usagef(c, "-o -: standard output has no name that says what to write: add --format html, markdown or json")
	case f.format == "":
		return usagef(c, "-o %q: -o names the file, whose ending says the format (.html, .md, .json): give it one, or add --format%s", f.out, meant(f.out))
	case f.forIssue && f.format != "markdown":
		return usagef(c, "--for-issue writes Markdown, not %s", f.format)
	case f.embed && f.format != "html":
		return usagef(c, "--embed: only a page (.html) can hold a recording")
	}
	return nil
}

// meant shows how a format is asked for that was given in another's place.
func meant(word string) string {
	switch word = strings.ToLower(strings.TrimPrefix(word, ".")); word {
	case "html", "htm", "page":
		return " (as in -o incident.html)"
	case "md", "markdown":
		return " (as in -o incident.md)"
	case "json", "jsonl":
		return " (as in -o incident.json)"
	}
	return ""
}

var endings = map[string]string{".html": "html", ".htm": "html", ".md": "markdown", ".markdown": "markdown", ".json": "json"}

// writeReport judges the files, gathers what the report tells beside, and writes
// it.
func (a *app) writeReport(ctx context.Context, f *reportFlags) error {
	in, err := a.openFor(f.out, f.files...)
	if err != nil {
		return err
	}
	o := pipeline.Options{Options: judge.Options{Targets: f.targets, Window: time.Duration(f.window), Keep: f.keep(), Advise: pages.Large}}
	var b bytes.Buffer
	p := f.printer(&b)
	if !f.selected.All() { // what is listed is up to the printer
		o.Keep, o.OnIncident, o.Updates = 0, p.Incident, true
	}
	defer a.progress(f.verbose, "report", in.Info)()
	d, err := pipeline.Run(ctx, in.Source, o)
	if err != nil {
		return err
	}
	if f.format == "json" || !f.selected.All() {
		err = p.End(d)
	}
	if err == nil && f.format != "json" {
		err = a.layOut(ctx, &b, f, in, d)
	}
	if err != nil {
		return err
	}
	return a.deliver(f.out, b.Bytes())
}

// printer gets the selected requests, and writes them as JSON, or puts the worst of
// them into the document.
func (f *reportFlags) printer(w io.Writer) render.Printer {
	if f.format != "json" {
		return render.Select(&render.Worst{Most: incident.MaxRequests}, f.selected)
	}
	look := render.Options{Overflow: overflow}
	if f.summary {
		look.Worst = mostInSummary
	}
	return render.Select(render.New(w, render.FormatJSON, look), f.selected)
}

// keep is how many requests the document lists.
func (f *reportFlags) keep() int {
	switch {
	case f.format != "json":
		return incident.MaxRequests
	case f.summary:
		return mostInSummary
	}
	return -1
}

// layOut writes the report that people read.
func (a *app) layOut(ctx context.Context, w io.Writer, f *reportFlags, in *inputs.Opened, d *correlate.Document) error {
	r := incident.Report{Document: d, Lang: a.look.Lang}
	var err error
	if r.Findings, err = collect.Run(ctx, in.Source, d); err != nil {
		return remedied{fmt.Errorf("gather what the report tells: %w", err), "a report goes over its input twice: give it files, not pipes"}
	}
	if r.Files, err = filesOf(in, f.embed); err != nil {
		return err
	}
	r.Command = commandLine(f, d)
	r.Versions = slices.Concat([]incident.Version{{Name: "dnatrace", Value: buildVersion()}}, r.Versions, []incident.Version{{Name: "JSON schema", Value: correlate.Schema}})
	switch {
	case f.forIssue:
		return incident.Issue(w, &r)
	case f.format == "markdown":
		return incident.Markdown(w, &r)
	}
	return incident.HTML(w, &r)
}

// filesOf tells what was read: every capture and every dump.
func filesOf(in *inputs.Opened, embed bool) ([]incident.File, error) {
	var all []incident.File
	room := int64(mostEmbedded)
	for _, path := range pathsOf(in) {
		f, err := fileOf(path, embed, &room)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

// fileOf sums up one file, and holds on to its bytes if they are to be embedded.
func fileOf(path string, embed bool, room *int64) (incident.File, error) {
	file, err := os.Open(path)
	if err != nil {
		return incident.File{}, fmt.Errorf("sum up recording: %w", err)
	}
	defer file.Close()
	var kept bytes.Buffer
	sum := sha256.New()
	w := io.Writer(sum)
	if embed {
		st, err := file.Stat()
		if err != nil {
			return incident.File{}, fmt.Errorf("sum up recording: %w", err)
		}
		if *room -= st.Size(); *room < 0 {
			return incident.File{}, remedied{fmt.Errorf("embed %s: more than %d MiB of recordings do not go into a page", path, mostEmbedded>>20), "leave out --embed and send the recording beside the report: its SHA-256 is in it"}
		}
		w = io.MultiWriter(sum, &kept)
	}
	n, err := io.Copy(w, file)
	if err != nil {
		return incident.File{}, fmt.Errorf("sum up recording: %w", err)
	}
	return incident.File{Name: filepath.Base(path), Size: n, SHA256: hex.EncodeToString(sum.Sum(nil)), Data: kept.Bytes()}, nil
}

// commandLine judges the same again and checks the verdict.
func commandLine(f *reportFlags, d *correlate.Document) string {
	words := []string{"dnatrace", "replay"}
	for _, in := range f.files {
		if in.Point != "" {
			words = append(words, "--point", incident.Quoted(in.Point+"="+filepath.Base(in.Path)))
			continue
		}
		words = append(words, incident.Quoted(filepath.Base(in.Path)))
	}
	for _, t := range f.targets {
		words = append(words, "--target", incident.Quoted(target.Shown([]string{t})))
	}
	expect := d.Verdict.String()
	if d.Cause != "" {
		expect += ":" + string(d.Cause)
	}
	return strings.Join(append(words, "--expect", incident.Quoted(expect)), " ")
}

// deliver writes the report to where it was asked for.
func (a *app) deliver(path string, b []byte) error {
	if path == "-" {
		_, err := a.out.Write(b)
		return err
	}
	if err := writeWhole(path, b); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	fmt.Fprintf(a.err, "wrote %s\n", render.Clean(path))
	return nil
}

// writeWhole makes a file appear with all of its content or not at all, readable
// by its owner alone. What recording.Create would not replace is not replaced
// here either: a link, anything but a regular file.
func writeWhole(path string, b []byte) error {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		if path == os.DevNull {
			return nil
		}
		f, err := recording.Create(path) // says what it is
		if err == nil {
			f.Close()
			err = errors.New("it is not a regular file")
		}
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".dnatrace-report-*")
	if err != nil {
		return named(err, path)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return named(err, path)
}
