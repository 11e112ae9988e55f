package correlate_test

import (
	"strings"
	"testing"

	"dnatrace/correlate"
)

func TestCausesAreReadAsTheyAreWritten(t *testing.T) {
	for _, c := range correlate.Causes() {
		if got, err := correlate.ParseCause(string(c)); got != c || err != nil {
			t.Errorf("%s is read as %q, %v", c, got, err)
		}
	}
	_, err := correlate.ParseCause("firewall-dorp")
	if err == nil || !strings.Contains(err.Error(), "firewall-drop") {
		t.Errorf("a slip of the pen is told as %v", err)
	}
	if _, err := correlate.ParseCause(""); err == nil {
		t.Error("nothing is a cause")
	}
}
