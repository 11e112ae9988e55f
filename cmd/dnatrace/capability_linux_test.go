package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"dnatrace/capture/netns/netnstest"
)

// TestAMissingCapabilityCostsItsOwnEvidence: the run goes on with the rest, and says
// once what it lacks. Without packets there is no run.
func TestAMissingCapabilityCostsItsOwnEvidence(t *testing.T) {
	if _, err := exec.LookPath("capsh"); err != nil || os.Geteuid() != 0 {
		t.Skip("needs root and capsh: install libcap2-bin")
	}
	ns := netnstest.New(t)
	for _, c := range []struct{ drop, says string }{
		{"cap_dac_read_search", "without CAP_DAC_READ_SEARCH: the processes behind other users' sockets"},
		{"cap_sys_ptrace", "without CAP_SYS_PTRACE: containers' namespaces cannot be found"},
		{"cap_sys_admin", "without CAP_SYS_ADMIN: containers' namespaces cannot be entered"},
		{"cap_net_admin", "without CAP_NET_ADMIN: connection tracking and firewall rules cannot be read"},
		{"cap_net_raw", "missing CAP_NET_RAW"},
	} {
		t.Run(c.drop, func(t *testing.T) {
			var said string
			netnstest.Do(t, ns, func() error {
				p := process(t, "diagnose", "8080", "-d", "200ms", "-H", "unix:///run/no-engine")
				cmd := exec.CommandContext(t.Context(), "capsh", "--drop="+c.drop, "--", "-c", `exec "$0" "$@"`, p.Path, "diagnose", "8080", "-d", "200ms", "-H", "unix:///run/no-engine")
				cmd.Env = p.Env
				out, _ := cmd.CombinedOutput() // no request is exit 3
				said = string(out)
				return nil
			})
			if n := strings.Count(said, c.says); n != 1 {
				t.Errorf("it says %d times %q:\n%s", n, c.says, said)
			}
			if listens := strings.Contains(said, "listening on lo"); listens == (c.drop == "cap_net_raw") {
				t.Errorf("it listens: %t\n%s", listens, said)
			}
		})
	}
}
