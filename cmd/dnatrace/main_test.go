package main

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"

	"dnatrace/capture/engine/docker"
	"dnatrace/capture/opener"
	"dnatrace/cmd/internal/hook"
)

// asProgram has the test binary be the program itself.
const asProgram = "DNATRACE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	opener.Main()
	docker.Main()
	hook.Main()
	if os.Getenv(asProgram) != "" {
		main()
	}
	os.Exit(m.Run())
}

// hangsUp has what the tests start be ended by SIGHUP, also where they themselves were
// started with nohup: a signal that is ignored stays so in a child, one that is caught
// does not.
var hangsUp = sync.OnceFunc(func() { signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) })

// process is the program as a process of its own, not yet started.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hangsUp()
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}
