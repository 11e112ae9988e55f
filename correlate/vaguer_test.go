package correlate_test

import (
	"slices"
	"strings"
	"testing"

	"dnatrace/correlate"
)

func TestVaguerCausesAreAPartialOrder(t *testing.T) {
	for _, c := range correlate.Causes() {
		below := c.Vaguer()
		if slices.Contains(below, c) {
			t.Errorf("%s is vaguer than itself", c)
		}
		if c != correlate.CauseUnknown && !slices.Contains(below, correlate.CauseUnknown) {
			t.Errorf("%s never becomes unknown", c)
		}
		seen := map[correlate.Cause]bool{}
		for _, v := range below {
			if seen[v] {
				t.Errorf("%s lists %s twice", c, v)
			}
			seen[v] = true
			if _, err := correlate.ParseCause(string(v)); err != nil {
				t.Error(err)
			}
			for _, w := range v.Vaguer() {
				if !slices.Contains(below, w) {
					t.Errorf("%s may become %s, that may become %s, and %s may not", c, v, w, c)
				}
			}
		}
	}
}

func TestVaguerVerdictsAreAPartialOrder(t *testing.T) {
	for v := correlate.Undetermined; v < correlate.Absent; v++ {
		below := v.Vaguer()
		if slices.Contains(below, v) {
			t.Errorf("%s is vaguer than itself", v)
		}
		if v != correlate.Undetermined && !slices.Contains(below, correlate.Undetermined) {
			t.Errorf("%s never becomes undetermined", v)
		}
		for _, w := range below {
			for _, x := range w.Vaguer() {
				if !slices.Contains(below, x) {
					t.Errorf("%s may become %s, that may become %s, and %s may not", v, w, x, v)
				}
			}
		}
	}
}

func TestWhatLessEvidenceMayLeadTo(t *testing.T) {
	for _, row := range []struct {
		name       string
		full, less string
		want       bool
	}{
		{"the same", "dropped:firewall-drop", "dropped:firewall-drop", true},
		{"the reason is no longer in evidence", "dropped:firewall-drop", "dropped:unknown", true},
		{"nothing suffices any more", "dropped:firewall-drop", "undetermined:unknown", true},
		{"a reason that was not there before", "dropped:unknown", "dropped:firewall-drop", false},
		{"another reason", "refused:firewall-reject", "refused:rules-missing", false},
		{"what the engine's rule is for is not known", "refused:rules-missing", "refused:firewall-reject", true},
		{"the sockets are not known", "refused:wrong-container-port", "refused:no-listener", true},
		{"two steps down at once", "refused:listener-on-loopback", "refused:unknown", true},
		{"a failure is called an answer", "dropped:firewall-drop", "delivered:none", false},
		{"an answer is called a failure", "delivered:none", "refused:no-listener", false},
		{"nobody knows that another answered", "misdelivered:port-taken", "delivered:none", true},
		{"another is said to have answered", "delivered:none", "misdelivered:port-taken", false},
		{"it is told to have vanished elsewhere", "unanswered:server-silent", "dropped:unknown", false},
		{"told where nothing could be told before", "undetermined:unknown", "dropped:unknown", false},
	} {
		full, less := incident(t, row.full), incident(t, row.less)
		if got := less.Agrees(full); got != row.want {
			t.Errorf("%s: from %s to %s is %v", row.name, row.full, row.less, got)
		}
	}
}

// incident is one with a verdict and a cause, written as --expect takes them.
func incident(t *testing.T, text string) *correlate.Incident {
	t.Helper()
	verdict, cause, _ := strings.Cut(text, ":")
	v, err := correlate.ParseVerdict(verdict)
	if err != nil {
		t.Fatal(err)
	}
	c, err := correlate.ParseCause(cause)
	if err != nil {
		t.Fatal(err)
	}
	return &correlate.Incident{Verdict: v, Cause: c}
}
