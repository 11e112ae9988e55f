package docker

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture/netns"
)

// peerOf is the process at the other end of a connection to a unix socket: the one
// that listens there (SO_PEERCRED, unix(7)). It is 0 in another PID namespace.
func peerOf(c net.Conn) process {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return process{}
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return process{}
	}
	var cred *unix.Ucred
	_ = raw.Control(func(fd uintptr) { cred, _ = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if cred == nil || cred.Pid <= 0 {
		return process{}
	}
	return processOf(int(cred.Pid))
}

// processOf looks at a process from outside: what its namespace shows under /proc
// takes no privilege, the namespace itself does.
func processOf(pid int) process {
	dir := fmt.Sprintf("/proc/%d", pid)
	comm, err := os.ReadFile(dir + "/comm")
	if err != nil {
		return process{}
	}
	v := view{
		bridge: func(name string, ip []netip.Addr) bool { return hasBridge(dir, name, ip) },
		wired:  func(process int) (bool, bool) { return wiredIn(dir+"/ns/net", process) },
	}
	v.inode = inodeAt(dir + "/ns/net")
	return process{pid: pid, name: strings.TrimSpace(string(comm)), nested: nested(dir), view: v}
}

// nested reports whether a process has more than one number: the line NSpid of its
// status has one for each PID namespace that it is in, from that of /proc down
// (proc_pid_status(5)).
func nested(dir string) bool {
	status, err := os.ReadFile(dir + "/status")
	if err != nil {
		return false
	}
	_, line, _ := strings.Cut(string(status), "\nNSpid:")
	line, _, _ = strings.Cut(line, "\n")
	return len(strings.Fields(line)) > 1
}

func inodeAt(path string) uint64 {
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil {
		return 0
	}
	return st.Ino
}

// lookAt is the view from the namespace at path.
func lookAt(path string) view {
	v := view{engines: engines()}
	v.inode, _ = netns.Inode(path)
	v.bridge = func(name string, ip []netip.Addr) (has bool) {
		err := netns.Do(path, func() error {
			has = hasBridge("/proc/thread-self", name, ip)
			return nil
		})
		return has && err == nil
	}
	v.wired = func(process int) (bool, bool) { return wiredIn(path, process) }
	return v
}

// hasBridge finds an interface with one of the addresses in the files of a
// process's namespace; the name alone does where there is no IPv4 address to it.
func hasBridge(dir, name string, gateways []netip.Addr) bool {
	devices, err := os.ReadFile(dir + "/net/dev")
	if err != nil || !slices.ContainsFunc(strings.Split(string(devices), "\n"), func(line string) bool {
		return strings.HasPrefix(strings.TrimSpace(line), name+":")
	}) {
		return false
	}
	with4 := slices.ContainsFunc(gateways, netip.Addr.Is4)
	return !with4 || slices.ContainsFunc(gateways, func(a netip.Addr) bool { return hasAddr(dir, a) })
}

// wiredIn asks the kernel for the number that the namespace at path gave to that of
// a process: it gives one when an interface of its own has its other end there
// (rtnetlink(7), RTM_GETNSID). It takes no privilege but that of entering.
func wiredIn(path string, process int) (wired, known bool) {
	if process == 0 {
		return false, false
	}
	id := -1
	err := netns.Do(path, func() (err error) {
		id, err = netlink.GetNetNsIdByPid(process)
		return err
	})
	return err == nil && id >= 0, err == nil
}

// engines are those that run on this machine, by the names of their processes.
func engines() (all []process) {
	found, _ := filepath.Glob("/proc/[0-9]*/comm")
	for _, path := range found {
		comm, err := os.ReadFile(path)
		if err != nil || !slices.Contains(engineNames, strings.TrimSpace(string(comm))) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			all = append(all, processOf(pid))
		}
	}
	return all
}
