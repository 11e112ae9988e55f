package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	Main()
	goleak.VerifyTestMain(m)
}

// fakeEngine answers as an engine does, from a map of paths to JSON.
type fakeEngine struct {
	*httptest.Server
	host string

	mu     sync.Mutex
	pages  map[string]string // path without the version
	hits   map[string]int
	events chan string   // one JSON message each
	cut    chan struct{} // closed to end the streams open now
}

func newFake(t *testing.T) *fakeEngine {
	t.Helper()
	f := &fakeEngine{
		host:   filepath.Join(t.TempDir(), "e.sock"),
		pages:  map[string]string{"/info": infoPage, "/networks": networksPage, "/containers/json": listPage, "/containers/" + webID + "/json": webPage},
		hits:   map[string]int{},
		events: make(chan string, 16),
		cut:    make(chan struct{}),
	}
	f.listen(t)
	t.Cleanup(f.stop)
	return f
}

func (f *fakeEngine) listen(t *testing.T) {
	t.Helper()
	l, err := net.Listen("unix", f.host)
	if err != nil {
		t.Fatal(err)
	}
	f.Server = httptest.NewUnstartedServer(http.HandlerFunc(f.serve))
	_ = f.Server.Listener.Close()
	f.Server.Listener = l
	f.Server.Start()
}

func (f *fakeEngine) stop() {
	f.cutStreams()
	f.Server.CloseClientConnections()
	f.Server.Close()
}

func (f *fakeEngine) cutStreams() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.cut)
	f.cut = make(chan struct{})
}

func (f *fakeEngine) set(path, page string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pages[path] = page
}

func (f *fakeEngine) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits[path]
}

func (f *fakeEngine) serve(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	if strings.HasPrefix(path, "/v1.") {
		path = path[1+strings.Index(path[1:], "/"):]
	}
	f.mu.Lock()
	f.hits[path]++
	page, ok := f.pages[path]
	cut := f.cut
	f.mu.Unlock()
	switch {
	case strings.HasSuffix(path, "/libpod/networks/json") && ok:
		fmt.Fprint(w, page)
	case path == "/_ping":
		w.Header().Set("API-Version", "1.41")
	case path == "/events":
		f.stream(w, r, cut)
	case ok:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, page)
	default:
		w.WriteHeader(http.StatusNotFound)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": "No such container"})
	}
}

func (f *fakeEngine) stream(w http.ResponseWriter, r *http.Request, cut <-chan struct{}) {
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case m := <-f.events:
			fmt.Fprintln(w, m)
			w.(http.Flusher).Flush()
		case <-cut:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fakeEngine) dial(t *testing.T) *Engine {
	t.Helper()
	e, err := Dial(context.Background(), "unix://"+f.host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

const webID = "4f1c0de0aaaabbbbccccddddeeeeffff00001111222233334444555566667777"

const infoPage = `{"ServerVersion": "28.5.2", "OperatingSystem": "Debian GNU/Linux 12", "KernelVersion": "6.1.0",
	"FirewallBackend": {"Driver": "nftables"}, "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"]}`

const networksPage = `[
	{"Name": "shop_default", "Id": "bbbbbbbbbbbbbbbbbbbb", "Driver": "bridge", "Internal": true,
	 "IPAM": {"Config": [{"Subnet": "172.18.0.0/16", "Gateway": "172.18.0.1"}, {"Subnet": "2001:db8:2::/64"}]},
	 "Options": {"com.docker.network.bridge.enable_icc": "false", "com.docker.network.bridge.gateway_mode_ipv6": "routed"}},
	{"Name": "bridge", "Id": "aaaaaaaaaaaaaaaaaaaa", "Driver": "bridge", "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}]},
	 "Options": {"com.docker.network.bridge.name": "docker0", "com.docker.network.bridge.enable_icc": "true"}}]`

// The list knows a container that is gone by the time it is inspected.
const listPage = `[{"Id": "` + webID + `"}, {"Id": "dead0000"}]`

const webPage = `{"Id": "` + webID + `", "Name": "/shop-web-1",
	"State": {"Status": "paused", "Running": true, "Paused": true, "Pid": 4711},
	"Config": {"Image": "shop/web:1", "Env": ["PASSWORD=hunter2"], "Cmd": ["serve", "--token=hunter2"],
	  "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.service": "web", "secret": "hunter2"},
	  "ExposedPorts": {"80/tcp": {}, "9000-9001/udp": {}}},
	"HostConfig": {"NetworkMode": "bbbbbbbbbbbbbbbbbbbb", "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080-8090"}]}, "PublishAllPorts": true},
	"NetworkSettings": {"Ports": {"80/tcp": [{"HostIp": "::", "HostPort": "8080"}, {"HostIp": "0.0.0.0", "HostPort": "8080"}], "9000/udp": null},
	  "Networks": {"shop_default": {"IPAddress": "172.18.0.2", "GlobalIPv6Address": "2001:db8:2::2", "MacAddress": "02:42:ac:12:00:02"}}}}`
