package archtest

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// believed are the parsers without a fuzz target, and why what they read is no
// stranger's.
var believed = map[string]string{
	"(*dnatrace/capture/engine/docker.Guest).load": "the engine's progress while it takes in the collector's image; what goes wrong is an error",
	"dnatrace/capture/engine/docker.engines":       "process numbers in /proc",
	"dnatrace/capture/engine/docker.isHere":        "the address of the engine, from the user",
	"dnatrace/capture/engine/docker.local":         "the address of the engine, from the user",
	"(*dnatrace/cmd/dnatrace.app).apart":           "numbers that this process gave",
	"(*dnatrace/correlate.Incident).Of":            "numbers that this process gave",
	"(*dnatrace/cmd/dnatrace.hearing).take":        "points, from this process's own stream: frames are taken apart by decode",
	"dnatrace/cmd/dnatrace.readConfig":             "the configuration, from the user",
	"dnatrace/cmd/internal/otlp.ParseEndpoint":     "the address of a receiver, from the user",
	"dnatrace/cmd/internal/store.Open":             "the address of a store, from the environment",
	"(*dnatrace/cmd/dnatrace.app).doctorThere":     "what this program's collector reports, and only its own fields",
	"(*dnatrace/cmd/dnatrace.explainFlags).check":  "an address, from the user",
	"(*dnatrace/cmd/dnatrace.probeFlags).check":    "an address, from the user",
	"(*dnatrace/cmd/internal/hook.Runner).Run":     "what this program's other process says through a pipe that nobody else has",
	"dnatrace/cmd/internal/hook.serve":             "what this program's other process says through a pipe that nobody else has",
	"dnatrace/cmd/internal/hook.Unprivileged":      "SUDO_UID and the like, from who started it",
	"dnatrace/cmd/dnatrace.evictorMain":            "what this program's other process says through a pipe that nobody else has",
	"dnatrace/cmd/dnatrace.goldenVerdict":          "a document that is compiled in",
	"dnatrace/cmd/dnatrace.ownAddresses":           "addresses of this host, from the kernel",
	"dnatrace/cmd/internal/render.Detect":          "COLUMNS, from the user",
}

// machines are the state machines that strangers can drive, by what takes the next
// step.
var machines = []string{
	"(*dnatrace/correlate.Tracker).Packets",
	"(*dnatrace/correlate.Tracker).Event",
	"(*dnatrace/capture.merge).emit",
	"(*dnatrace/capture/opener.server).serve",
	"(*dnatrace/capture/opener.Opener).converse",
	"(*dnatrace/capture/collector.Relay).take",
	"(*dnatrace/capture/collector.Session).recorded",
	"dnatrace/capture/recording.parseEntry",
	"(*dnatrace/cmd/internal/flight.Rotation).Write",
	"(*dnatrace/cmd/internal/watch.Model).Take",
	"(*dnatrace/decode/redact.Redactor).Rewrite",
	"(*dnatrace/capture/probe.Probe).read",
}

// shipsWithNothing reports whether a file is of what makes documentation or tests.
func shipsWithNothing(file string) bool {
	return slices.ContainsFunc([]string{"fixtures/", "cmd/internal/causes/", "cmd/internal/supply/"}, func(dir string) bool { return strings.HasPrefix(file, dir) })
}

// aTarget is a fuzz target, not a method.
var aTarget = regexp.MustCompile(`^[^(]+\.Fuzz[A-Z]\w*$`)

// TestEveryParserIsFuzzed: what takes bytes or text apart is met by some fuzz target,
// or it is said whose bytes they are.
func TestEveryParserIsFuzzed(t *testing.T) {
	if testing.Short() {
		t.Skip("checks the types of the whole module")
	}
	g := callsOfTheModule(t)
	var targets []string
	for name := range g.from {
		if aTarget.MatchString(name) {
			targets = append(targets, name)
		}
	}
	met := g.reach(targets...)
	parsers := 0
	for _, p := range slices.Sorted(maps.Keys(g.parsers)) {
		why, ok := believed[p]
		switch {
		case shipsWithNothing(g.parsers[p]):
		case !met[p] && !ok:
			t.Errorf("%s: %s takes bytes or text apart, and no fuzz target comes to it", g.parsers[p], p)
		case met[p] && ok:
			t.Errorf("%s is fuzzed, and need not be believed (%s)", p, why)
		default:
			parsers++
		}
	}
	for p, why := range believed {
		if g.parsers[p] == "" {
			t.Errorf("%s is believed (%s), and takes nothing apart", p, why)
		}
	}
	for _, m := range machines {
		if g.from[m] == nil {
			t.Errorf("there is no %s", m)
		} else if !met[m] {
			t.Errorf("no fuzz target drives %s", m)
		}
	}
	t.Logf("%d targets, %d parsers, %d of them believed, %d state machines", len(targets), parsers, len(believed), len(machines))
}

// TestWhatIsNotFuzzedIsFound: the test above can fail.
func TestWhatIsNotFuzzedIsFound(t *testing.T) {
	g := calls{from: map[string][]string{
		"p_test.FuzzA":    {"p.Parse", "method Take"},
		"p.Parse":         {"p var table"},
		"p var table":     {"(*p.reader).word"},
		"method Take":     {"(*p.Model).Take"},
		"(*p.Other).Take": {"p.lonely"},
	}}
	met := g.reach("p_test.FuzzA")
	for name, want := range map[string]bool{"p.Parse": true, "(*p.reader).word": true, "(*p.Model).Take": true, "p.lonely": false} {
		if met[name] != want {
			t.Errorf("%s is met: %t, want %t", name, met[name], want)
		}
	}
	for name, want := range map[string]bool{"dnatrace/decode.FuzzPacket": true, "(*dnatrace/x.T).FuzzPacket": false, "dnatrace/decode.Fuzzy": false} {
		if aTarget.MatchString(name) != want {
			t.Errorf("%s is a target: %t", name, !want)
		}
	}
}
