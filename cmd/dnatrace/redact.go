package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/capture"
	"dnatrace/capture/inputs"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/cut"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/decode/redact"
)

// redactFlags are the command line of redact.
type redactFlags struct {
	verbose bool
	files   []inputs.Input
	out     string
	key     string
	keep    []string
}

// Sizes of keys in bytes.
const (
	keySize    = 32
	leastKey   = 16
	largestKey = 64 << 10
)

func (a *app) redactCommand() *cobra.Command {
	var f redactFlags
	var points []string
	c := &cobra.Command{
		Use:   "redact FILE… -w OUT [--key KEYFILE]",
		Short: "Write a recording that is safe to share and is judged the same",
		Long: `Write one recording of what replay reads, in which addresses, MAC addresses, names
and ids are pseudonyms, and payload is zeros. Verdict, cause, stage and hops stay
the same: that is checked before the file appears.

Two addresses share as many leading bits as before. Recognisable remain loopback,
link-local, multicast and broadcast addresses, 172.16.0.0/12 and the private
subnets of the engine's networks, which addresses are private, ports, times,
lengths, sequence numbers, the form of the rules and whose they are, the names of
interfaces that the kernel and the engine give, and kernel and engine versions.

All else has no permission to stay: what is not understood is cleared where it
stands, and what was cleared is counted and said. --keep lists what is to stay, too.

The key is random and forgotten, so that nobody can undo it and no two runs give
the same pseudonyms. With --key they do: keep that file as you would the original.

Runs on any system and needs no privilege.`,
		Example: `  dnatrace redact incident.pcapng -w shareable.pcapng
  dnatrace redact monday.pcapng -w a.pcapng --key team.key
  dnatrace redact incident.pcapng -w shareable.pcapng --keep web,198.51.100.0/24
  head -c 32 /dev/urandom > team.key`,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if len(args)+len(points) == 0 {
				return usagef(c, "no file to redact")
			}
			if f.out == "" || f.out == "-" {
				return usagef(c, "no file to write: name one with -w")
			}
			if f.files, err = namedFiles(c, args, points); err != nil {
				return err
			}
			return a.redact(c.Context(), &f)
		},
	}
	c.Flags().StringVarP(&f.out, "write", "w", "", "write the recording to this file")
	verboseFlag(c, &f.verbose)
	c.Flags().StringVar(&f.key, "key", "", "make pseudonyms with the key in this file, the same ones every time (default: a random key)")
	c.Flags().StringSliceVar(&f.keep, "keep", nil, "leave this as it is: an address, a network, a MAC address, an interface, a container, a word of names (several with commas)")
	c.Flags().StringArrayVar(&points, "point", nil, "NAME=FILE: read a capture of one interface, which was taken at this point")
	return c
}

// redact writes a recording under pseudonyms, and makes sure that it is judged
// as the original is.
func (a *app) redact(ctx context.Context, f *redactFlags) error {
	key, err := redactionKey(f.key)
	if err != nil {
		return err
	}
	in, err := a.openFor(f.out, f.files...)
	if err != nil {
		return err
	}
	defer a.progress(f.verbose, "redact", in.Info)()
	r := redact.New(key)
	for _, what := range f.keep {
		r.Keep(what)
	}
	for b, err := range in.Source(ctx) {
		if err != nil {
			return fmt.Errorf("read what is to be redacted: %w", err)
		}
		r.Learn(b)
	}
	r.Seal()
	rewritten := func(yield func(*capture.Batch, error) bool) {
		var m marking
		for b, err := range in.Source(ctx) {
			if err == nil {
				b = r.Rewrite(b)
				m.saw(b)
			}
			if !yield(b, err) {
				return
			}
		}
		if b := m.mark(); b != nil {
			yield(b, nil)
		}
	}
	d, packets, err := a.writeChecked(ctx, f.out, in.Source, rewritten)
	if err != nil {
		return err
	}
	a.leftOut(r)
	fmt.Fprintf(a.err, "wrote %s: %d packets, judged %s as before\n", render.Clean(f.out), packets, outcome(d))
	return nil
}

// marking says of what has no start record that it is redacted. A start record
// would say more: that all requests it was made for are in it.
type marking struct {
	started bool
	last    int64 // Unix ns
}

