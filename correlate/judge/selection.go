package judge

import (
	"errors"
	"fmt"
	"net/netip"

	"dnatrace/capture/engine"
	"dnatrace/capture/target"
	"dnatrace/decode"
)

// selection is which requests are asked about. What the targets stand for is
// worked out anew for every snapshot of the engine.
type selection struct {
	targets  []target.Target
	latest   *engine.Snapshot
	resolved target.Resolved
	ready    bool
	found    []bool // which targets an engine in evidence knew, ever
	last     *engine.Snapshot
}

func newSelection(args []string) (*selection, error) {
	targets, err := target.ParseAll(args)
	if err != nil {
		return nil, err
	}
	return &selection{targets: targets}, nil
}

// learn notes which targets a snapshot of the engine knows.
func (s *selection) learn(e *engine.Snapshot) {
	s.last = e
	s.found = append(s.found, make([]bool, len(s.targets)-len(s.found))...)
	for i, t := range s.targets {
		if !s.found[i] {
			_, err := target.Resolve(t, e)
			s.found[i] = !errors.As(err, new(*target.UnknownError))
		}
	}
}

// errNoEngine is why a name cannot be told.
var errNoEngine = errors.New("nothing lists the containers: a recording with the engine's answers, or the output of docker inspect, would")

// unknown is the error of the first target that no snapshot knew, or that none
// was there to know.
func (s *selection) unknown() error {
	if s.last == nil {
		for _, t := range s.targets {
			if _, err := target.Resolve(t, orEmpty(nil)); errors.As(err, new(*target.UnknownError)) {
				return fmt.Errorf("find %s: %w", t.Text, errNoEngine)
			}
		}
		return nil
	}
	for i, found := range s.found {
		if !found {
			_, err := target.Resolve(s.targets[i], s.last)
			return err
		}
	}
	return nil
}

// selects returns nil, which selects everything, for a foreign capture without
// targets: every request in it is asked about.
func (s *selection) selects(own bool) func(decode.Proto, netip.AddrPort, *engine.Snapshot) bool {
	if len(s.targets) == 0 && !own {
		return nil
	}
	return func(proto decode.Proto, dst netip.AddrPort, e *engine.Snapshot) bool {
		if e == nil && len(s.targets) == 0 {
			return true
		}
		if !s.ready || e != s.latest {
			s.resolved, _ = target.ResolveAll(s.targets, orEmpty(e))
			s.latest, s.ready = e, true
		}
		return s.resolved.Match(uint8(proto), dst.Addr(), dst.Port())
	}
}

func orEmpty(e *engine.Snapshot) *engine.Snapshot {
	if e == nil {
		return &engine.Snapshot{}
	}
	return e
}
