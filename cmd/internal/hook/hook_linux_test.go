package hook

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	Main()
	os.Exit(m.Run())
}

// started is a runner of a command, which writes to a file that everyone may write.
func started(t *testing.T, command string) (r *Runner, read func() string) {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) { // for whoever runs it
		os.Chmod(d, 0o755)
	}
	path := filepath.Join(dir, "out")
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o666)
	r, err := Start(strings.ReplaceAll(command, "OUT", path), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, func() string {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
}

func TestACommandGetsItsVariablesAndNoPrivilege(t *testing.T) {
	t.Setenv("SUDO_UID", "12345")
	t.Setenv("SUDO_GID", "12346")
	t.Setenv("SECRET", "x")
	r, read := started(t, `echo "$DNATRACE_FILE $(id -u) $(id -g) $(id -G) [$SECRET] $(grep -o 'NoNewPrivs.*' /proc/self/status)" > OUT`)
	if err := r.Run(Limit, "DNATRACE_FILE=/a file;rm"); err != nil {
		t.Fatal(err)
	}
	want := "12345 12346 12346"
	if os.Geteuid() != 0 {
		want = "" // it is this user's
	}
	if got := read(); !strings.HasPrefix(got, "/a file;rm "+want) || !strings.Contains(got, "[] NoNewPrivs:\t1") {
		t.Errorf("it saw %q", got)
	}
}

func TestWithoutSudoItIsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	for _, uid := range []string{"", "0", "-1", "x"} {
		t.Setenv("SUDO_UID", uid)
		t.Setenv("SUDO_GID", "100")
		if u, other := Unprivileged(os.Getenv); u.UID != 65534 || u.GID != 65534 || !other {
			t.Errorf("SUDO_UID=%s: %v", uid, u)
		}
	}
}

func TestACommandThatHangsIsEndedWithAllItStarted(t *testing.T) {
	r, read := started(t, `if [ -s OUT ]; then echo again >> OUT; exit 3; fi; echo begun >> OUT; (sleep 3; echo late >> OUT) & sleep 60`)
	began := time.Now()
	if err := r.Run(300*time.Millisecond, "A=b"); err == nil || !strings.Contains(err.Error(), "took longer than 300ms") {
		t.Error(err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	if err := r.Run(Limit); err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Error(err)
	}
	time.Sleep(3200*time.Millisecond - time.Since(began))
	if got := read(); got != "begun\nagain" {
		t.Errorf("it wrote %q", got)
	}
}

func TestTheEndEndsWhatRuns(t *testing.T) {
	r, _ := started(t, `sleep 60`)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(Limit) }()
	time.Sleep(200 * time.Millisecond)
	began := time.Now()
	r.Close()
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closing took %s", took)
	}
	if err := <-ended; err == nil {
		t.Error("it is said to have ended well")
	}
}
