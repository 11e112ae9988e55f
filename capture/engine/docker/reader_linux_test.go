package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"dnatrace/capture"
	"dnatrace/capture/privilege"
)

func apart(t *testing.T, f *fakeEngine) *Engine {
	t.Helper()
	e := f.dial(t)
	if err := e.Apart(); err != nil {
		t.Fatal(err)
	}
	return e
}

func TestAProcessOfItsOwnAsksTheEngine(t *testing.T) {
	f := newFake(t)
	want, err := f.dial(t).Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := apart(t, f)
	got, err := e.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, got) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := e.cli.ContainerCreate(t.Context(), &container.Config{Image: "x"}, nil, nil, nil, ""); err == nil || f.count("/containers/create") > 0 {
		t.Errorf("a container was asked for: %v", err)
	}
	if err := e.cli.ContainerKill(t.Context(), webID, "KILL"); err == nil || f.count("/containers/"+webID+"/kill") > 0 {
		t.Errorf("a container was killed: %v", err)
	}
	if _, _, err := e.cli.CopyFromContainer(t.Context(), webID, "/etc/shadow"); err == nil {
		t.Error("a file was read out of a container")
	}
	if _, err := e.Snapshot(t.Context()); err != nil {
		t.Errorf("after these it answers no more: %v", err)
	}
}

// TestWhoAsksTheEngineHoldsNothingElse reads of the kernel what it holds, and whether
// this process has let go of the socket.
func TestWhoAsksTheEngineHoldsNothingElse(t *testing.T) {
	if privilege.Known().Cgo {
		t.Skip("nothing is taken from a binary built with cgo: set CGO_ENABLED=0")
	}
	f := newFake(t)
	e := apart(t, f)
	if _, err := e.Snapshot(t.Context()); err != nil {
		t.Fatal(err)
	}
	pid := e.reader.child.Process.Pid
	status, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, path := range status {
		b, _ := os.ReadFile(path)
		for _, want := range []string{"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "NoNewPrivs:\t1"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("%s: no %q", path, want)
			}
		}
		if privilege.Known().Seccomp && !strings.Contains(string(b), "Seccomp:\t2") {
			t.Errorf("%s: its calls are not filtered", path)
		}
	}
	if len(status) == 0 {
		t.Error("it has no threads")
	}
	env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	for v := range strings.SplitSeq(strings.Trim(string(env), "\x00"), "\x00") {
		if !strings.HasPrefix(v, "DOCKER_") && !strings.HasPrefix(v, readerEnv) && !strings.HasPrefix(v, "HOME=") && !strings.Contains(strings.ToUpper(v), "_PROXY=") {
			t.Errorf("its environment has %q", v)
		}
	}
}

func TestAKilledReaderIsAFailedSource(t *testing.T) {
	f := newFake(t)
	e := apart(t, f)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	killed, failed := false, ""
	for b, err := range e.Source()(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Kind == capture.KindSnapshot && !killed {
				killed = true
				e.reader.child.Process.Kill()
			}
			var s capture.SourceState
			if r.Kind == capture.KindSource && json.Unmarshal(r.Data, &s) == nil && s.State == capture.SourceFailed {
				failed = s.Why
				cancel()
			}
		}
	}
	if failed == "" {
		t.Error("the source did not fail")
	}
	if _, err := e.Snapshot(t.Context()); !errors.Is(err, errGone) {
		t.Errorf("got %v, want %v", err, errGone)
	}
}

func TestTheReaderEndsWithWhoAsks(t *testing.T) {
	e := apart(t, newFake(t))
	ended := e.reader.ended
	e.Close()
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Error("it is still there")
	}
}
