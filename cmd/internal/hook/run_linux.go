package hook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/cmd/internal/pipeline"
)

// program is this one, wherever it lies: that user need not get there.
const program = "/proc/self/exe"

// unprivileged has a process be another user's, where this one may do more.
func unprivileged(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if u, other := Unprivileged(os.Getenv); other {
		c.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID)}
	}
}

// Main returns at once unless this process was started to run commands: then it
// does, and exits. It must be called before anything else in main, and in TestMain
// where Start is used.
func Main() {
	if os.Args[0] != childName || os.Getenv(childEnv) == "" {
		return
	}
	os.Unsetenv(childEnv)
	runtime.LockOSThread() // the one that starts commands: they have what it has
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "dnatrace: hook: set no_new_privs:", err)
		os.Exit(2)
	}
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE) // the end comes from the parent
	serve()
	os.Exit(0)
}

// serve runs what is asked for, until nobody asks any more: then it ends what runs.
func serve() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	jobs := make(chan job)
	pipeline.Do(ctx, func(ctx context.Context) {
		defer cancel()
		for in := json.NewDecoder(os.Stdin); ; {
			var j job
			if in.Decode(&j) != nil {
				return
			}
			select {
			case jobs <- j:
			case <-ctx.Done():
			}
		}
	})
	for out := json.NewEncoder(os.Stdout); ; {
		select {
		case <-ctx.Done():
			return
		case j := <-jobs:
			var o outcome
			if err := j.run(ctx); err != nil {
				o.Err = err.Error()
			}
			if out.Encode(o) != nil {
				return
			}
		}
	}
}

// run runs one command in a process group of its own, all of which ends with it.
func (j *job) run(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, j.Limit)
	defer cancel()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", j.Command)
	c.Env = append(os.Environ(), j.Env...)
	c.Stdout, c.Stderr = os.Stderr, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	err := c.Run()
	if c.Process != nil {
		_ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) // what it left behind
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("it took longer than %s and was ended", j.Limit)
	}
	return err
}