func (m *marking) saw(b *capture.Batch) {
	if n := len(b.Packets); n > 0 {
		m.last = max(m.last, b.Packets[n-1].Time)
	}
	for _, r := range b.Records {
		m.last = max(m.last, r.Time)
		m.started = m.started || r.Origin == capture.OriginMeta && r.Kind == capture.KindStart
	}
}

// mark is the record at the end of what was seen; nil if its start says it.
func (m *marking) mark() *capture.Batch {
	if m.started {
		return nil
	}
	return &capture.Batch{Records: []capture.Record{{Time: m.last, Origin: capture.OriginMeta, Kind: capture.KindRedacted, Data: []byte("{}")}}}
}

// leftOut says what of the recording could not be kept.
func (a *app) leftOut(r *redact.Redactor) {
	for _, what := range slices.Sorted(maps.Keys(r.Removed)) {
		fmt.Fprintf(a.err, "left out: %d records of %s, which are not known here\n", r.Removed[what], render.Clean(what))
	}
	var cleared []string
	for _, what := range slices.Sorted(maps.Keys(r.Cleared)) {
		cleared = append(cleared, fmt.Sprintf("%d %s", r.Cleared[what], what))
	}
	if len(cleared) > 0 {
		fmt.Fprintf(a.err, "cleared, as they may hold anything: %s\n", strings.Join(cleared, ", "))
	}
	if r.Unsure > 0 {
		fmt.Fprintf(a.err, "left out: %d values in rules that have no pseudonym by themselves\n", r.Unsure)
	}
}

// writeChecked writes a stream to a file that appears only if it is judged as
// the source is.
func (a *app) writeChecked(ctx context.Context, path string, src capture.Source, stream func(func(*capture.Batch, error) bool)) (d *correlate.Document, packets uint64, err error) {
	file, err := createWhole(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = file.finish(err) }()
	w := recording.NewWriter(file, recording.Options{Program: "dnatrace " + buildVersion() + ", redacted", OS: runtime.GOOS, Hardware: runtime.GOARCH})
	if err := writeAll(w, stream); err != nil {
		return nil, 0, err
	}
	d, err = pipeline.Run(ctx, src, pipeline.Options{Options: judge.Options{Keep: -1}})
	if err != nil {
		return nil, 0, err
	}
	if file.path == "" { // the null device has nothing to check
		return d, w.Packets(), nil
	}
	is, err := rejudge(ctx, file)
	if err != nil {
		return nil, 0, err
	}
	if diff := cut.Difference(d, is); diff != "" {
		return nil, 0, remedied{fmt.Errorf("write %s: it would not be judged the same: %s", path, diff), "nothing was written; please report this, with dnatrace version"}
	}
	return d, w.Packets(), nil
}

func writeAll(w *recording.Writer, stream func(func(*capture.Batch, error) bool)) error {
	for b, err := range stream {
		if err != nil {
			return err
		}
		if err := w.Write(b); err != nil {
			return err
		}
	}
	return w.Close()
}

// rejudge judges what was written, the way replay reads it.
func rejudge(ctx context.Context, file *wholeFile, targets ...string) (*correlate.Document, error) {
	in, err := inputs.Open(inputs.Input{Path: file.Name()})
	if err != nil {
		return nil, fmt.Errorf("check the recording: %w", err)
	}
	return pipeline.Run(ctx, in.Source, pipeline.Options{Options: judge.Options{Targets: targets, Keep: -1}})
}

// outcome is a run's verdict and cause.
func outcome(d *correlate.Document) string {
	return strings.TrimSuffix(d.Verdict.String()+":"+string(d.Cause), ":")
}

// redactionKey reads the key from a file, or makes one.
func redactionKey(path string) ([]byte, error) {
	if path == "" {
		key := make([]byte, keySize)
		_, err := rand.Read(key)
		return key, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, largestKey+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read key: %w", err)
	case len(key) < leastKey, len(key) > largestKey:
		return nil, remedied{fmt.Errorf("read key: %s has %d bytes, a key has %d to %d", path, len(key), leastKey, largestKey), "make one beside it: head -c 32 /dev/urandom > " + filepath.Join(filepath.Dir(path), "new.key")}
	}
	return key, nil
}
