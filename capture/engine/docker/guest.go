package docker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/stdcopy"
)

// Labels of a guest and of its image.
const (
	guestLabel   = "dnatrace.guest"   // tells the guests of one run from others'
	startedLabel = "dnatrace.started" // RFC 3339
)

// GuestSpec says what is to run beside an engine.
type GuestSpec struct {
	Mark  string // tells it from others, in labels and names
	Image string // an image that the engine has, whose program is dnatrace; "": Archive
	// Archive is a tar, compressed or not, of a root file system with /dnatrace in it.
	Archive      io.Reader
	Args         []string // of the program
	Capabilities []string // "NET_ADMIN"; no others are held
	Memory       int64    // bytes
}

// Guest is a container of our own beside an engine's: in the network and PID
// namespaces of the engine's host, with a few capabilities, a file system that cannot
// be written and no log. It ends when the connection to it does, and is gone then.
type Guest struct {
	engine *Engine
	mark   string
	id     string
	conn   net.Conn
	out    *bufio.Reader
	exit   <-chan container.WaitResponse
	failed <-chan error
}

// Invite loads what spec says into the engine, starts it and connects to it. Where
// that fails nothing is left.
func (e *Engine) Invite(ctx context.Context, spec GuestSpec) (*Guest, error) {
	g := &Guest{engine: e, mark: spec.Mark}
	if err := g.begin(ctx, spec); err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	return g, nil
}

func (g *Guest) begin(ctx context.Context, spec GuestSpec) error {
	name := spec.Image
	if name == "" {
		id, err := g.load(ctx, spec)
		if err != nil {
			return fmt.Errorf("load the collector into the engine: %w", permission(err))
		}
		name = id
	}
	if err := g.create(ctx, name, spec); err != nil {
		return fmt.Errorf("make the collector's container: %w", permission(err))
	}
	if spec.Image == "" && g.engine.product(ctx) != podman { // which removes the container with it
		// The container keeps what it needs of it. From here on all that is left to
		// remove is the container, which goes by itself. Remove tries again.
		_ = g.engine.removeImage(ctx, name)
	}
	attached, err := g.engine.cli.ContainerAttach(ctx, g.id, container.AttachOptions{Stream: true, Stdin: true, Stdout: true, Stderr: true})
	if err != nil {
		return fmt.Errorf("connect to the collector: %w", err)
	}
	g.conn, g.out = attached.Conn, attached.Reader
	g.exit, g.failed = g.engine.cli.ContainerWait(context.WithoutCancel(ctx), g.id, container.WaitConditionNextExit)
	if err := g.engine.cli.ContainerStart(ctx, g.id, container.StartOptions{}); err != nil {
		return fmt.Errorf("start the collector: %w", permission(err))
	}
	return nil
}

// permission says what an engine needs that refuses.
func permission(err error) error {
	if cerrdefs.IsPermissionDenied(err) || cerrdefs.IsUnauthorized(err) {
		return fmt.Errorf("the engine does not permit it: its owner has to allow containers in the host's network and PID namespaces, or to run dnatrace there: %w", err)
	}
	return err
}

// load makes an image of the archive, and returns its id. It gets no name.
func (g *Guest) load(ctx context.Context, spec GuestSpec) (id string, err error) {
	body, err := g.engine.cli.ImageImport(ctx, image.ImportSource{Source: spec.Archive, SourceName: "-"}, "", image.ImportOptions{
		// One change a label: podman takes all behind the first = for its value.
		Changes: []string{"LABEL " + guestLabel + "=" + spec.Mark, "LABEL " + startedLabel + "=" + now(), `ENTRYPOINT ["/dnatrace"]`},
	})
	if err != nil {
		return "", err
	}
	defer body.Close()
	said := json.NewDecoder(body)
	for {
		var m struct{ Status, Error string }
		if err := said.Decode(&m); err == io.EOF {
			break
		} else if err != nil {
			return "", fmt.Errorf("read what the engine says: %w", err)
		}
		if m.Error != "" {
			return "", errors.New(m.Error)
		}
		if s := strings.TrimSpace(m.Status); s != "" {
			id = s
		}
	}
	if id == "" {
		return "", errors.New("the engine did not say the image's id")
	}
	return id, nil
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }

// create makes the container.
func (g *Guest) create(ctx context.Context, img string, spec GuestSpec) error {
	c := &container.Config{
		Image: img, Cmd: spec.Args, User: "0:0", WorkingDir: "/",
		Labels:    map[string]string{guestLabel: spec.Mark, startedLabel: now()},
		OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true, AttachStderr: true,
	}
	processes := int64(64)
	h := &container.HostConfig{
		NetworkMode: "host", PidMode: "host", UsernsMode: "host",
		CapDrop: []string{"ALL"}, CapAdd: spec.Capabilities,
		ReadonlyRootfs: true, AutoRemove: true,
		// A profile keeps a container from looking at other processes, which is
		// what this one is for.
		SecurityOpt: []string{"no-new-privileges", "apparmor=unconfined", "label=disable"},
		LogConfig:   container.LogConfig{Type: "none"},
		Resources:   container.Resources{Memory: spec.Memory, PidsLimit: &processes},
	}
	made, err := g.engine.cli.ContainerCreate(ctx, c, h, nil, nil, "dnatrace-"+spec.Mark)
	if err != nil {
		return err
	}
	g.id = made.ID
	return nil
}

