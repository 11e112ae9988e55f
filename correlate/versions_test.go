package correlate

import (
	"strings"
	"testing"

	"dnatrace/capture/engine"
)

func TestWhatIsKnownOfVersions(t *testing.T) {
	for _, row := range []struct {
		name string
		got  []string
		want []string // a word of each note
	}{
		{"a kernel of today lacks nothing", KernelNotes("Linux 6.18.1"), nil},
		{"5.15 drops packets without saying why", KernelNotes("Linux 5.15.0-97-generic"), []string{"reasons"}},
		{"5.10 has no owned tables either", KernelNotes("Linux 5.10.0-28-amd64"), []string{"traced", "reasons"}},
		{"a system that is no Linux is not judged", KernelNotes("Darwin 24.1"), nil},
		{"engine 20.10 lets neighbours reach unpublished ports", EngineNotes(&engine.Snapshot{Version: "20.10.24"}), []string{"not published"}},
		{"engine 28 drops direct access", EngineNotes(&engine.Snapshot{Version: "28.5.2", Firewall: "iptables", Proxy: "on"}), []string{"raw"}},
		{"engine 29 with nftables has no DOCKER-USER", EngineNotes(&engine.Snapshot{Version: "29.0.0", Firewall: "nftables", Proxy: "off"}), []string{"DOCKER-USER", "docker-proxy"}},
		{"an engine built from source says nothing of itself", EngineNotes(&engine.Snapshot{Version: "dev"}), nil},
	} {
		if len(row.got) != len(row.want) {
			t.Errorf("%s: got %q", row.name, row.got)
			continue
		}
		for i, w := range row.want {
			if !strings.Contains(row.got[i], w) {
				t.Errorf("%s: %q does not speak of %q", row.name, row.got[i], w)
			}
		}
	}
}
