package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"dnatrace/capture/engine/docker"
	"dnatrace/capture/opener"
)

// evictor is a process that takes a collector away when this one ends without doing
// so itself. It is the same binary started again, and waits on a pipe. Most of it
// goes by itself: the collector ends when nobody speaks to it, and its container with
// it; what the engine was just about to make does not.
type evictor struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
	once sync.Once
}

// evictorName is the evictor's Args[0], and evictorEnv is set in it.
const (
	evictorName = "dnatrace: collector guard"
	evictorEnv  = "DNATRACE_EVICTOR"
)

// evicting is how long an evictor looks for what an engine makes that was busy with
// it when nobody wanted it any more.
const evicting = 30 * time.Second

// charge is what an evictor is to take away, and from where.
type charge struct{ Host, Context, Mark string }

// standEvictor starts the evictor.
func standEvictor(f *engineFlags, mark string) (*evictor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start collector guard: %w", err)
	}
	e := &evictor{cmd: exec.Command(self)}
	e.cmd.Args, e.cmd.Env = []string{evictorName}, append(os.Environ(), evictorEnv+"=1", "GOMAXPROCS=1")
	e.cmd.SysProcAttr = apart()
	if e.pipe, err = e.cmd.StdinPipe(); err == nil {
		err = e.cmd.Start()
	}
	if err == nil {
		err = json.NewEncoder(e.pipe).Encode(charge{f.host, f.context, mark})
	}
	if err != nil {
		return nil, fmt.Errorf("start collector guard: %w", err)
	}
	return e, nil
}

// end dismisses the evictor: nothing is left to take away.
func (e *evictor) end() {
	e.once.Do(func() {
		e.cmd.Process.Kill()
		e.cmd.Wait()
		e.pipe.Close()
	})
}

// evictorMain returns at once unless this process was started as an evictor: then it
// waits for the end of the one that started it, takes away what that left, and exits.
func evictorMain() {
	if os.Args[0] != evictorName || os.Getenv(evictorEnv) == "" {
		return
	}
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	_ = opener.Drop() // without it the guard is no less a guard
	var c charge
	if err := json.NewDecoder(os.Stdin).Decode(&c); err != nil {
		os.Exit(exitTrouble)
	}
	io.Copy(io.Discard, os.Stdin)
	for began := time.Now(); time.Since(began) < evicting; time.Sleep(2 * time.Second) {
		_ = c.evict() // what cannot be removed now is tried again
	}
	os.Exit(0)
}

// evict takes away what there is now.
func (c *charge) evict() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ep, err := docker.Choose(c.Host, c.Context)
	if err != nil {
		return err
	}
	e, err := ep.Dial(ctx)
	if err != nil {
		return err
	}
	defer e.Close()
	return e.Evict(ctx, c.Mark)
}
