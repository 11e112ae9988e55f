package main

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"dnatrace/capture/opener"
	"dnatrace/cmd/internal/hook"
)

// asProgram has the test binary be the program itself.
const asProgram = "DNATRACE_TEST_AS_PROGRAM"

// inPanic has that program panic a moment later, on a goroutine of its own.
const inPanic = "DNATRACE_TEST_IN_PANIC"

func TestMain(m *testing.M) {
	opener.Main()
	hook.Main()
	if os.Getenv(asProgram) != "" {
		if os.Getenv(inPanic) != "" && os.Args[0] != guardName {
			time.AfterFunc(2*time.Second, func() { panic("at a goroutine that nobody knows of") })
		}
		main()
	}
	os.Exit(m.Run())
}

// process is the program as a process of its own, not yet started.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}
