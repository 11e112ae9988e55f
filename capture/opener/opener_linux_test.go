package opener_test

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"dnatrace/capture/host"
	"dnatrace/capture/netns"
	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/opener"
	"dnatrace/capture/ring"
)

// actEnv makes this binary act as another process than a test.
const actEnv = "OPENER_TEST_ACT"

func TestMain(m *testing.M) {
	opener.Main()
	switch os.Getenv(actEnv) {
	case "parent":
		actParent()
	case "drop":
		actDrop(os.Args[1])
	case "keep exec":
		actKeepExec()
	case "trace":
		actTrace(os.Args[1])
	case "exposed":
		fmt.Println(opener.Exposed())
	case "stranger":
		opener.ActStranger(os.Args[1])
	case "sender":
		opener.ActSender()
	default:
		goleak.VerifyTestMain(m)
	}
}

func start(t *testing.T, paths ...string) *opener.Opener {
	t.Helper()
	o, err := opener.Start(paths...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// act starts this binary as another process.
func act(t *testing.T, what string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), actEnv+"="+what)
	cmd.Stderr = os.Stderr
	return cmd
}

func TestEveryRequestWorksInAnotherProcessAndInThisOne(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path, "ip link add docker0 type bridge", "nft add table ip story",
		"nft add chain ip story in { type filter hook input priority 0 ; }", "nft add rule ip story in ct state new accept")
	netnstest.Do(t, path, func() error {
		c, err := net.Dial("udp4", "127.0.0.1:9")
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write([]byte("hello"))
		return err
	})
	want, err := netns.Inode(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]*opener.Opener{"another process": start(t), "this process": opener.Local()} {
		t.Run(name, func(t *testing.T) {
			for request, open := range map[string]func(string) (*os.File, error){
				"packets": o.PacketSocket, "conntrack": func(path string) (*os.File, error) { return o.Conntrack(path, true) }, "rules watch": o.RulesWatch, "host watch": o.HostWatch,
			} {
				f, err := open(path)
				if err != nil {
					t.Errorf("%s: %v", request, err)
					continue
				}
				if got := socketNetns(t, f); got != want {
					t.Errorf("%s: the socket is in namespace %d, want %d", request, got, want)
				}
				f.Close()
			}
			if got, err := o.Inode(path); err != nil || got != want {
				t.Errorf("inode: got %d, %v", got, err)
			}
			if raw, err := o.ConntrackDump(path, ring.Want{All: true}); err != nil || len(raw) == 0 {
				t.Errorf("conntrack dump: got %d bytes, %v", len(raw), err)
			}
			sets, err := o.Rules(path)
			if err != nil || len(sets) == 0 || !strings.Contains(string(sets[0].Data), "story") {
				t.Errorf("rules: got %d sets, %v", len(sets), err)
			}
			for _, set := range sets {
				if set.Error != "" {
					t.Errorf("rules of %s: %s", set.Backend, set.Error)
				}
			}
			s, err := o.Sample(path, host.Options{Container: "web", Peers: []string{"", "/proc/self/ns/net"}})
			if err != nil || s.Inode != want || s.Container != "web" || len(s.Links) != 2 {
				t.Errorf("sample: got %+v, %v", s, err)
			}
		})
	}
}

// socketNetns returns the inode of the namespace that a socket belongs to.
func socketNetns(t *testing.T, f *os.File) uint64 {
	t.Helper()
	c, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var inode uint64
	var failed error
	err = c.Control(func(fd uintptr) {
		ns, err := unix.IoctlRetInt(int(fd), unix.SIOCGSKNS)
		if err != nil {
			failed = err
			return
		}
		file := os.NewFile(uintptr(ns), "namespace")
		defer file.Close()
		inode, failed = netns.InodeOf(file)
	})
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return inode
}

