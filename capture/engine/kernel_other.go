//go:build !linux

package engine

import "errors"

func kernelRelease() string { return "" }

func findProcess(*Container) error { return errors.New("containers share this kernel on Linux only") }
