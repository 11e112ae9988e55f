package opener

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/pair"
)

// ActStranger is another program that starts the opener of this one, with a socket of
// its own, and asks it.
func ActStranger(exe string) {
	ours, theirs, err := pair.New(unix.SOCK_STREAM, "opener", "parent")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = unix.SetsockoptInt(int(theirs.Fd()), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	child := &exec.Cmd{Path: exe, Args: []string{childName}, Env: []string{childEnv + "=1"}, Stderr: os.Stdout, ExtraFiles: []*os.File{theirs}}
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return
	}
	theirs.Close()
	tell(ours)
	ours.Close()
	child.Wait()
}

// ActSender asks an opener that another process started, by its socket.
func ActSender() {
	c, err := net.FileConn(os.NewFile(childFD, "socket"))
	if err != nil {
		fmt.Println(err)
		return
	}
	tell(c.(*net.UnixConn))
}

func tell(conn *net.UnixConn) {
	if err := send(conn, request{Op: opInode}, nil, nil); err != nil {
		fmt.Println("not sent:", err)
		return
	}
	if body, _, _, err := receive(conn, maxAnswer); err != nil {
		fmt.Println("no answer:", err)
	} else {
		fmt.Printf("answered: %s\n", body)
	}
}

// acting runs a program as an actor of these tests.
func acting(t *testing.T, exe, what string, files []*os.File, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, exe, args...)
	c.WaitDelay = time.Second
	c.Env = append(os.Environ(), "OPENER_TEST_ACT="+what)
	c.ExtraFiles = files
	out, _ := c.CombinedOutput()
	return string(out)
}

func TestAnotherProgramCannotHaveTheOpenerWorkForIt(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if said := acting(t, exe, "stranger", nil, exe); !strings.Contains(said, "answered") {
		t.Errorf("started by its own program it says %q", said)
	}
	other := filepath.Join(t.TempDir(), "other")
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(other, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if said := acting(t, other, "stranger", nil, exe); strings.Contains(said, "answered") || !strings.Contains(said, "runs another program") {
		t.Errorf("started by another program it says %q", said)
	}
}

func TestAnotherProcessCannotAskByTheSocketOfTheParent(t *testing.T) {
	o, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := o.Inode(""); err != nil {
		t.Fatal(err)
	}
	f, err := o.conn.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if said := acting(t, exe, "sender", []*os.File{f}); strings.Contains(said, "answered") {
		t.Errorf("another process is told %q", said)
	}
	if _, err := o.Inode(""); err == nil {
		t.Error("the opener goes on serving")
	}
	o.Close()
}

func TestTheOpenerHasNothingOfTheCallersEnvironment(t *testing.T) {
	t.Setenv("PATH", "/tmp/of-a-stranger:"+os.Getenv("PATH"))
	t.Setenv("LD_PRELOAD", "/tmp/of-a-stranger.so")
	o, err := Start()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", o.child.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Trim(string(b), "\x00"); got != childEnv+"=1" {
		t.Errorf("its environment is %q", got)
	}
}
