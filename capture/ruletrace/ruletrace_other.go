//go:build !linux

package ruletrace

import (
	"errors"
	"os"
)

var errUnsupported = errors.New("the rule trace needs Linux")

// Listen is Linux only.
func Listen() (*os.File, error) { return nil, errUnsupported }

// Arm is Linux only.
func Arm(Want) (*os.File, string, error) { return nil, "", errUnsupported }

// Update is Linux only.
func Update(*os.File, Want) error { return errUnsupported }

// NoRules is Linux only.
func NoRules(error) bool { return false }