// Whose events come must not pay for waking whoever hears them.
func TestAReceivedSocketIsNotPolled(t *testing.T) {
	o := start(t)
	f, err := o.Conntrack(netnstest.New(t), true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.SetReadDeadline(time.Now()); !errors.Is(err, os.ErrNoDeadline) {
		t.Errorf("got %v, want that it has no deadlines", err)
	}
}

func TestANamespaceOutlivesItsProcess(t *testing.T) {
	path := netnstest.New(t)
	want, err := netns.Inode(path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "60")
	netnstest.Do(t, path, cmd.Start)
	o := start(t)
	f, inode, err := o.Netns(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Process.Kill()
	cmd.Wait()
	if inode != want {
		t.Errorf("got inode %d, want %d", inode, want)
	}
	if s, err := o.Sample(opener.PathOf(f), host.Options{}); err != nil || s.Inode != want {
		t.Errorf("sample after the process ended: got %+v, %v", s, err)
	}
	if _, _, err := o.Netns(cmd.Process.Pid); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the process is gone: got %v, want that it does not exist", err)
	}
}

func TestHostileRequestsAreRefused(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(secret)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	allowed := filepath.Join(t.TempDir(), "given")
	o := start(t, allowed, secret)
	for name, path := range map[string]string{
		"a file":                           "/etc/shadow",
		"a device":                         "/dev/mem",
		"another namespace of a process":   "/proc/1/ns/mnt",
		"a process's memory":               "/proc/1/mem",
		"a way out of a process":           "/proc/1/ns/net/../../root/etc/shadow",
		"a way out of named namespaces":    "/run/netns/../../etc/shadow",
		"the folder of named namespaces":   "/run/netns/..",
		"a path with a NUL":                "/run/netns/a\x00b",
		"a relative path":                  "netns",
		"an open file, not a namespace":    opener.PathOf(f),
		"an allowed path, not a namespace": secret,
		"an allowed path that is missing":  allowed,
	} {
		if _, err := o.Inode(path); err == nil {
			t.Errorf("%s: %s was opened", name, path)
		}
		if s, err := o.Sample("", host.Options{Peers: []string{path}}); err == nil && !fixedForm(path, allowed, secret) {
			t.Errorf("%s: %s was accepted as a peer: %+v", name, path, s)
		}
	}
	if _, _, err := o.Netns(-1); err == nil {
		t.Error("process -1 has a namespace")
	}
	if _, err := o.Inode(""); err != nil {
		t.Errorf("after all these it serves no more: %v", err)
	}
}

// fixedForm says whether a path may be asked for: as a peer it is then passed
// over when it is no namespace.
func fixedForm(path string, given ...string) bool {
	return slices.Contains(given, path) || strings.HasPrefix(path, "/proc/"+strconv.Itoa(os.Getpid())+"/fd/")
}

func TestANamespaceGivenAtStartIsOpened(t *testing.T) {
	netnstest.New(t) // skips without privilege
	given := filepath.Join(t.TempDir(), "ns")
	if err := os.Symlink("/proc/"+strconv.Itoa(os.Getpid())+"/ns/net", given); err != nil {
		t.Fatal(err)
	}
	if _, err := start(t).Inode(given); err == nil {
		t.Error("it was opened though nobody had named it")
	}
	if _, err := start(t, given).Inode(given); err != nil {
		t.Error(err)
	}
}

// actParent starts an opener, says so, and never ends by itself.
func actParent() {
	o, err := opener.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(children(os.Getpid()))
	time.Sleep(time.Minute)
	o.Close()
}

// children returns the processes whose parent is pid.
func children(pid int) (pids []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		f := strings.Fields(rest)
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if len(f) > 1 && f[1] == strconv.Itoa(pid) {
			pids = append(pids, child)
		}
	}
	return pids
}

func TestKillingTheParentLeavesNoOpener(t *testing.T) {
	cmd := act(t, "parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	child, err := strconv.Atoi(strings.Trim(line, "[]\n"))
	if err != nil {
		t.Fatalf("started %q, want one opener", line)
	}
	// Ctrl-C reaches both; the opener must outlast it, its parent's end not.
	if err := syscall.Kill(child, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if !alive(child) {
		t.Error("the opener ended at Ctrl-C")
	}
	cmd.Process.Kill()
	cmd.Wait()
	for end := time.Now().Add(5 * time.Second); alive(child); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			syscall.Kill(child, syscall.SIGKILL)
			t.Fatal("the opener outlived its parent")
		}
	}
}

