package main

import (
	"strings"

	"dnatrace/correlate"
	"dnatrace/fixtures/lab"
)

// Exit codes, in the manner of diff and grep.
const (
	exitOK      = 0 // every judged request was delivered, or the expectation was met
	exitFailed  = 1 // at least one was not, or the expectation was not met
	exitTrouble = 2 // usage, privilege, unreadable input
	exitNothing = 3 // nothing to judge: no request seen, or only undetermined ones
)

// exitCodes ends the help of every command.
const exitCodes = `
Exit codes:
  0  every judged request was delivered, or what was asked for was done or met
  1  at least one request was not delivered, or an expectation was not met
  2  trouble: usage, privilege, unreadable input
  3  nothing to judge: no request seen, or only undetermined ones
`

// exitCode is what the run's verdict, or the expectation about it, amounts to.
func exitCode(d *correlate.Document, e expectation) int {
	if e.set {
		if e.met(d) {
			return exitOK
		}
		return exitFailed
	}
	switch d.Verdict {
	case correlate.Delivered:
		return exitOK
	case correlate.Undetermined, correlate.Absent:
		return exitNothing
	case correlate.Misdelivered, correlate.Refused, correlate.Dropped, correlate.Unanswered, correlate.AnswerLost, correlate.Stalled:
	}
	return exitFailed
}

// expectation is the value of --expect: VERDICT or VERDICT:CAUSE of the run. The
// zero value expects nothing.
type expectation struct {
	set     bool
	verdict correlate.Verdict
	cause   correlate.Cause // "" is any
}

func (e expectation) met(d *correlate.Document) bool {
	return d.Verdict == e.verdict && (e.cause == "" || d.Cause == e.cause)
}

// expected is the expectation that a lab's scenario comes with.
func expected(j lab.Judgement) expectation {
	v, err := correlate.ParseVerdict(j.Verdict)
	return expectation{set: err == nil, verdict: v, cause: correlate.Cause(j.Cause)}
}

// String writes e as Set reads it.
func (e *expectation) String() string {
	switch {
	case !e.set:
		return ""
	case e.cause == "":
		return e.verdict.String()
	}
	return e.verdict.String() + ":" + string(e.cause)
}

// Set reads VERDICT[:CAUSE].
func (e *expectation) Set(s string) error {
	verdict, cause, hasCause := strings.Cut(s, ":")
	v, err := parseVerdict(verdict)
	if err != nil {
		return err
	}
	if hasCause {
		if _, err := parseCause(cause); err != nil {
			return err
		}
	}
	*e = expectation{set: true, verdict: v, cause: correlate.Cause(cause)}
	return nil
}

// Type names the value in the help text.
func (*expectation) Type() string { return "VERDICT[:CAUSE]" }
