package privilege_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"dnatrace/capture/privilege"
)

// actEnv makes this binary act as a process that is confined.
const actEnv = "PRIVILEGE_TEST_ACT"

func TestMain(m *testing.M) {
	if as := os.Getenv(actEnv); as != "" {
		act(as)
		return
	}
	os.Exit(m.Run())
}

// attempts are what somebody would try who has taken a process over. Those named in
// works are of use to it.
var attempts = []struct {
	name  string
	works []string
	try   func(in, out string) error
}{
	{"read its input", []string{"reader", "connected"}, func(in, _ string) error { _, err := os.ReadFile(in); return err }},
	{"write its output under another name, and rename it", []string{"reader", "connected"}, func(_, out string) error {
		f, err := os.CreateTemp(out, ".tmp-*")
		if err != nil {
			return err
		}
		_, err = f.WriteString("whole")
		return errors.Join(err, f.Chmod(0o600), f.Close(), os.Rename(f.Name(), filepath.Join(out, "out")))
	}},
	{"remove what it wrote", []string{"reader", "connected"}, func(_, out string) error { return os.Remove(filepath.Join(out, "out")) }},
	{"start threads", []string{"reader", "connected"}, func(string, string) error {
		done := make(chan bool)
		for range 8 {
			go func() { time.Sleep(20 * time.Millisecond); unix.Getpid(); done <- true }()
		}
		for range 8 {
			<-done
		}
		return nil
	}},
	{"change its input", nil, func(in, _ string) error { return os.WriteFile(in, nil, 0o600) }},
	{"write beside its input", nil, func(in, _ string) error { return os.WriteFile(in+".new", nil, 0o600) }},
	{"remove its input", nil, func(in, _ string) error { return os.Remove(in) }},
	{"read the users", nil, func(string, string) error { _, err := os.ReadFile("/etc/passwd"); return err }},
	{"read them by a link", nil, func(_, out string) error {
		_ = os.Symlink("/etc/passwd", filepath.Join(out, "link"))
		_, err := os.ReadFile(filepath.Join(out, "link"))
		return err
	}},
	{"list the root", nil, func(string, string) error { _, err := os.ReadDir("/"); return err }},
	{"read its own memory map", nil, func(string, string) error { _, err := os.ReadFile("/proc/self/maps"); return err }},
	{"run a program", nil, func(string, string) error { return exec.Command("/bin/true").Run() }},
	{"run its own program", nil, func(string, string) error { return unix.Exec("/proc/self/exe", []string{"x"}, nil) }},
	{"ask the engine", nil, func(string, string) error { return unlessRefused(net.Dial("unix", "/var/run/docker.sock")) }},
	{"connect to somebody by TCP", []string{"connected"}, func(string, string) error { return unlessRefused(net.Dial("tcp4", "127.0.0.1:1")) }},
	{"open a packet socket", nil, func(string, string) error { return fd(unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)) }},
	{"open a raw socket", nil, func(string, string) error { return fd(unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)) }},
	{"signal the process that started it", []string{"connected"}, func(string, string) error { return unix.Kill(os.Getppid(), 0) }},
	{"trace it", nil, func(string, string) error { return unix.PtraceAttach(os.Getppid()) }},
	{"read its memory", nil, func(string, string) error {
		var b [8]byte
		_, err := unix.ProcessVMReadv(os.Getppid(), []unix.Iovec{{Base: &b[0], Len: 8}}, []unix.RemoteIovec{{Base: 0, Len: 8}}, 0)
		return err
	}},
	{"mount", nil, func(_, out string) error { return unix.Mount("none", out, "tmpfs", 0, "") }},
	{"make a namespace of users", nil, func(string, string) error { return unix.Unshare(unix.CLONE_NEWUSER) }},
	{"enter a namespace", nil, func(string, string) error { return unix.Setns(0, unix.CLONE_NEWNET) }},
	{"enter another kind of namespace", nil, func(string, string) error { return unix.Setns(0, unix.CLONE_NEWNS) }},
	{"become root", nil, func(string, string) error { return raw(unix.SYS_SETRESUID, 0, 0, 0) }},
	{"load a program into the kernel", nil, func(string, string) error { return raw(unix.SYS_BPF, 0, 0, 0) }},
	{"watch the kernel", nil, func(string, string) error { return raw(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0) }},
	{"go past the filter by a ring", nil, func(string, string) error {
		var params [128]byte
		return raw(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	}},
	{"see the keys", nil, func(string, string) error { return raw(unix.SYS_KEYCTL, 0, ^uintptr(0), 0) }},
	{"handle page faults", nil, func(string, string) error { return raw(unix.SYS_USERFAULTFD, 0, 0, 0) }},
	{"load a module", nil, func(string, string) error { return unix.FinitModule(0, "", 0) }},
	{"open a file by its number", nil, func(string, string) error {
		return fd(unix.OpenByHandleAt(unix.AT_FDCWD, unix.NewFileHandle(1, make([]byte, 8)), 0))
	}},
	{"type into the terminal", nil, func(string, string) error {
		c := byte('x')
		return raw(unix.SYS_IOCTL, 0, unix.TIOCSTI, uintptr(unsafe.Pointer(&c)))
	}},
	{"lift its limits", nil, func(string, string) error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0) }},
	{"leave its root", nil, func(_, out string) error { return unix.Chroot(out) }},
	{"make a device", nil, func(_, out string) error { return unix.Mknod(filepath.Join(out, "mem"), unix.S_IFCHR|0o600, 1<<8|1) }},
	{"set the clock", nil, func(string, string) error { var tv unix.Timeval; unix.Gettimeofday(&tv); return unix.Settimeofday(&tv) }},
}

