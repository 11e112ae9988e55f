package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"

	"golang.org/x/term"

	"dnatrace/capture/privilege"
	"dnatrace/cmd/internal/render"
)

// guard is a process that gives the terminal back when this one ends without doing
// so itself: killed, out of memory, in a panic on any goroutine. It is the same
// binary started again, holds no privilege, and waits on a pipe.
type guard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser // its end is that of this process
	once sync.Once
}

// guardName is the guard's Args[0], and guardEnv is set in it.
const (
	guardName = "dnatrace: terminal guard"
	guardEnv  = "DNATRACE_GUARD"
)

// standGuard starts the guard, once it knows the modes of the terminal as they are
// now.
func standGuard() (*guard, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start terminal guard: %w", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start terminal guard: %w", err)
	}
	defer r.Close()
	g := &guard{cmd: exec.Command(self), pipe: w}
	g.cmd.Args, g.cmd.Env = []string{guardName}, append(os.Environ(), guardEnv+"=1", "GOMAXPROCS=1")
	g.cmd.Stdin, g.cmd.Stderr = r, os.Stdout // the terminal: standard error may be none
	ready, err := g.cmd.StdoutPipe()
	if err == nil {
		err = g.cmd.Start()
	}
	if err == nil {
		_, err = io.ReadFull(ready, make([]byte, 1))
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("start terminal guard: %w", err)
	}
	if err := debug.SetCrashOutput(w, debug.CrashOptions{}); err != nil {
		g.end()
		return nil, fmt.Errorf("start terminal guard: %w", err)
	}
	return g, nil
}

// end dismisses the guard: the terminal is as it was.
func (g *guard) end() {
	g.once.Do(func() {
		debug.SetCrashOutput(nil, debug.CrashOptions{})
		g.cmd.Process.Kill()
		g.cmd.Wait()
		g.pipe.Close()
	})
}

// guardMain returns at once unless this process was started as a guard: then it
// waits for the end of the one that started it, and exits.
func guardMain() {
	if os.Args[0] != guardName || os.Getenv(guardEnv) == "" {
		return
	}
	const ttou = syscall.Signal(22) // SIGTTOU: the terminal may belong to a shell again
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, ttou)
	tty := os.Stderr
	was, err := term.GetState(int(tty.Fd()))
	_ = privilege.Confine(privilege.Limits{Network: true}) // without it the guard is no less a guard
	if err == nil {
		_, err = os.Stdout.Write([]byte{'r'})
	}
	if err != nil {
		os.Exit(exitTrouble)
	}
	os.Stdout.Close()
	crash, _ := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	io.Copy(io.Discard, os.Stdin)
	io.WriteString(tty, terminalBack)
	_ = term.Restore(int(tty.Fd()), was) // there may be no terminal any more
	for line := range bytes.Lines(crash) {
		fmt.Fprintln(tty, render.Clean(string(bytes.TrimRight(line, "\n"))))
	}
	os.Exit(0)
}

// terminalBack undoes what a screen may have set (xterm's ctlseqs): synchronized
// output, bracketed paste, mouse, focus, keyboard protocols, colours, the other
// screen; and shows the cursor.
const terminalBack = "\x1b[?2026l\x1b[?2004l\x1b[?1006l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1004l\x1b[?2027l\x1b[<u\x1b[>4m\x1b[0m\x1b[?1049l\x1b[?25h\r"
