package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

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
		return nil, fmt.Errorf("create recording: %w", err)
	}
	return &wholeFile{f, path}, nil
}

// finish gives the file its name, unless something went wrong before: then it
// is removed.
func (w *wholeFile) finish(trouble error) error {
	err := errors.Join(trouble, w.Close())
	if w.path == "" {
		return err
	}
	if err == nil {
		if err = os.Rename(w.Name(), w.path); err != nil {
			err = fmt.Errorf("create recording: %w", err)
		}
	}
	if err != nil {
		os.Remove(w.Name())
	}
	return err
}
