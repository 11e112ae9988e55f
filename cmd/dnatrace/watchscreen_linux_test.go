package main

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "write the golden files anew")

// inPanic has the program panic once it has a screen, on a goroutine of its own.
const inPanic = "DNATRACE_TEST_IN_PANIC"

func init() {
	if os.Getenv(inPanic) == "" || os.Args[0] == guardName {
		return
	}
	go func() {
		for {
			m, err := unix.IoctlGetTermios(int(os.Stdin.Fd()), unix.TCGETS)
			if time.Sleep(300 * time.Millisecond); err == nil && m.Lflag&unix.ICANON == 0 {
				panic("at a goroutine that nobody knows of")
			}
		}
	}()
}

// modes are those of a terminal.
func modes(t *testing.T, tty *os.File) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

// until waits for something that another process does.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func TestTheTerminalIsGivenBackHoweverWatchEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		signal syscall.Signal // 0: none, the program panics
		said   string         // after the screen was left
	}{
		{"terminated", syscall.SIGTERM, "1 request: 1 dropped"},
		{"interrupted from elsewhere", syscall.SIGINT, "1 request: 1 dropped"},
		{"hung up", syscall.SIGHUP, "1 request: 1 dropped"},
		{"quit, which crashes with all stacks", syscall.SIGQUIT, "SIGQUIT"},
		{"killed", syscall.SIGKILL, ""},
		{"a panic on some goroutine", 0, "panic: at a goroutine that nobody knows of"},
	} {
		t.Run(c.name, func(t *testing.T) {
			tty, written := terminal(t, 80)
			before := modes(t, tty)
			p := process(t, "watch", "--replay", folder+"demo-forward-drop", "--speed", "0")
			p.Stdin, p.Stdout, p.Stderr = tty, tty, tty
			p.Env = append(p.Env, "TERM=xterm-256color", "LC_ALL=C.UTF-8")
			if c.signal == 0 {
				p.Env = append(p.Env, inPanic+"=1")
			}
			wait := await(t, p)
			until(t, "the screen", func() bool { return modes(t, tty) != before })
			time.Sleep(500 * time.Millisecond)
			if c.signal != 0 {
				p.Process.Signal(c.signal)
			}
			wait()
			until(t, "the modes of the terminal as they were", func() bool { return modes(t, tty) == before })
			out := written()
			_, after, left := strings.Cut(out, "\x1b[?1049l")
			if !strings.Contains(out, "\x1b[?1049h") || !left {
				t.Fatalf("the other screen was not entered, or not left: %q", out)
			}
			if shown, hidden := strings.LastIndex(out, "\x1b[?25h"), strings.LastIndex(out, "\x1b[?25l"); shown < hidden {
				t.Error("the cursor stays hidden")
			}
			for _, mode := range []string{"1000", "1002", "1003", "1006", "2004", "2026"} {
				if strings.LastIndex(out, "\x1b[?"+mode+"h") > strings.LastIndex(out, "\x1b[?"+mode+"l") {
					t.Errorf("mode %s stays on", mode)
				}
			}
			if !strings.Contains(after, c.said) {
				t.Errorf("after the screen there is %q, without %q", after, c.said)
			}
		})
	}
}

// await starts a process as started does, for a test that does not mind its code.
func await(t *testing.T, c *exec.Cmd) (wait func()) {
	ended := started(t, c)
	return func() { ended() }
}

