package correlate_test

import (
	"os/exec"
	"testing"

	"dnatrace/correlate"
)

func TestAWordInACommandStaysOneWordWhateverIsInIt(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("needs a shell")
	}
	for _, word := range []string{"f2b-web", "", "it's", "x'; echo more; '", `a\'b`, "$(echo more)", "`echo more`", `"*" ~ #`, "''"} {
		out, err := exec.Command(sh, "-c", "printf '<%s>' "+correlate.Shell(word)).Output()
		if err != nil || string(out) != "<"+word+">" {
			t.Errorf("%q is read as %s (%v)", word, out, err)
		}
	}
}
