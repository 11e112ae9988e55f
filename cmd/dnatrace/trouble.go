package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/render"
)

// remedied is an error with what to do about it.
type remedied struct {
	error
	remedy string
}

func (r remedied) Unwrap() error { return r.error }

// usagef is an error in the use of c.
func usagef(c *cobra.Command, format string, args ...any) error {
	return remedied{fmt.Errorf(format, args...), "try: " + c.CommandPath() + " --help"}
}

// report writes err on one line, and what to do about it on a second one where
// that is known.
func report(w io.Writer, err error) {
	fmt.Fprintf(w, "dnatrace: %s\n", render.Clean(err.Error()))
	if r := remedy(err); r != "" {
		fmt.Fprintf(w, "  %s\n", render.Clean(r))
	}
}

func remedy(err error) string {
	var r remedied
	switch {
	case errors.As(err, &r):
		return r.remedy
	case errors.Is(err, fs.ErrPermission) && !strings.Contains(err.Error(), "sudo"):
		return "run it as root (sudo), or replay a recording made by someone who is"
	}
	return ""
}
