package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/capture/engine"
)

func TestEachPublishedPortIsAnInterface(t *testing.T) {
	ports := publishedPorts(&engine.Snapshot{Containers: []engine.Container{
		{Name: "web", Mappings: []engine.Binding{{Proto: "tcp", Container: 80, HostPort: 8080}, {Proto: "tcp", Container: 80, HostPort: 8080}, {Proto: "tcp", Container: 443}}},
		{Name: "dns{x}", Mappings: []engine.Binding{{Proto: "udp", Container: 53, HostPort: 53}, {Proto: "tcp", Container: 53, HostPort: 53}}},
	}})
	var out bytes.Buffer
	a := &app{streams: streams{out: &out}}
	if err := a.extcapInterfaces(ports); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{
		"interface {value=dnatrace}{display=Docker: all published ports}",
		"interface {value=dnatrace-53-tcp}{display=Docker: 53/tcp → dns(x):53}",
		"interface {value=dnatrace-53-udp}{display=Docker: 53/udp → dns(x):53}",
		"interface {value=dnatrace-8080-tcp}{display=Docker: 8080/tcp → web:80}",
	}
	if !strings.HasPrefix(lines[0], "extcap {version=") || strings.Join(lines[1:], "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s", out.String())
	}
}

// noEngine makes sure that no engine of this machine is asked.
func noEngine(t *testing.T) {
	t.Setenv("DOCKER_HOST", "unix://"+filepath.Join(t.TempDir(), "none.sock"))
}

func TestExtcapAnswersWhatWiresharkAsks(t *testing.T) {
	noEngine(t)
	for _, tc := range []struct {
		ask  string
		want string
		code int
	}{
		{"--extcap-interfaces --extcap-version=4.0", "interface {value=dnatrace}", exitOK},
		{"extcap --extcap-interfaces", "interface {value=dnatrace}", exitOK},
		{"--extcap-interfaces --extcap-of-tomorrow=7", "interface {value=dnatrace}", exitOK},
		{"--extcap-interface dnatrace --extcap-dlts", "dlt {number=1}{name=EN10MB}{display=Ethernet}", exitOK},
		{"--extcap-dlts --extcap-interface=dnatrace-8080-tcp", "dlt {number=1}", exitOK},
		{"--extcap-interface dnatrace --extcap-config", "arg {number=0}{call=--snapshot-length}", exitOK},
		{"--extcap-interface dnatrace-8080-tcp --extcap-capture-filter tcp", "", exitOK},
		{"--extcap-interface dnatrace --extcap-capture-filter frob", `"frob" is not understood`, exitOK},
		{"--extcap-interface eth0 --extcap-dlts", "", exitTrouble},
		{"--extcap-interface dnatrace --capture", "", exitTrouble},
		{"--extcap-interface dnatrace --capture --fifo /nonexistent/pipe", "", exitTrouble},
	} {
		out, errs, code := dnatrace(strings.Fields(tc.ask)...)
		if code != tc.code || !strings.Contains(out, tc.want) || tc.want == "" && out != "" {
			t.Errorf("%s: exit %d, %q, %q; want %q", tc.ask, code, out, errs, tc.want)
		}
	}
}
