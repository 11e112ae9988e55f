package pipeline_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"testing"
	"time"

	"dnatrace/cmd/internal/pipeline"
)

func TestACommandIsHeardAndItsExitIsItsOwnAffair(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("needs a POSIX shell in PATH")
	}
	var out bytes.Buffer
	ended, err := pipeline.Start(t.Context(), []string{"sh", "-c", "echo hello; exit 7"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	if <-ended; out.String() != "hello\n" {
		t.Errorf("heard %q", out.String())
	}
	if _, err := pipeline.Start(t.Context(), []string{"/no/such/command"}, &out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a command that does not exist gives %v", err)
	}
}

func TestACommandEndsWithTheRun(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Skip("needs sleep(1) in PATH")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	ended, err := pipeline.Start(ctx, []string{sleep, "60"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if <-ended; time.Since(began) > 30*time.Second {
		t.Errorf("it ran on for %s", time.Since(began))
	}
}
