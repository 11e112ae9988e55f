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

	mu    sync.Mutex
	about *about // what does not change while the engine runs; nil until asked
}

// dialTimeout bounds the first contact; an engine that is starting up holds
// its socket open without answering.
const dialTimeout = 5 * time.Second

// Dial connects to the engine at host, a URL as docker's -H takes it
// ("unix:///var/run/docker.sock", "tcp://127.0.0.1:2375"). An empty host means
// DOCKER_HOST, or the default socket where that is not set; TLS and the API
// version follow docker's own environment variables. The version of the API is
// negotiated. An error says what is missing and what to do about it.
func Dial(ctx context.Context, host string) (*Engine, error) {
	if host == "" {
		host = os.Getenv(client.EnvOverrideHost)
	}
	if host == "" {
		host = client.DefaultDockerHost
	}
	if !strings.Contains(host, "://") {
		return nil, fmt.Errorf("connect to engine %q: not a URL: write unix:///PATH or tcp://ADDRESS:PORT", host)
	}
	if err := local(host); err != nil {
		return nil, fmt.Errorf("connect to engine %s: %w", host, err)
	}
	cli, err := client.NewClientWithOpts(client.WithTLSClientConfigFromEnv(), client.WithVersionFromEnv(),
		client.WithHost(host), client.WithAPIVersionNegotiation())
	if err != nil {
		return nil, fmt.Errorf("connect to engine %s: %w", host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	e := &Engine{cli: cli, host: host}
	if err := e.contact(ctx); err != nil {
		_ = cli.Close()
		return nil, fmt.Errorf("connect to engine %s: %w", host, err)
	}
	return e, nil
}

// Host returns the URL of the engine.
func (e *Engine) Host() string { return e.host }

// Close lets go of idle connections.
func (e *Engine) Close() error { return e.cli.Close() }

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

// ErrElsewhere is wrapped by what Dial says of an engine that cannot be on this
// machine.
var ErrElsewhere = errors.New("it is on another machine")

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
		return fmt.Errorf("%w, whose packets are not seen here: run dnatrace there", ErrElsewhere)
	}
	if isHere(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s is not an address of this machine: %w, whose packets are not seen here: run dnatrace there", u.Hostname(), ErrElsewhere)
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
