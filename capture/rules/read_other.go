//go:build !linux

package rules

import (
	"errors"
	"os"
)

var errUnsupported = errors.New("reading firewall rules needs Linux")

// Read is Linux only.
func Read(string) ([]Ruleset, error) { return nil, errUnsupported }

// Watch is Linux only.
func Watch() (*os.File, error) { return nil, errUnsupported }
