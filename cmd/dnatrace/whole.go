package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"dnatrace/capture/inputs"
	"dnatrace/capture/recording"
)

// wholeFile is a recording that appears under its name with all of its content,
// or not at all, readable by its owner alone.
type wholeFile struct {
	*os.File
	path string
}

// createWhole begins a file beside path. What recording.Create would not replace
// is refused: a link, anything but a regular file.
func createWhole(path string) (*wholeFile, error) {
	if st, err := os.Lstat(path); err == nil && !st.Mode().IsRegular() {
		f, err := recording.Create(path) // says what it is, or that it is the null device
		if err != nil {
			return nil, err
		}
		return &wholeFile{f, ""}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".dnatrace-*")
	if err != nil {
		return nil, fmt.Errorf("create recording: %w", named(err, path))
	}
	return &wholeFile{f, path}, nil
}

// named is an error about a file under the name that was asked for. The one that it
// has until it is whole tells nobody anything.
func named(err error, path string) error {
	var p *fs.PathError
	var l *os.LinkError
	switch {
	case errors.As(err, &p):
		return &fs.PathError{Op: p.Op, Path: path, Err: p.Err}
	case errors.As(err, &l):
		return &fs.PathError{Op: "create", Path: path, Err: l.Err}
	}
	return err
}

// finish gives the file its name, unless something went wrong before: then it
// is removed.
func (w *wholeFile) finish(trouble error) error {
	err := errors.Join(trouble, named(w.Close(), w.path))
	if w.path == "" {
		return err
	}
	if err == nil {
		if err = os.Rename(w.Name(), w.path); err != nil {
			err = fmt.Errorf("create recording: %w", named(err, w.path))
		}
	}
	if err != nil {
		os.Remove(w.Name())
	}
	return err
}

// openFor opens what an output is made of, and says what of it is passed over.
func (a *app) openFor(out string, files ...inputs.Input) (*inputs.Opened, error) {
	a.confine(files, out)
	in, err := inputs.Open(files...)
	if err != nil {
		return nil, err
	}
	if err := notOver(out, in); err != nil {
		return nil, err
	}
	a.passedOver(in)
	return in, nil
}

// notOver refuses an output that is one of the inputs: nothing is written over
// what is being read.
func notOver(out string, in *inputs.Opened) error {
	to, err := os.Stat(out)
	if err != nil || !to.Mode().IsRegular() {
		return nil // it is new, or refused later
	}
	for _, path := range pathsOf(in) {
		if from, err := os.Stat(path); err == nil && os.SameFile(to, from) {
			return remedied{fmt.Errorf("write %s: it is one of the inputs", out), "give the output another name"}
		}
	}
	return nil
}

// pathsOf are all captures and dumps that were read.
func pathsOf(in *inputs.Opened) []string {
	var paths []string
	for _, f := range in.Info.Files {
		paths = append(paths, f.Name)
	}
	for _, d := range in.Dumps {
		if !slices.Contains(paths, d.Path) {
			paths = append(paths, d.Path)
		}
	}
	return paths
}
