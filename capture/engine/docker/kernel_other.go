//go:build !linux

package docker

import (
	"errors"

	"dnatrace/capture/engine"
)

func kernelRelease() string { return "" }

func findProcess(*engine.Container) error {
	return errors.New("containers share this kernel on Linux only")
}