// Write sends to its standard input.
func (g *Guest) Write(b []byte) (int, error) { return g.conn.Write(b) }

// CloseWrite ends its standard input.
func (g *Guest) CloseWrite() error {
	if c, ok := g.conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return g.conn.Close()
}

// Copy hands on what it prints until it ends, or the connection does.
func (g *Guest) Copy(out, errs io.Writer) error {
	_, err := stdcopy.StdCopy(out, errs, g.out)
	return err
}

// Exit waits until the container has ended, and returns its exit code.
func (g *Guest) Exit(ctx context.Context) (int, error) {
	select {
	case r := <-g.exit:
		return int(r.StatusCode), nil
	case err := <-g.failed:
		return 0, err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// removal bounds how long taking a guest away may take.
const removal = 20 * time.Second

// Remove ends the guest, and takes container and image out of the engine.
func (g *Guest) Remove() error {
	if g.conn != nil {
		g.conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), removal)
	defer cancel()
	return g.engine.Evict(ctx, g.mark)
}

// Evict takes out of the engine what the guest of that mark has there.
func (e *Engine) Evict(ctx context.Context, mark string) error {
	return e.evict(ctx, guestLabel+"="+mark, func(map[string]string, string) bool { return true })
}

// abandoned is the age from which a guest that does not run is one that was left.
const abandoned = 2 * time.Minute

// Sweep takes out of the engine what guests have left whose run was lost with its
// machine, and returns how much that was.
func (e *Engine) Sweep(ctx context.Context) error {
	return e.evict(ctx, guestLabel, func(labels map[string]string, state string) bool {
		started, err := time.Parse(time.RFC3339, labels[startedLabel])
		return state != container.StateRunning && (err != nil || time.Since(started) > abandoned)
	})
}

// evict removes containers, then images, with a label.
func (e *Engine) evict(ctx context.Context, label string, choose func(labels map[string]string, state string) bool) error {
	by := filters.NewArgs(filters.Arg("label", label))
	list, err := e.cli.ContainerList(ctx, container.ListOptions{All: true, Filters: by})
	if err != nil {
		return fmt.Errorf("look for collectors in the engine: %w", err)
	}
	var failed error
	for _, c := range list {
		if !choose(c.Labels, c.State) {
			continue
		}
		if err := e.cli.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}); err != nil && !gone(err) {
			failed = errors.Join(failed, fmt.Errorf("remove the collector's container %.12s: %w", c.ID, err))
			continue
		}
		e.awaitGone(ctx, c.ID)
	}
	images, err := e.cli.ImageList(ctx, image.ListOptions{All: true, Filters: by})
	if err != nil {
		return errors.Join(failed, fmt.Errorf("look for the collector's image in the engine: %w", err))
	}
	for _, i := range images {
		if !choose(i.Labels, "") {
			continue
		}
		if err := e.removeImage(ctx, i.ID); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// awaitGone waits for a container that is being removed.
func (e *Engine) awaitGone(ctx context.Context, id string) {
	for ctx.Err() == nil {
		if _, err := e.cli.ContainerInspect(ctx, id); err != nil {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// removeImage removes an image, once the container that was made of it is gone.
func (e *Engine) removeImage(ctx context.Context, id string) (err error) {
	for range 20 {
		_, err = e.cli.ImageRemove(ctx, id, image.RemoveOptions{Force: true, PruneChildren: true})
		if err == nil || cerrdefs.IsNotFound(err) {
			return nil
		}
		if !cerrdefs.IsConflict(err) {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("remove the collector's image: %w", err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("remove the collector's image %.19s: %w", id, err)
}

// gone reports whether a container has gone, or is going by itself.
func gone(err error) bool {
	return cerrdefs.IsNotFound(err) || cerrdefs.IsConflict(err) && strings.Contains(err.Error(), "already in progress")
}

// Machine is what the engine runs on.
type Machine struct {
	OS   string // of containers: "linux"
	Arch string // as Go names it: "amd64"; as the engine does where Go has no name
	Name string // of the host
}

// Machine asks the engine what it runs on.
func (e *Engine) Machine(ctx context.Context) (Machine, error) {
	info, err := e.cli.Info(ctx)
	if err != nil {
		return Machine{}, fmt.Errorf("ask engine about itself: %w", err)
	}
	m := Machine{OS: info.OSType, Arch: info.Architecture, Name: info.Name}
	if arch, ok := architectures[m.Arch]; ok {
		m.Arch = arch
	}
	return m, nil
}

// architectures are the kernel's names (uname -m) and Go's.
var architectures = map[string]string{
	"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386",
	"ppc64le": "ppc64le", "s390x": "s390x", "riscv64": "riscv64",
}
