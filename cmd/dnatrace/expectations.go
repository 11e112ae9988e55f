package main

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"

	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// expectations are those of --expect-from: one for each target of a file.
type expectations struct {
	lines []expectedLine
}

// expectedLine is TARGET VERDICT[:CAUSE], and what became of the requests to it.
type expectedLine struct {
	target target.Target
	want   expectation
	worst  *correlate.Incident // that was judged; of two alike, the first; nil for none
}

// readExpectations reads a file of them: one a line; empty ones, and what is behind a
// number sign, are left out.
func readExpectations(path string) (*expectations, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read expectations: %w", err)
	}
	defer f.Close()
	e, err := parseExpectations(f)
	if err != nil {
		return nil, fmt.Errorf("read expectations of %s: %w", path, err)
	}
	return e, nil
}

func parseExpectations(r io.Reader) (*expectations, error) {
	e := &expectations{}
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		text, _, _ := strings.Cut(lines.Text(), "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			return nil, fmt.Errorf("line %d: write TARGET VERDICT[:CAUSE]", n)
		}
		var l expectedLine
		var err error
		if l.target, err = target.Parse(words[0]); err == nil {
			err = l.want.Set(words[1])
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		e.lines = append(e.lines, l)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(e.lines) == 0 {
		return nil, fmt.Errorf("there is none in it: write TARGET VERDICT[:CAUSE] lines, such as %q", "8080 delivered")
	}
	return e, nil
}

// take notes what became of a request, once that is final.
func (e *expectations) take(i *correlate.Incident) {
	if !i.Final {
		return
	}
	for n := range e.lines {
		l := &e.lines[n]
		if asksFor(i, l.target) && (l.worst == nil || correlate.Gravity(i.Verdict) < correlate.Gravity(l.worst.Verdict)) {
			kept := *i
			l.worst = &kept
		}
	}
}

// got is the verdict of the requests to a target, as of a run.
func (l *expectedLine) got() (correlate.Verdict, correlate.Cause) {
	if l.worst == nil {
		return correlate.Absent, correlate.CauseNone
	}
	return l.worst.Verdict, l.worst.Cause
}

// unmet says of each target whose requests did not fare as expected what was expected,
// and what came.
func (e *expectations) unmet() (out []string) {
	for i := range e.lines {
		l := &e.lines[i]
		v, c := l.got()
		if v != l.want.verdict || l.want.cause != "" && c != l.want.cause {
			out = append(out, fmt.Sprintf("%s: expected %s, got %s:%s", l.target, l.want.String(), v, c))
		}
	}
	return out
}

// asksFor reports whether a judged request is one to a target: a number is the
// requested port, a name that of its container, service or project.
func asksFor(i *correlate.Incident, t target.Target) bool {
	if t.Proto != 0 && uint8(decode.ParseProto(i.Protocol)) != t.Proto {
		return false
	}
	requested, err := netip.ParseAddrPort(i.Requested)
	if err != nil {
		return false // an echo has no port
	}
	switch {
	case t.Service != "":
		return i.Project == t.Project && (t.Service == target.EveryService || i.Service == t.Service) && hasPort(i, t)
	case t.Name != "":
		return (i.Container == t.Name || i.Project == t.Name) && hasPort(i, t)
	case t.Loopback && !requested.Addr().IsLoopback(), t.Addr.IsValid() && requested.Addr() != t.Addr:
		return false
	}
	return t.Has(requested.Port())
}

// hasPort reports whether a request to a container is one to the port that goes with
// its name: that of the container, where it was translated, or the requested one.
func hasPort(i *correlate.Incident, t target.Target) bool {
	if t.Port == 0 {
		return true
	}
	for _, end := range []string{i.Translated, i.Requested} {
		if ap, err := netip.ParseAddrPort(end); err == nil {
			return t.Has(ap.Port())
		}
	}
	return false
}
