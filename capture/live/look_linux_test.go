package live

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/opener"
)

// TestLookSaysWhatIsThereAndWhatIsNot looks at this process's own namespace,
// which takes no privilege, without an engine.
func TestLookSaysWhatIsThereAndWhatIsNot(t *testing.T) {
	records, err := Look(context.Background(), Glance{NoEngine: "no engine here", Opener: opener.Local()})
	if err != nil {
		t.Fatal(err)
	}
	if records[0].Kind != capture.KindStart {
		t.Errorf("it begins with %s", records[0].Kind)
	}
	states := map[string]string{}
	lo := false
	for _, r := range records {
		switch r.Kind {
		case capture.KindSource:
			var s capture.SourceState
			unmarshal(t, r.Data, &s)
			states[s.Name] = string(s.State)
		case capture.KindSample:
			var s host.Sample
			unmarshal(t, r.Data, &s)
			lo = lo || r.Netns == capture.HostNetns && slices.ContainsFunc(s.Links, func(l host.Link) bool { return l.Loopback })
		}
	}
	if !lo {
		t.Error("the host's loopback was not seen")
	}
	if states[capture.OriginEngine] != "absent" || states[capture.OriginHost] != "ok" || states[capture.OriginRules] == "" {
		t.Errorf("sources %v", states)
	}
}

// TestLookEntersEachNamespaceOnce finds the namespaces of containers by their
// processes: one that shares the host's, or another's, is not looked at twice.
func TestLookEntersEachNamespaceOnce(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to read namespaces of processes: sudo make test")
	}
	l := &look{Glance: Glance{Opener: opener.Local()}}
	release := l.enter(&engine.Snapshot{Containers: []engine.Container{
		{Name: "host-mode", PID: os.Getpid()}, {Name: "gone", PID: 1 << 30}, {Name: "stopped"},
	}})
	defer release()
	if len(l.places) != 1 || l.places[0].netns != capture.HostNetns {
		t.Errorf("places %+v", l.places)
	}
}

func unmarshal(t *testing.T, data []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}
