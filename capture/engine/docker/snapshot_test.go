package docker

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dnatrace/capture/engine"
)

var addrs = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestSnapshotKeepsWhatAVerdictNeedsAndNoSecrets(t *testing.T) {
	s, err := newFake(t).dial(t).Snapshot(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	want := &engine.Snapshot{
		Version: "28.5.2", API: "1.41", Firewall: "nftables", OS: "Debian GNU/Linux 12", Kernel: "6.1.0", Rootless: true,
		Containers: []engine.Container{{
			ID: webID, Name: "shop-web-1", Image: "shop/web:1", Project: "shop", Service: "web",
			State: "paused", PID: 4711, Mode: "shop_default", PublishAll: true,
			Exposed:  []engine.Port{{Proto: "tcp", Port: 80}, {Proto: "udp", Port: 9000}, {Proto: "udp", Port: 9001}},
			Bindings: []engine.Binding{{Proto: "tcp", Container: 80, HostPort: 8080, HostEnd: 8090}},
			Mappings: []engine.Binding{
				{Proto: "tcp", Container: 80, HostIP: netip.IPv4Unspecified(), HostPort: 8080},
				{Proto: "tcp", Container: 80, HostIP: netip.IPv6Unspecified(), HostPort: 8080},
			},
			Endpoints: []engine.Endpoint{{
				Network: "shop_default", IPv4: netip.MustParseAddr("172.18.0.2"),
				IPv6: netip.MustParseAddr("2001:db8:2::2"), MAC: "02:42:ac:12:00:02",
			}},
		}},
		Networks: []engine.Network{
			{
				ID: "aaaaaaaaaaaaaaaaaaaa", Name: "bridge", Driver: "bridge", Bridge: "docker0", ICC: true,
				Subnets: []netip.Prefix{netip.MustParsePrefix("172.17.0.0/16")},
			},
			{
				ID: "bbbbbbbbbbbbbbbbbbbb", Name: "shop_default", Driver: "bridge", Bridge: "br-bbbbbbbbbbbb", Internal: true, Mode6: "routed",
				Subnets:  []netip.Prefix{netip.MustParsePrefix("172.18.0.0/16"), netip.MustParsePrefix("2001:db8:2::/64")},
				Gateways: []netip.Addr{netip.MustParseAddr("172.18.0.1")},
			},
		},
	}
	if d := cmp.Diff(want, s, addrs); d != "" {
		t.Errorf("snapshot (-want +got):\n%s", d)
	}
	data, _ := json.Marshal(s)
	if strings.Contains(string(data), "hunter2") {
		t.Errorf("a secret of the container is in the snapshot: %s", data)
	}
}

func TestProxyIsReadFromEnginesThatTellIt(t *testing.T) {
	for info, want := range map[string]string{
		`{"ServerVersion": "29.5.0", "EnableUserlandProxy": true}`:  "on",
		`{"ServerVersion": "29.5.0", "EnableUserlandProxy": false}`: "off",
		`{"ServerVersion": "29.0.0"}`:                               "",
		`{"ServerVersion": "28.5.2"}`:                               "",
	} {
		f := newFake(t)
		f.set("/info", info)
		s, err := f.dial(t).Snapshot(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if s.Proxy != want {
			t.Errorf("%s: proxy %q, want %q", info, s.Proxy, want)
		}
	}
}

func TestDialSaysWhatIsMissingAndWhatToDo(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ name, host, want string }{
		{"nothing at the path", "unix://" + dir + "/none.sock", "is Docker running?"},
		{"a file that nothing listens on", "unix://" + file, "Docker is stopped"},
		{"not a URL", "/var/run/docker.sock", "write unix:///PATH"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := Dial(context.Background(), row.host)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want it to say %q", err, row.want)
			}
		})
	}
}

func TestEngineElsewhereIsRefused(t *testing.T) {
	here := func(*engine.Container) error { return nil }
	gone := func(*engine.Container) error { return errors.New("no such process") }
	web := engine.Container{Name: "web", ID: webID, PID: 7}
	for _, row := range []struct {
		name string
		s    engine.Snapshot
		find finder
		want string // "" for accepted
	}{
		{"its processes are here", engine.Snapshot{Kernel: "6.1", Containers: []engine.Container{web}}, here, ""},
		{"nothing runs and the kernel is the same", engine.Snapshot{Kernel: "6.1", Containers: []engine.Container{{Name: "web"}}}, gone, ""},
		{"Docker Desktop", engine.Snapshot{OS: "Docker Desktop", Containers: []engine.Container{web}}, here, "virtual machine"},
		{"another kernel", engine.Snapshot{Kernel: "6.6-linuxkit", Containers: []engine.Container{web}}, here, "kernel 6.6-linuxkit"},
		{"no process of it is here", engine.Snapshot{Kernel: "6.1", Containers: []engine.Container{web}}, gone, `process 7 of container "web" is not here`},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := sameKernel(&row.s, "6.1", row.find)
			if row.want == "" && err != nil {
				t.Errorf("refused: %v", err)
			}
			if row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
				t.Errorf("got %v, want it to say %q", err, row.want)
			}
		})
	}
}