// alive says whether a process runs; one that ended and was not waited for does
// not.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// actDrop drops its privilege and shows what it has and can do afterwards.
func actDrop(path string) {
	o, err := opener.Start()
	if err != nil {
		fmt.Println("start:", err)
		return
	}
	defer o.Close()
	if err := opener.Drop(); err != nil {
		fmt.Println("drop:", err)
		return
	}
	threads, _ := filepath.Glob("/proc/self/task/*/status")
	for _, status := range threads {
		b, err := os.ReadFile(status)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if name, value, _ := strings.Cut(line, ":"); strings.HasPrefix(name, "Cap") || name == "NoNewPrivs" {
				fmt.Println(name, strings.TrimSpace(value))
			}
		}
	}
	_, err = opener.Local().PacketSocket(path)
	fmt.Println("alone", errors.Is(err, fs.ErrPermission))
	_, err = o.PacketSocket(path)
	fmt.Println("opener", err == nil)
	sets, err := o.Rules(path)
	fmt.Println("rules", err == nil && len(sets) > 0 && sets[0].Error == "")
	for _, m := range opener.Check() {
		fmt.Println("missing", m.Privilege)
	}
}

func TestAfterDropOnlyTheOpenerHasPrivilege(t *testing.T) {
	path := netnstest.New(t)
	netnstest.Run(t, path, "nft add table ip story")
	out, err := act(t, "drop", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "built with cgo") {
		t.Skip("privilege cannot be dropped in a binary built with cgo: set CGO_ENABLED=0")
	}
	threads := 0
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case name == "CapEff":
			threads++
			fallthrough
		case strings.HasPrefix(name, "Cap"):
			if strings.Trim(value, "0") != "" {
				t.Errorf("a thread still has %s", line)
			}
		case name == "NoNewPrivs" && value != "1", name != "missing" && value == "false":
			t.Errorf("got %s", line)
		}
	}
	if threads < 2 {
		t.Errorf("saw %d threads, want several:\n%s", threads, out)
	}
	for _, want := range []string{"alone true", "opener true", "rules true", "missing CAP_NET_RAW", "missing CAP_SYS_ADMIN"} {
		if !strings.Contains(string(out), want+"\n") {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func actKeepExec() {
	if err := opener.Drop(opener.KeepExec); err != nil {
		fmt.Println("drop:", err)
		return
	}
	fmt.Println("missing", len(opener.Check()))
	out, err := exec.Command("grep", "-c", "CapEff:.*[1-9a-f]", "/proc/self/status").Output()
	fmt.Printf("exec %s %v\n", strings.TrimSpace(string(out)), err)
}

func TestAUsersCommandKeepsTheUsersPrivilege(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root's commands have privilege by themselves: run sudo env PATH=\"$PATH\" go test")
	}
	out, err := act(t, "keep exec").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "built with cgo") {
		t.Skip("privilege cannot be dropped in a binary built with cgo: set CGO_ENABLED=0")
	}
	if want := "missing 5\nexec 1 <nil>\n"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

func TestWhatIsMissingComesWithItsRemedy(t *testing.T) {
	for _, m := range opener.Check() {
		if m.Privilege == "" || m.Cost == "" || m.Remedy == "" {
			t.Errorf("got %+v", m)
		}
	}
	if have := len(opener.Check()); os.Geteuid() != 0 && have == 0 {
		t.Error("nothing is missing without root")
	}
}

// TestCapabilitiesInAFileThatEveryoneMayStartAreRefused: who starts the program has
// them, so the file has to say who may.
func TestCapabilitiesInAFileThatEveryoneMayStartAreRefused(t *testing.T) {
	if _, err := exec.LookPath("setcap"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and setcap: install libcap2-bin")
	}
	const nobody, group = 65534, 65533
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/var/tmp", "dnatrace-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	exe := filepath.Join(dir, "dnatrace")
	if err := errors.Join(os.WriteFile(exe, b, 0o755), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		mode os.FileMode
		caps bool
		want string
	}{
		{"none in the file", 0o755, false, "\n"},
		{"everyone may start it", 0o755, true, "every user may start it"},
		{"a group may", 0o750, true, "\n"},
	} {
		if err := errors.Join(os.Chmod(exe, c.mode), os.Chown(exe, 0, group)); err != nil {
			t.Fatal(err)
		}
		if c.caps {
			if out, err := exec.Command("setcap", "cap_net_raw+ep", exe).CombinedOutput(); err != nil {
				t.Skipf("no capabilities can be put into files here: %s", out)
			}
		}
		cmd := exec.Command(exe)
		cmd.Env = []string{actEnv + "=exposed"}
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: group}}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v: %s", c.name, err, out)
		}
		if got := string(out); !strings.Contains(got, c.want) || c.want == "\n" && strings.TrimSpace(got) != "" {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}
