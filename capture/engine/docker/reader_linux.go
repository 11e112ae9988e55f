package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/client"
	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/pair"
	"dnatrace/capture/privilege"
)

// How a binary knows that it is the process that asks the engine: both must be there.
const (
	readerName = "dnatrace-engine"
	readerEnv  = "DNATRACE_ENGINE"
	readerFD   = 3
)

// reader is a process that holds the connections to the engine and passes questions on,
// see gate. Over control it is handed one end of a socket pair for each connection.
type reader struct {
	mu      sync.Mutex
	control *net.UnixConn
	child   *exec.Cmd
	ended   chan struct{}
}

// Apart has a process of its own ask the engine from here on: this one lets go of its
// connections, and can neither change nor read anything that a run does not ask for.
// The binary's main must call Main first. One that is reached by way of ssh stays as it
// is.
func (e *Engine) Apart() error {
	if e.endpoint == nil || e.endpoint.isSSH() || e.reader != nil {
		return nil
	}
	r, err := startReader(e.endpoint)
	if err != nil {
		return err
	}
	through := &http.Transport{}
	cli, err := client.NewClientWithOpts(client.WithHTTPClient(&http.Client{Transport: through}), client.WithHost("http://docker"), client.WithDialContext(r.dial), client.WithVersion(e.cli.ClientVersion()))
	if err != nil {
		r.close()
		return fmt.Errorf("start the process that asks the engine: %w", err)
	}
	through.Proxy = nil
	old := e.cli
	e.cli, e.reader = cli, r
	return old.Close()
}

func startReader(ep *Endpoint) (*reader, error) {
	fail := func(err error) (*reader, error) {
		return nil, fmt.Errorf("start the process that asks the engine: %w", err)
	}
	ours, theirs, err := pair.New(unix.SOCK_SEQPACKET, "engine", "engine")
	if err != nil {
		return fail(err)
	}
	defer theirs.Close()
	child := &exec.Cmd{
		Path:        "/proc/self/exe",
		Args:        []string{readerName, ep.askedHost, ep.askedContext},
		Env:         append(environment(os.Environ()), readerEnv+"=1"),
		Stderr:      os.Stderr,
		ExtraFiles:  []*os.File{theirs}, // becomes readerFD
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := child.Start(); err != nil {
		ours.Close()
		return fail(err)
	}
	r := &reader{control: ours, child: child, ended: make(chan struct{})}
	go func() {
		_ = child.Wait() // how it ended says nothing: who asks is told that nobody answers
		close(r.ended)
	}()
	return r, nil
}

// environment is what leads to an engine, as the docker command line has it.
func environment(all []string) (out []string) {
	for _, v := range all {
		name, _, _ := strings.Cut(v, "=")
		switch upper := strings.ToUpper(name); {
		case strings.HasPrefix(name, "DOCKER_"), name == "HOME", upper == "HTTP_PROXY", upper == "HTTPS_PROXY", upper == "NO_PROXY":
			out = append(out, v)
		}
	}
	return out
}

// errGone is why nothing can be asked any more.
var errGone = errors.New("the process that asks the engine is gone")

// dial is a new connection through the reader.
func (r *reader) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs, err := pair.New(unix.SOCK_STREAM, "engine", "engine")
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, _, err := r.control.WriteMsgUnix([]byte{0}, unix.UnixRights(int(theirs.Fd())), nil); err != nil {
		ours.Close()
		return nil, fmt.Errorf("%w (%w)", errGone, err)
	}
	return ours, nil
}

// close ends the process.
func (r *reader) close() {
	r.control.Close()
	late := time.AfterFunc(2*time.Second, func() { r.child.Process.Kill() })
	defer late.Stop()
	select {
	case <-r.ended:
	case <-time.After(5 * time.Second): // not ours to kill any more
	}
}

// Main returns at once unless this process was started to ask the engine: then it does
// so until the other end lets go, and exits.
func Main() {
	if os.Args[0] != readerName || os.Getenv(readerEnv) == "" || len(os.Args) != 3 {
		return
	}
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE) // it ends with who asks
	debug.SetGCPercent(25)
	runtime.GOMAXPROCS(1)
	if err := passOn(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "dnatrace: ask the engine:", err)
		os.Exit(2)
	}
	os.Exit(0)
}

func passOn(host, named string) error {
	ep, err := Choose(host, named)
	if err != nil {
		return err
	}
	options, err := ep.options()
	if err != nil {
		return err
	}
	cli, err := client.NewClientWithOpts(options...)
	if err != nil {
		return err
	}
	g := &gate{base: ep.base(), engine: cli.HTTPClient().Transport}
	control, err := net.FileConn(os.NewFile(readerFD, "control"))
	if err != nil {
		return fmt.Errorf("use the socket that was given: %w", err)
	}
	if err := asLittle(ep.Host); err != nil {
		return err
	}
	err = (&http.Server{Handler: g, ReadHeaderTimeout: time.Minute, MaxHeaderBytes: 64 << 10}).Serve(&handed{control.(*net.UnixConn)})
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// asLittle gives up what asking does not take: it stays of the group that the socket is
// of, where that is enough, and of no user.
func asLittle(host string) error {
	l := privilege.Limits{Network: true}
	if path, ok := strings.CutPrefix(host, "unix://"); ok {
		l.Paths = true
		ofGroup(path)
	} else {
		l.Read = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf"}
	}
	if err := privilege.Confine(l); err != nil {
		return err
	}
	return nil
}

// ofGroup has root become nobody with the group of the socket, if that may use it. It
// does without where that is not to be had.
func ofGroup(path string) {
	const nobody = 65534
	var st unix.Stat_t
	if os.Geteuid() != 0 || unix.Stat(path, &st) != nil || st.Gid == 0 || st.Mode&0o060 != 0o060 || !openWay(path) {
		return
	}
	if syscall.Setgroups(nil) == nil && syscall.Setresgid(int(st.Gid), int(st.Gid), int(st.Gid)) == nil {
		_ = syscall.Setresuid(nobody, nobody, nobody)
	}
}

// openWay reports whether every user can come to a path.
func openWay(path string) bool {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm()&0o001 == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// handed are the connections that come over the control socket.
type handed struct{ control *net.UnixConn }

func (l *handed) Accept() (net.Conn, error) {
	var b [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	n, oobn, _, _, err := l.control.ReadMsgUnix(b[:], oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	if err != nil {
		return nil, err
	}
	msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
	if err != nil || len(msgs) != 1 {
		return nil, fmt.Errorf("take a connection: %d of them (%w)", len(msgs), err)
	}
	fds, err := unix.ParseUnixRights(&msgs[0])
	if err != nil || len(fds) == 0 {
		return nil, fmt.Errorf("take a connection: %w", err)
	}
	for _, fd := range fds[1:] { // nobody hands over two
		unix.Close(fd)
	}
	f := os.NewFile(uintptr(fds[0]), "connection")
	defer f.Close()
	return net.FileConn(f)
}

func (l *handed) Close() error   { return l.control.Close() }
func (l *handed) Addr() net.Addr { return l.control.LocalAddr() }