func TestNothingFlickers(t *testing.T) {
	tty, written := terminal(t, 100)
	before := modes(t, tty)
	p := process(t, "watch", "--replay", folder+"demo-forward-drop")
	p.Stdin, p.Stdout, p.Stderr = tty, tty, tty
	p.Env = append(p.Env, "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	wait := await(t, p)
	until(t, "the screen", func() bool { return modes(t, tty) != before })
	time.Sleep(4 * time.Second) // forty frames, of which a dozen differ
	p.Process.Signal(syscall.SIGTERM)
	wait()
	out, _, _ := strings.Cut(written(), "\x1b[?1049l")
	if n := strings.Count(out, "\x1b[2J"); n > 2 {
		t.Errorf("the screen was cleared %d times", n)
	}
	if n := strings.Count(out, "LAST FAILURE"); n > 2 {
		t.Errorf("what did not change was written %d times", n)
	}
}

// tmux is a server of its own with one window.
type tmux struct {
	t      *testing.T
	socket string
}

func (x *tmux) run(args ...string) string {
	x.t.Helper()
	c := exec.Command("tmux", append([]string{"-S", x.socket, "-f", "/dev/null"}, args...)...)
	out, err := c.CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

// shows waits until a screen is as a golden file has it.
func (x *tmux) shows(name string) {
	x.t.Helper()
	file := filepath.Join("testdata", "watch", name+".txt")
	want, _ := os.ReadFile(file)
	var got string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if got = x.run("capture-pane", "-p"); got == string(want) {
			return
		}
		if *update && time.Until(deadline) < 8*time.Second {
			os.MkdirAll(filepath.Dir(file), 0o755)
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				x.t.Fatal(err)
			}
			return
		}
	}
	x.t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(string(want), got))
}

// says waits until a text is on the screen.
func (x *tmux) says(want string) {
	x.t.Helper()
	until(x.t, want, func() bool { return strings.Contains(strings.ReplaceAll(x.run("capture-pane", "-p"), "\n", ""), want) })
}

func TestWatchAsAPersonUsesIt(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("needs tmux: apt-get install tmux")
	}
	p := process(t)
	dir := t.TempDir()
	here, err := filepath.Abs(folder)
	if err != nil {
		t.Fatal(err)
	}
	var line bytes.Buffer
	line.WriteString("env -u NO_COLOR TZ=UTC LC_ALL=C.UTF-8 TERM=screen-256color " + asProgram + "=1 " + p.Path)
	line.WriteString(" watch --replay " + here + "/demo-forward-drop/recording.pcapng.gz --speed 0; echo exit $?; exec sleep 1000")
	x := &tmux{t, filepath.Join(t.TempDir(), "tmux")}
	t.Setenv("LC_ALL", "C.UTF-8")
	x.run("new-session", "-d", "-c", dir, "-x", "80", "-y", "24", line.String())
	defer x.run("kill-server")
	keys := func(names ...string) { x.run(append([]string{"send-keys"}, names...)...) }
	x.shows("ports-80x24")
	keys("Enter")
	x.shows("port-80x24")
	x.run("resize-window", "-x", "100", "-y", "30")
	x.shows("port-100x30")
	keys("Enter")
	x.shows("request-100x30")
	x.run("resize-window", "-x", "200", "-y", "50")
	x.shows("request-200x50")
	keys("Escape") // alone: with the next key at its heels it would be Alt and that
	x.shows("port-200x50")
	keys("Escape")
	x.shows("ports-200x50")
	keys("w")
	x.says("saved watch-")
	keys("r")
	x.says(".html and watch-")
	keys("e")
	x.shows("explain-200x50")
	keys("?")
	x.shows("help-200x50")
	keys("Escape")
	x.shows("ports-200x50")
	keys("/", "n", "o", "Enter")
	x.run("resize-window", "-x", "80", "-y", "24")
	x.shows("filtered-80x24")
	keys("q")
	x.shows("afterwards-80x24")
	saved, _ := filepath.Glob(filepath.Join(dir, "watch-*.pcapng"))
	reports, _ := filepath.Glob(filepath.Join(dir, "watch-*.html"))
	if len(saved) == 0 || len(reports) != 1 {
		t.Fatalf("saved are %v and %v", saved, reports)
	}
	for _, path := range saved {
		if out, err, code := dnatrace("replay", path, "--expect", "dropped:firewall-drop"); code != exitOK {
			t.Errorf("%s holds something else: %s%s", path, out, err)
		}
	}
	if page, err := os.ReadFile(reports[0]); err != nil || !bytes.Contains(page, []byte("nft delete rule inet site forward handle 2")) {
		t.Errorf("the report does not tell the fix (%v)", err)
	}
	if st, err := os.Stat(reports[0]); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("the report is for others to read: %v", st.Mode())
	}
}
