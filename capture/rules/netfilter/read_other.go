//go:build !linux

package netfilter

import (
	"errors"
	"os"

	"dnatrace/capture/rules"
)

var errUnsupported = errors.New("reading firewall rules needs Linux")

// Read is Linux only.
func Read(string) ([]rules.Ruleset, error) { return nil, errUnsupported }

// ReadLegacy is Linux only.
func ReadLegacy(string) ([]rules.Ruleset, error) { return nil, errUnsupported }

// Watch is Linux only.
func Watch() (*os.File, error) { return nil, errUnsupported }

// Loaded is Linux only.
func Loaded() bool { return false }
