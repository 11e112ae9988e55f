package main

import (
	"testing"

	"dnatrace/correlate"
)

func TestExitCode(t *testing.T) {
	for _, c := range []struct {
		name    string
		verdict correlate.Verdict
		cause   correlate.Cause
		expect  string
		want    int
	}{
		{"everything was delivered", correlate.Delivered, correlate.CauseNone, "", exitOK},
		{"something was dropped", correlate.Dropped, correlate.CauseFirewallDrop, "", exitFailed},
		{"something was refused", correlate.Refused, correlate.CauseNoListener, "", exitFailed},
		{"something else answered", correlate.Misdelivered, correlate.CausePortTaken, "", exitFailed},
		{"no answer came", correlate.Unanswered, correlate.CauseUnknown, "", exitFailed},
		{"the answer was lost", correlate.AnswerLost, correlate.CauseReplyFiltered, "", exitFailed},
		{"bytes stopped getting through", correlate.Stalled, correlate.CauseMTU, "", exitFailed},
		{"the evidence does not suffice", correlate.Undetermined, correlate.CauseUnknown, "", exitNothing},
		{"no request was seen", correlate.Absent, correlate.CauseUnknown, "", exitNothing},

		{"the expected failure is a success", correlate.Dropped, correlate.CauseFirewallDrop, "dropped", exitOK},
		{"with its cause as well", correlate.Dropped, correlate.CauseFirewallDrop, "dropped:firewall-drop", exitOK},
		{"the right verdict for another reason is not", correlate.Dropped, correlate.CauseNoRoute, "dropped:firewall-drop", exitFailed},
		{"a delivery where a failure was expected is not", correlate.Delivered, correlate.CauseNone, "dropped", exitFailed},
		{"silence where a delivery was expected is a failure", correlate.Absent, correlate.CauseUnknown, "delivered", exitFailed},
		{"silence can be expected", correlate.Absent, correlate.CauseUnknown, "absent", exitOK},
		{"so can an honest undetermined", correlate.Undetermined, correlate.CauseUnknown, "undetermined", exitOK},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e expectation
			if c.expect != "" {
				if err := e.Set(c.expect); err != nil {
					t.Fatal(err)
				}
				if e.String() != c.expect {
					t.Errorf("reads back as %q", e.String())
				}
			}
			if got := exitCode(&correlate.Document{Verdict: c.verdict, Cause: c.cause}, e); got != c.want {
				t.Errorf("exit %d, want %d", got, c.want)
			}
		})
	}
}

func TestExpectationsThatAreNone(t *testing.T) {
	for _, s := range []string{"", "lost", "Dropped", "dropped:", "dropped:Firewall", "dropped:firewall-drop:again", "dropped:firewal-drop", ":firewall-drop"} {
		var e expectation
		if err := e.Set(s); err == nil || e.set {
			t.Errorf("%q is taken for %q", s, e.String())
		}
	}
}
