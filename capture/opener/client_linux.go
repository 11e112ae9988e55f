package opener

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/pair"
)

// Opener answers requests that need privilege, in a process of its own (Start)
// or in this one (Local). It is safe for concurrent use; requests to another
// process wait for each other.
type Opener struct {
	mu    sync.Mutex
	conn  *net.UnixConn
	child *exec.Cmd
	local *server

	patience time.Duration // for one answer
	late     error         // it did not come: what comes now would answer another request

	ended chan struct{} // closed once the process has been waited for
	how   error         // it ended, valid from then on
	loss  loss
}

// patience is longer than anything takes that the opener is asked for. One that
// does not answer by then is stuck, in the kernel or in /proc.
const patience = time.Minute

// Local returns an opener that does everything in this process, with this
// process's privilege and without looking at paths.
func Local() *Opener { return &Opener{local: &server{}} }

// Start starts the opener process, which keeps the privilege this process has
// now. Besides the usual paths of namespaces it accepts those given here. The
// binary's main must call Main first.
func Start(paths ...string) (*Opener, error) {
	if os.Getenv(childEnv) != "" {
		return nil, errors.New("start opener: this process is one and did not call opener.Main")
	}
	ours, theirs, err := pair.New(unix.SOCK_STREAM, "opener", "parent")
	if err != nil {
		return nil, fmt.Errorf("start opener: %w", err)
	}
	defer theirs.Close()
	if err := unix.SetsockoptInt(int(theirs.Fd()), unix.SOL_SOCKET, unix.SO_PASSCRED, 1); err != nil { // before the first message
		ours.Close()
		return nil, fmt.Errorf("start opener: have the kernel say who asks: %w", err)
	}
	child := &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       append([]string{childName}, paths...),
		Env:        []string{childEnv + "=1"}, // nothing of the caller's
		Dir:        "/",
		Stderr:     os.Stderr,
		ExtraFiles: []*os.File{theirs}, // becomes childFD
		// What ends the parent's whole group or session leaves it the time to take
		// a probe back.
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := child.Start(); err != nil {
		ours.Close()
		return nil, fmt.Errorf("start opener: %w", err)
	}
	o := &Opener{conn: ours, child: child, patience: patience, ended: make(chan struct{}), loss: loss{lost: make(chan struct{})}}
	go o.wait()
	if _, err := o.ask(request{Op: opHello}); err != nil {
		return nil, fmt.Errorf("start opener: %w", errors.Join(err, o.Close()))
	}
	return o, nil
}

// ask sends one request and waits for its answer.
func (o *Opener) ask(r request) (answer, error) {
	if o.local != nil {
		return o.local.handle(r)
	}
	r.Path = ownSelf(r.Path)
	peers := make([]string, len(r.Options.Peers))
	for i, p := range r.Options.Peers {
		peers[i] = ownSelf(p)
	}
	r.Options.Peers = peers
	o.mu.Lock()
	defer o.mu.Unlock()
	a, err := o.exchange(r)
	if err != nil {
		return answer{}, fmt.Errorf("ask opener for %s: %w", r.Op, err)
	}
	return a, a.err()
}

// exchange sends a request and receives its answer. After one that did not come in
// time there are no others.
func (o *Opener) exchange(r request) (answer, error) {
	if o.late != nil {
		return answer{}, o.late
	}
	if err := o.conn.SetDeadline(time.Now().Add(o.patience)); err != nil {
		return answer{}, err
	}
	a, err := o.converse(r)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		o.late = fmt.Errorf("it did not answer a request for %s within %v", r.Op, o.patience)
		err = o.late
		o.loss.is(o.late)
	}
	return a, err
}

func (o *Opener) converse(r request) (answer, error) {
	if err := send(o.conn, r, nil, r.file); err != nil {
		return answer{}, err
	}
	body, data, f, err := receive(o.conn, maxAnswer)
	if err != nil {
		return answer{}, err
	}
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		if f != nil {
			f.Close()
		}
		return answer{}, err
	}
	a.data, a.file = data, f
	return a, nil
}

// Leave lets the opener process end when it is done: of a probe that cannot be
// taken back at once, it keeps the guard for as long as it takes.
func (o *Opener) Leave() {
	if o.local == nil {
		o.conn.Close()
	}
}

// Close ends the opener process and waits for it. Files that it opened stay
// open.
func (o *Opener) Close() error {
	if o.local != nil {
		return nil
	}
	o.conn.Close()
	late := time.AfterFunc(2*time.Second, func() { o.child.Process.Kill() })
	defer late.Stop()
	select {
	case <-o.ended:
	case <-time.After(5 * time.Second): // stuck in the kernel, and not ours to kill any more
		return errors.New("end opener: it does not end")
	}
	if o.how != nil {
		return fmt.Errorf("end opener: %w", o.how)
	}
	return nil
}
