package opener

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"

	"dnatrace/capture/conntrack"
	"dnatrace/capture/drops/bpf"
	"dnatrace/capture/host/kernel"
	"dnatrace/capture/netns"
	"dnatrace/capture/privilege"
	"dnatrace/capture/probe"
	"dnatrace/capture/ring"
	"dnatrace/capture/rules/netfilter"
	"dnatrace/capture/ruletrace"
)

// How a binary knows that it is the opener: both must be there. The arguments
// after the name are the extra paths that may be asked for.
const (
	childName = "dnatrace-opener"
	childEnv  = "DNATRACE_OPENER"
	childFD   = 3
)

// Main returns at once unless this process was started as an opener: then it
// serves and exits. It must be called before anything else in main, and in
// TestMain where Start is used.
func Main() {
	if os.Args[0] != childName || os.Getenv(childEnv) == "" {
		return
	}
	// The end of a run is read through the opener, too: Ctrl-C is for the
	// parent, and the opener ends with it.
	signal.Ignore(unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGPIPE)
	os.Clearenv()
	sparing()
	err := serveParent()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dnatrace: opener:", err)
	}
	quiet()
	probe.Wait() // of a parent that was killed they are taken back all the same
	if err != nil {
		os.Exit(2)
	}
	os.Exit(0)
}

// quiet lets go of the standard files: who reads what the parent printed is not to
// wait for this process.
func quiet() {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return
	}
	for fd := range 3 {
		_ = unix.Dup3(int(null.Fd()), fd, 0)
	}
}

// sparing keeps small what stays beside the parent for as long as it runs: it has
// little to do, and nothing to keep.
func sparing() {
	debug.SetGCPercent(25)
	runtime.GOMAXPROCS(1)
}

func serveParent() error {
	f := os.NewFile(childFD, "parent")
	c, err := net.FileConn(f)
	if err != nil {
		return fmt.Errorf("use the parent's socket: %w", err)
	}
	f.Close()
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return fmt.Errorf("use the parent's socket: it is a %T", c)
	}
	parent, err := onlyParent(conn)
	if err != nil {
		return err
	}
	// Keeping more than is needed is no reason not to serve.
	_ = errors.Join(privilege.NoNew(), privilege.Retain(needed), privilege.Refuse())
	return (&server{extra: os.Args[1:], parent: parent}).serve(conn)
}

// server answers requests.
type server struct {
	extra  []string // paths allowed besides the known forms
	parent int32    // process that may ask; 0 for any, in this process and in tests
	reader kernel.Reader
}

// serve answers one request after the other until the other end closes.
func (s *server) serve(conn *net.UnixConn) error {
	defer conn.Close()
	for {
		body, _, f, err := receiveFrom(conn, maxRequest, s.parent)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		a := s.answer(body, f)
		if f != nil {
			f.Close() // it was lent
		}
		err = send(conn, a, a.data, a.file)
		if a.file != nil {
			a.file.Close()
		}
		if err != nil {
			return fmt.Errorf("send answer: %w", err)
		}
	}
}

// answer answers one request, which may have lent a file.
func (s *server) answer(body []byte, f *os.File) answer {
	r := request{file: f}
	if err := json.Unmarshal(body, &r); err != nil {
		return refuse(fmt.Errorf("read request: %w", err))
	}
	if err := r.check(s.extra); err != nil {
		return refuse(fmt.Errorf("refuse request: %w", err))
	}
	a, err := s.handle(r)
	if err != nil {
		return refuse(err)
	}
	return a
}

// handle does what is asked, with whatever privilege this process has.
func (s *server) handle(r request) (a answer, err error) {
	switch r.Op {
	case opHello:
	case opPackets:
		a.file, err = openIn(r.Path, ring.Socket)
	case opConntrack:
		a.file, err = openIn(r.Path, func() (*os.File, error) { return conntrack.Listen(r.Ends) })
	case opRulesWatch:
		a.file, err = openIn(r.Path, netfilter.Watch)
	case opHostWatch:
		a.file, err = openIn(r.Path, kernel.Watch)
	case opTrace:
		a.file, err = openIn(r.Path, ruletrace.Listen)
	case opTraceTable:
		a.file, err = openIn(r.Path, func() (f *os.File, err error) {
			f, a.Note, err = ruletrace.Arm(r.Trace)
			return f, err
		})
	case opDrops:
		a.file, err = bpf.Open(r.Drops)
	case opTraceUpdate:
		err = ruletrace.Update(r.file, r.Trace)
	case opProbe:
		a.file, err = openProbe(r)
	case opConntrackDump:
		a.data, err = conntrack.Dump(r.Path, r.Wanted)
	case opRules:
		a.Rules, err = netfilter.Read(r.Path)
	case opLegacyRules:
		a.Rules, err = netfilter.ReadLegacy(r.Path)
	case opSample:
		a.Sample, err = s.reader.Take(r.Path, r.Options)
	case opInode:
		a.Inode, err = netns.Inode(r.Path)
	case opNetns:
		a, err = namespaceOf(r.PID)
	default:
		err = fmt.Errorf("refuse request: unknown operation %q", r.Op)
	}
	return a, err
}

// openProbe prepares a probe, which this process takes back after the other's end.
func openProbe(r request) (*os.File, error) {
	if r.Probe == nil {
		return nil, errors.New("refuse request: no probe given")
	}
	return probe.Open(r.Path, *r.Probe)
}

// openIn opens a socket inside the namespace at path.
func openIn(path string, open func() (*os.File, error)) (f *os.File, err error) {
	err = netns.Do(path, func() (err error) {
		f, err = open()
		return err
	})
	return f, err
}

func namespaceOf(pid int) (answer, error) {
	f, err := netns.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return answer{}, err
	}
	inode, err := netns.InodeOf(f)
	if err != nil {
		f.Close()
		return answer{}, err
	}
	return answer{file: f, Inode: inode}, nil
}
