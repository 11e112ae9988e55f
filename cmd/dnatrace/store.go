package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"dnatrace/cmd/internal/flight"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/store"
)

// uploads are recordings of failures on their way to a store. Nil leaves them where
// they are.
type uploads struct {
	*store.Uploader
	stop  context.CancelFunc
	ended <-chan struct{}
}

// upload begins to send what is saved, while there is privilege to read keys. Then is
// told where each is in the end; it may be nil.
func (a *app) upload(ctx context.Context, f *captureFlags, then func(flight.Saved)) (*uploads, error) {
	if f.onSaved = then; f.uploadTo == "" {
		return nil, nil
	}
	to, err := store.Parse(f.uploadTo)
	if err != nil {
		return nil, err
	}
	s, err := store.Open()
	if err != nil {
		return nil, err
	}
	u := &uploads{Uploader: store.NewUploader(s, to, func(s string) { fmt.Fprintf(a.err, "dnatrace: %s\n", s) })}
	f.onSaved = func(s flight.Saved) {
		u.Put(s.Path, func(where string) {
			if where != s.Path {
				fmt.Fprintf(a.err, "sent to %s\n", render.Clean(where))
			}
			if s.Path = where; then != nil {
				then(s)
			}
		})
	}
	run, stop := context.WithCancel(context.WithoutCancel(ctx))
	u.stop, u.ended = stop, pipeline.Do(run, u.Run)
	return u, nil
}

// close sends what is left, a moment long.
func (u *uploads) close() {
	if u == nil {
		return
	}
	u.stop()
	<-u.ended
}

// readers are the commands whose arguments are files to read.
var readers = []string{"replay", "report", "annotate", "redact", "minimise", "diff"}

// fetch has what is named by s3://… fetched, and named by the file it then is, among
// the arguments of commands that read files and behind -r.
func (a *app) fetch(c *cobra.Command, args []string) error {
	var names [][]string
	if slices.Contains(readers, c.Name()) {
		names = append(names, args)
	}
	var put []func()
	for _, flag := range []string{"read", "replay"} {
		if v := c.Flags().Lookup(flag); v != nil && v.Changed {
			if list, ok := v.Value.(pflag.SliceValue); ok {
				files := list.GetSlice()
				names, put = append(names, files), append(put, func() { _ = list.Replace(files) })
			}
		}
	}
	var s *store.Store
	for _, list := range names {
		for i, name := range list {
			if !strings.HasPrefix(name, store.Scheme) {
				continue
			}
			from, err := store.Parse(name)
			if err != nil {
				return usagef(c, "%v", err)
			}
			if s == nil {
				if s, err = store.Open(); err != nil {
					return err
				}
			}
			if list[i], err = a.fetched(c.Context(), s, from); err != nil {
				return err
			}
		}
	}
	for _, f := range put {
		f()
	}
	return nil
}

// fetched has one object as a file, which is gone with the run.
func (a *app) fetched(ctx context.Context, s *store.Store, from store.Place) (string, error) {
	dir, err := os.MkdirTemp("", "dnatrace-fetched-")
	if err != nil {
		return "", fmt.Errorf("make directory for what is fetched: %w", err)
	}
	a.temporary = append(a.temporary, dir)
	return s.Fetch(ctx, from, dir)
}

// tidy removes what was for this run alone.
func (a *app) tidy() {
	for _, dir := range a.temporary {
		os.RemoveAll(dir)
	}
}