func raw(call, a, b, c uintptr) error {
	if _, _, errno := unix.Syscall(call, a, b, c); errno != 0 {
		return errno
	}
	return nil
}

func fd(n int, err error) error {
	if err == nil {
		unix.Close(n)
	}
	return err
}

// unlessRefused takes a refusal for an attempt that got through to somebody.
func unlessRefused(c net.Conn, err error) error {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) {
		return nil
	}
	if err == nil {
		c.Close()
	}
	return err
}

// act confines this process, tells what came of each attempt and waits to be looked at.
func act(as string) {
	in, out := os.Args[1], os.Args[2]
	if as == "opener" {
		if err := privilege.Refuse(); err != nil {
			fmt.Println(err)
		}
		fmt.Println(tell(in, out))
		return
	}
	err := privilege.Confine(privilege.Limits{Read: []string{in}, Write: []string{out}, Network: as == "connected"})
	if err != nil {
		fmt.Println(err)
	}
	for _, a := range attempts {
		fmt.Printf("%s\t%v\n", a.name, a.try(in, out))
	}
	fmt.Println("end")
	io.Copy(io.Discard, os.Stdin)
}

// refused are those of the attempts that an opener must not get through with, though it
// has the privilege for them.
var refused = []string{
	"trace it", "read its memory", "mount", "make a namespace of users", "go past the filter by a ring", "see the keys",
	"handle page faults", "load a module", "open a file by its number", "leave its root", "make a device", "set the clock", "enter another kind of namespace",
}

// tell is which of them got through.
func tell(in, out string) (through []string) {
	for _, a := range attempts {
		if !slices.Contains(refused, a.name) {
			continue
		}
		if err := a.try(in, out); !errors.Is(err, unix.EPERM) {
			through = append(through, fmt.Sprintf("%s: %v", a.name, err))
		}
	}
	return through
}

