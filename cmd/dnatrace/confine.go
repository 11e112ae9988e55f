package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"dnatrace/capture/inputs"
	"dnatrace/capture/privilege"
	"dnatrace/cmd/internal/render"
)

// confine takes all from this process that reading some files and writing into the
// directories of some others does not need, before the first byte is read that a
// stranger may have chosen. A name that is empty, or "-", is no file.
func (a *app) confine(files []inputs.Input, out ...string) {
	a.within(reading(files, out...))
}

// reading are the limits of who reads some files and writes others. The capabilities
// that root needs for files of others are left to it.
func reading(files []inputs.Input, out ...string) privilege.Limits {
	l := privilege.Limits{Write: []string{os.TempDir()}}
	for _, f := range files {
		if !isStdin(f) {
			l.Read = append(l.Read, f.Path)
		}
	}
	for _, path := range out {
		if path != "" && path != fromStdin {
			l.Write = append(l.Write, filepath.Dir(path))
		}
	}
	l.Capabilities = privilege.Needed(l)
	return l
}

// within confines this process, once.
func (a *app) within(l privilege.Limits) {
	if !a.alone {
		return
	}
	a.alone = false
	_ = time.Local.String() // reads the time zone
	if err := privilege.Confine(l); err != nil {
		fmt.Fprintf(a.err, "dnatrace: %s\n", render.Clean(err.Error()))
	}
}
