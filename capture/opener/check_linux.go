package opener

import (
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"dnatrace/capture/privilege"
)

var privileges = []struct {
	bit        int
	name, cost string
}{
	{unix.CAP_NET_RAW, "CAP_NET_RAW", "no packets can be captured, so no request can be followed"},
	{unix.CAP_NET_ADMIN, "CAP_NET_ADMIN", "connection tracking and firewall rules cannot be read, so most reasons stay unknown"},
	{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "containers' namespaces cannot be entered, so what happens inside them is not seen"},
	{unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "containers' namespaces cannot be found by their processes, nor the processes behind sockets"},
	{unix.CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "the processes behind other users' sockets stay unknown"},
}

// Check returns the privileges that this process does not have, the most
// important first, and what to do about it; nil when all are there.
func Check() []Missing {
	return slices.DeleteFunc(Privileges(), func(m Missing) bool { return m.Remedy == "" })
}

// Privileges returns every privilege that evidence takes, the most important
// first. Remedy is "" for those that this process has.
func Privileges() []Missing {
	have, err := privilege.Capabilities()
	if err != nil {
		have = 0
	}
	var all []Missing
	for _, p := range privileges {
		m := Missing{Privilege: p.name, Cost: p.cost}
		if have&(1<<p.bit) == 0 {
			m.Remedy = remedy()
		}
		all = append(all, m)
	}
	return all
}

// remedy differs for root, who lacks a capability only where someone took it.
func remedy() string {
	if os.Geteuid() == 0 {
		return "this root is confined: run it on the host itself, or in a container with --privileged --net=host --pid=host"
	}
	exe, err := os.Executable()
	if err != nil {
		exe = "dnatrace"
	}
	return fmt.Sprintf("run it with sudo, or once, for a group that you trust like root: sudo chgrp GROUP %[1]s; sudo chmod 0750 %[1]s; sudo setcap cap_net_raw,cap_net_admin,cap_sys_admin,cap_sys_ptrace,cap_dac_read_search+ep %[1]s", exe)
}

// Exposed says why this program must not be run with the capabilities that are in its
// file, and what to do; "" if it may. Whoever may start it has them, and reads with
// them whatever any user may read here.
func Exposed() (why, remedy string) {
	have, err := privilege.Capabilities()
	if os.Geteuid() == 0 || err != nil || have == 0 {
		return "", ""
	}
	exe, err := os.Executable()
	if err != nil {
		return "", ""
	}
	st, err := os.Stat(exe)
	if err != nil || st.Mode().Perm()&0o001 == 0 {
		return "", ""
	}
	return fmt.Sprintf("%s has capabilities in its file, and every user may start it", exe),
		fmt.Sprintf("sudo chgrp GROUP %[1]s; sudo chmod 0750 %[1]s, with a group that you trust like root; then setcap once more", exe)
}