func TestWhatAnOpenerCannotDoWithAllPrivilege(t *testing.T) {
	if os.Geteuid() != 0 || !privilege.Known().Seccomp {
		t.Skip("needs root, and a filter of calls")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", filepath.Join(t.TempDir(), "in"), t.TempDir())
	cmd.Env = []string{actEnv + "=opener"}
	out, err := cmd.CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "[]" {
		t.Errorf("it gets through with %s (%v)", got, err)
	}
}

// TestWhatAConfinedProcessCanDo has each kind of process try what somebody would who
// has taken it over, and reads of the kernel what it holds.
func TestWhatAConfinedProcessCanDo(t *testing.T) {
	if k := privilege.Known(); k.Landlock == 0 || !k.Seccomp {
		t.Skipf("this kernel has Landlock %d, a filter of calls: %t", k.Landlock, k.Seccomp)
	}
	for _, as := range []string{"reader", "connected"} {
		t.Run(as, func(t *testing.T) {
			in, out := filepath.Join(t.TempDir(), "in"), t.TempDir()
			if err := os.WriteFile(in, []byte("in"), 0o600); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/proc/self/exe", in, out)
			cmd.Env = []string{actEnv + "=" + as}
			cmd.Stderr = os.Stderr
			hold, err := cmd.StdinPipe()
			told, err2 := cmd.StdoutPipe()
			if err := errors.Join(err, err2, cmd.Start()); err != nil {
				t.Fatal(err)
			}
			defer cmd.Wait()
			defer hold.Close()
			results := map[string]string{}
			for s := bufio.NewScanner(told); s.Scan() && s.Text() != "end"; {
				name, is, ok := strings.Cut(s.Text(), "\t")
				if results[name] = is; !ok {
					t.Error(s.Text())
				}
			}
			for _, a := range attempts {
				is, tried := results[a.name]
				if works := slices.Contains(a.works, as); !tried || works != (is == "<nil>") {
					t.Errorf("%s: %s", a.name, is)
				}
			}
			bare(t, cmd.Process.Pid)
		})
	}
}

// bare looks at every thread of a process: no capability, no way to new ones, and its
// calls are filtered.
func bare(t *testing.T, pid int) {
	t.Helper()
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if len(threads) < 2 {
		t.Errorf("%d threads", len(threads))
	}
	for _, path := range threads {
		b, _ := os.ReadFile(path)
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
			value = strings.TrimSpace(value)
			switch name {
			case "CapInh", "CapPrm", "CapEff", "CapAmb":
				if strings.Trim(value, "0") != "" {
					t.Errorf("%s: %s", path, line)
				}
			case "CapBnd":
				if strings.Trim(value, "0") != "" && os.Geteuid() == 0 {
					t.Errorf("%s: %s", path, line)
				}
			case "NoNewPrivs":
				if value != "1" {
					t.Errorf("%s: %s", path, line)
				}
			case "Seccomp":
				if value != "2" {
					t.Errorf("%s: %s", path, line)
				}
			}
		}
	}
}

// TestRootKeepsWhatItNeedsForFilesOfOthers: without capabilities root is a user like
// any other before a file of mode 0600.
func TestRootKeepsWhatItNeedsForFilesOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const nobody = 65534
	own, theirs := t.TempDir(), t.TempDir()
	for dir, uid := range map[string]int{own: 0, theirs: nobody} {
		file := filepath.Join(dir, "in")
		if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chown(file, uid, uid), os.Chown(dir, uid, uid), os.Chmod(dir, 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	const override, search = uint64(1) << unix.CAP_DAC_OVERRIDE, uint64(1) << unix.CAP_DAC_READ_SEARCH
	for _, c := range []struct {
		name  string
		limit privilege.Limits
		want  uint64
	}{
		{"its own file, its own directory", privilege.Limits{Read: []string{own + "/in"}, Write: []string{own}}, 0},
		{"a folder of its own", privilege.Limits{Read: []string{own}}, 0},
		{"what is not there", privilege.Limits{Read: []string{own + "/none"}, Write: []string{own + "/none"}}, 0},
		{"a file of somebody else", privilege.Limits{Read: []string{theirs + "/in"}}, search},
		{"a folder with one", privilege.Limits{Read: []string{theirs}}, search},
		{"a directory of somebody else", privilege.Limits{Write: []string{theirs}}, override},
	} {
		if got := privilege.Needed(c.limit); got != c.want {
			t.Errorf("%s: got %#x, want %#x", c.name, got, c.want)
		}
	}
	if have, _ := privilege.Capabilities(); have&override == 0 {
		t.Error("to find out has cost a capability")
	}
}
