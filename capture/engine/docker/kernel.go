package docker

import (
	"errors"
	"fmt"
	"strings"

	"dnatrace/capture/engine"
)

// SameKernel says whether the engine's containers run in this kernel, where
// their packets can be seen; if not, the error is the reason in one sentence.
// It asks about the system the engine names, its kernel release, and whether
// the process of at least one running container is the one found under that
// number here. With no container running, the release has to do.
func (e *Engine) SameKernel(s *engine.Snapshot) error {
	if err := local(e.host); err != nil {
		return fmt.Errorf("engine %s: %w", e.host, err)
	}
	return sameKernel(s, kernelRelease(), findProcess)
}

// finder says in one phrase why a container's process is not here; nil if it is.
type finder func(c *engine.Container) error

func sameKernel(s *engine.Snapshot, release string, find finder) error {
	if strings.Contains(s.OS, "Docker Desktop") {
		return errors.New("containers of this engine run inside Docker Desktop's virtual machine, whose packets are not seen here: use an engine on the host itself")
	}
	if s.Kernel != "" && release != "" && s.Kernel != release {
		return fmt.Errorf("the engine runs on kernel %s and dnatrace on %s: its containers are in another machine, run dnatrace there", s.Kernel, release)
	}
	var first error
	for i := range s.Containers {
		c := &s.Containers[i]
		if c.PID == 0 {
			continue
		}
		err := find(c)
		if err == nil {
			return nil
		}
		if first == nil {
			first = fmt.Errorf("process %d of container %q is not here (%w): the engine runs in another machine or PID namespace, run dnatrace where it runs", c.PID, c.Name, err)
		}
	}
	return first
}
