package live

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/opener"
)

func TestContainersThatAreNotWatchedFromInsideAreNamed(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for network namespaces: run the tests with sudo")
	}
	snapshot := engine.Snapshot{}
	c := Config{Netns: netnstest.New(t), Fixed: &snapshot, FixedNetns: map[string]string{}, Opener: opener.Local()}
	for i := range mostInside + 2 {
		name := fmt.Sprintf("web%02d", i)
		c.FixedNetns[name] = netnstest.New(t)
		snapshot.Containers = append(snapshot.Containers, engine.Container{
			ID: fmt.Sprintf("%064x", i+1), Name: name, State: "running", Mode: "bridge", PID: 1,
			Mappings: []engine.Binding{{Proto: "tcp", Container: 80, HostIP: netip.IPv4Unspecified(), HostPort: uint16(8000 + i)}},
		})
	}
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { // to the end of the stream, which lets the namespaces go
		cancel()
		for range s.Source()(ctx) {
		}
	}()
	i := slices.IndexFunc(s.Sources(), func(st capture.SourceState) bool { return st.Name == capture.OriginPackets })
	want := capture.SourceState{Name: capture.OriginPackets, State: capture.SourceOK, Why: "not watched from inside: web08, web09", Outside: []string{"web08", "web09"}}
	if d := cmp.Diff(want, s.Sources()[i]); d != "" {
		t.Error(d)
	}
}
