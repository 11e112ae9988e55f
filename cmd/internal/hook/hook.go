// Package hook runs a command of the user's when something has happened: one at a
// time, with a time limit, and not with the privilege of this process. A process
// of its own does it, the same binary started again as the user that the command
// is to run as; it is started before privilege is dropped and needs none.
//
// The package must not import render, decode or correlate.
package hook

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Limit is how long a command may run.
const Limit = 30 * time.Second

// The process that runs commands is known by its name and a variable.
const (
	childName = "dnatrace-hook"
	childEnv  = "DNATRACE_HOOK"
)

// job is one command to run.
type job struct {
	Command string
	Env     []string
	Limit   time.Duration
}

// outcome is what became of it.
type outcome struct {
	Err string // "" if it exited 0
}

// User is whom commands run as.
type User struct{ UID, GID int }

// Unprivileged is the user that a process of user 0 hands commands to: the one who
// called sudo, else nobody. False where this process is some other user's: commands
// run as that one.
func Unprivileged(getenv func(string) string) (u User, other bool) {
	if os.Geteuid() != 0 {
		return User{}, false
	}
	const nobody = 65534
	uid, err1 := strconv.Atoi(getenv("SUDO_UID"))
	gid, err2 := strconv.Atoi(getenv("SUDO_GID"))
	if err1 != nil || err2 != nil || uid <= 0 || gid <= 0 {
		return User{nobody, nobody}, true
	}
	return User{uid, gid}, true
}

// Runner runs a command as often as it is asked to. It is not safe for concurrent
// use, but for Close.
type Runner struct {
	command string
	child   *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	err     error // the process is of no use any more
}

// Start starts the process. What commands print goes to a file, which may be nil.
// The binary's main must call Main first.
func Start(command string, out *os.File) (*Runner, error) {
	child := &exec.Cmd{Path: program, Args: []string{childName}, Env: append(environment(os.Getenv), childEnv+"=1"), Dir: "/"}
	if out != nil {
		child.Stderr = out
	}
	unprivileged(child)
	in, err := child.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the runner of --on-failure: %w", err)
	}
	answers, err := child.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the runner of --on-failure: %w", err)
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the runner of --on-failure: %w", err)
	}
	return &Runner{command: command, child: child, in: in, out: json.NewDecoder(answers)}, nil
}

// environment is what commands see of this process's.
func environment(getenv func(string) string) []string {
	out := []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
	for _, name := range []string{"LANG", "LC_ALL", "TZ"} {
		if v := getenv(name); v != "" {
			out = append(out, name+"="+v)
		}
	}
	return out
}

// Run runs the command with variables added to its environment, and waits for its
// end. One that takes longer than a limit is killed.
func (r *Runner) Run(limit time.Duration, env ...string) error {
	if r.err != nil {
		return r.err
	}
	if err := json.NewEncoder(r.in).Encode(job{r.command, env, limit}); err != nil {
		r.err = fmt.Errorf("run %s: %w", r.command, err)
		return r.err
	}
	var o outcome
	if err := r.out.Decode(&o); err != nil {
		r.err = fmt.Errorf("run %s: %w", r.command, err)
		return r.err
	}
	if o.Err != "" {
		return fmt.Errorf("run %s: %s", r.command, o.Err)
	}
	return nil
}

// Close ends the process, and with it what it runs.
func (r *Runner) Close() error {
	err := r.in.Close()
	r.child.Wait() // how it ended says nothing
	return err
}
