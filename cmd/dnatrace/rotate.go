package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/flight"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
)

// rotateFlags have files of a recording take turns.
type rotateFlags struct {
	size  sizeFlag
	every durationFlag
	files int
}

func (f *rotateFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.VarP(&f.size, "rotate-size", "C", "go on to the next file after so many millions of bytes (k, m, g: of 1024, 1024², 1024³ bytes)")
	fl.VarP(&f.every, "rotate-time", "G", "go on to the next file after so many seconds; -w is a name with conversions of strftime")
	fl.IntVarP(&f.files, "rotate-files", "W", 0, "with -C: write over the first file after as many; with -G alone: end after as many")
}

// take has the flags hold for a capture.
func (f *rotateFlags) take(c *cobra.Command, to *captureFlags) error {
	changed := c.Flags().Changed
	switch {
	case changed("rotate-time") && f.every == 0:
		return usagef(c, "-G 0: must be longer than 0")
	case changed("rotate-files") && f.files <= 0:
		return usagef(c, "-W %d: must be at least 1", f.files)
	case f.size == 0 && f.every == 0 && f.files > 0:
		return usagef(c, "-W: bounds the files of -C or -G; give one of them")
	case f.size == 0 && f.every == 0:
		return nil
	case to.file == "-":
		return usagef(c, "-w -: standard output is one file; -C and -G make several")
	}
	t := flight.Turns{Name: flight.Plain(to.file), Size: int64(f.size), Every: time.Duration(f.every), Files: f.files}
	if f.every > 0 {
		var err error
		if t.Name, err = flight.ParsePattern(to.file); err != nil {
			return usagef(c, "-w %v", err)
		}
	}
	to.turns = &t
	return nil
}

// rotation makes the first of files that take turns.
func rotation(a *app, t flight.Turns) (pipeline.Recorder, error) {
	create := func(path string) (io.WriteCloser, error) { return recording.Create(path) }
	return flight.NewRotation(t, time.Now(), madeHere(), create, func(err error) {
		a.unwritten = true
		fmt.Fprintf(a.err, "dnatrace: %s: what comes is not recorded until the next file can be written, which is tried every 10 s\n", render.Clean(err.Error()))
	})
}

// creates reports whether files have to be made while the run goes on, in a
// directory of someone else's: that takes a privilege.
func (f *captureFlags) creates() bool {
	if f.creating() || f.savesTo != "" && !writable(f.savesTo) {
		return true
	}
	if f.turns == nil {
		return false
	}
	return !writable(filepath.Dir(f.turns.Name.At(time.Now())))
}

// writable reports whether this user may write to a directory without privilege.
func writable(dir string) bool {
	st, err := os.Stat(dir)
	return err != nil || recording.Ours(st) || st.Mode().Perm()&0o002 != 0
}
