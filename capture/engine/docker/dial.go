// Package docker asks a Docker Engine what it intends, once or whenever it
// changes, in the words of package engine. It keeps nothing that may be secret,
// and changes nothing.
//
// The package must not import decode, correlate or cmd.
package docker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/docker/docker/client"
)

// Engine is a connection to a Docker Engine. It is safe for concurrent use.
type Engine struct {
	cli  *client.Client
	host string
	peer process // behind its unix socket; the zero value if there is none to be seen

	endpoint *Endpoint // that it was reached by
	reader   *reader   // the process that asks it; nil: this one

	mu    sync.Mutex
	about *about // what does not change while the engine runs; nil until asked
}

// dialTimeout bounds the first contact; an engine that is starting up holds
// its socket open without answering.
const dialTimeout = 5 * time.Second

// sshTimeout is that of one that ssh leads to: ssh itself waits for 30 s.
const sshTimeout = 32 * time.Second

// Dial connects to the engine that Choose settles on for a host and no context. The
// version of the API is negotiated. An error says what is missing and what to do
// about it.
func Dial(ctx context.Context, host string) (*Engine, error) {
	ep, err := Choose(host, "")
	if err != nil {
		return nil, err
	}
	return ep.Dial(ctx)
}

// Dial connects to the engine, as Dial does.
func (ep *Endpoint) Dial(ctx context.Context) (*Engine, error) {
	options, err := ep.options()
	if err != nil {
		return nil, fmt.Errorf("connect to engine %s: %w", ep, err)
	}
	cli, err := client.NewClientWithOpts(options...)
	if err != nil {
		return nil, fmt.Errorf("connect to engine %s: %w", ep, err)
	}
	e := &Engine{cli: cli, host: ep.Host, endpoint: ep}
	ctx, cancel := context.WithTimeout(ctx, ep.patience())
	defer cancel()
	if err := e.contact(ctx); err != nil {
		_ = cli.Close()
		return nil, fmt.Errorf("connect to engine %s: %w", ep, err)
	}
	return e, nil
}

// Remote reports whether the engine is on another machine by its URL alone.
func (ep *Endpoint) Remote() bool { return local(ep.Host) != nil }

// patience is how long the first contact may take.
func (ep *Endpoint) patience() time.Duration {
	if ep.isSSH() {
		return sshTimeout
	}
	return dialTimeout
}

// Host returns the URL of the engine.
func (e *Engine) Host() string { return e.host }

// Close lets go of idle connections, and of the process that holds others.
func (e *Engine) Close() error {
	err := e.cli.Close()
	if e.reader != nil {
		e.reader.close()
		e.reader = nil
	}
	return err
}

// contact asks for the API version. The client's own errors hide the errno of
// the socket, which is what tells a stopped engine from a missing right.
func (e *Engine) contact(ctx context.Context) error {
	if path, ok := strings.CutPrefix(e.host, "unix://"); ok {
		conn, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return socketError(path, err)
		}
		e.peer = peerOf(conn)
		_ = conn.Close()
	}
	ping, err := e.cli.Ping(ctx)
	if err != nil && strings.HasPrefix(e.host, "ssh://") {
		return sshError(err)
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s: is the engine still starting, or hanging? (%w)", dialTimeout, err)
	}
	if err != nil {
		return err
	}
	e.cli.NegotiateAPIVersionPing(ping)
	return nil
}

// socketError adds the remedy to a failed connect.
func socketError(path string, err error) error {
	switch {
	case errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("no socket there: is Docker running? (systemctl start docker)%s: %w", elsewhere(path), err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens on the socket: Docker is stopped or starting (systemctl status docker): %w", err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("permission denied: run with sudo, or as a member of the group docker: %w", err)
	case errors.Is(err, syscall.ENOTSOCK):
		return fmt.Errorf("not a socket: %w", err)
	}
	return err
}

// sshError says in one line why ssh did not lead to the engine, by what it printed.
func sshError(err error) error {
	_, printed, _ := strings.Cut(err.Error(), "stderr=")
	lines := strings.Fields(printed)
	said := strings.Join(lines, " ")
	switch {
	case strings.Contains(said, "Permission denied"):
		return fmt.Errorf("ssh may ask for no password here: load a key (ssh-add), or name one in ~/.ssh/config: ssh: %s", said)
	case strings.Contains(said, "Host key verification failed"):
		return fmt.Errorf("ssh does not know the host's key: connect by hand once (ssh HOST), and accept it: ssh: %s", said)
	case strings.Contains(said, "command not found"), strings.Contains(said, "not found"):
		return fmt.Errorf("the docker command line is not installed there: ssh: %s", said)
	case said != "":
		return fmt.Errorf("ssh: %s", said)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("ssh has led nowhere within %s (%w)", sshTimeout, err)
	}
	return err
}

// elsewhere names a socket of an engine that does not use the default one.
func elsewhere(path string) string {
	var candidates []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		candidates = append(candidates, dir+"/docker.sock", dir+"/podman/podman.sock")
	}
	if home, err := os.UserHomeDir(); err == nil {
		candidates = append(candidates, home+"/.docker/desktop/docker.sock")
	}
	for _, c := range candidates {
		if st, err := os.Stat(c); err == nil && st.Mode()&os.ModeSocket != 0 && c != path {
			return fmt.Sprintf("; there is one at %s (-H unix://%s)", c, c)
		}
	}
	return ""
}

// local refuses hosts that are another machine by their URL alone.
func local(host string) error {
	u, err := url.Parse(host)
	if err != nil {
		return err
	}
	switch u.Scheme {
	case "unix", "npipe", "fd":
		return nil
	case "ssh":
		return errors.New("it is on another machine, whose packets are not seen here")
	}
	if isHere(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s is not an address of this machine, and packets of another are not seen here", u.Hostname())
}

// isHere reports whether a host name or address belongs to this machine.
func isHere(host string) bool {
	if host == "localhost" || host == "" {
		return true
	}
	ip := net.ParseIP(host)
	if ip == nil {
		name, _ := os.Hostname()
		return host == name
	}
	if ip.IsLoopback() || ip.IsUnspecified() {
		return true
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.Equal(ip) {
			return true
		}
	}
	return false
}
