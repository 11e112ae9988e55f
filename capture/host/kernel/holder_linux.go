package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/host"
)

// holders remembers which process holds which socket, by the socket's inode.
type holders map[uint64]holder

type holder struct {
	pid    int // 0: none was found when it was looked for
	fd     string
	looked time.Time
}

// again is how long a socket that nobody holds (the kernel has some of its own)
// is not looked for again.
const again = 10 * time.Second

// most is how many sockets are remembered; beyond it all are forgotten.
const most = 1 << 14

// fill adds the processes behind the state's sockets and, if asked, the
// docker-proxy processes of its namespace.
func (h *holders) fill(s *host.State, proxies bool) {
	if *h == nil || len(*h) > most {
		*h = holders{}
	}
	wanted := h.unknown(s.Sockets)
	if len(wanted) > 0 || proxies {
		inside, outside := processes(s.Inode)
		if proxies {
			s.Proxies = readProxies(inside)
		}
		if unreadable := h.find(wanted, append(inside, outside...)); unreadable > 0 {
			s.Missing = append(s.Missing, "processes of some sockets: the files of other users' processes are not readable (run as root)")
		}
	}
	for i := range s.Sockets {
		x := &s.Sockets[i]
		if pid := (*h)[x.Inode].pid; pid != 0 {
			x.PID, x.Process, x.Container = pid, comm(pid), containerOf(pid)
		}
	}
}

// unknown returns the inodes whose holder must be looked for, and forgets
// holders that hold them no longer.
func (h holders) unknown(sockets []host.Socket) map[uint64]bool {
	wanted := map[uint64]bool{}
	for _, s := range sockets {
		known, ok := h[s.Inode]
		switch {
		case s.Inode == 0:
		case ok && known.pid == 0 && time.Since(known.looked) < again:
		case ok && known.pid != 0 && socketInode(known.path()) == s.Inode:
		default:
			delete(h, s.Inode)
			wanted[s.Inode] = true
		}
	}
	return wanted
}

func (k holder) path() string { return fmt.Sprintf("/proc/%d/fd/%s", k.pid, k.fd) }

// find looks through the files of processes until every wanted socket is found.
// It returns how many processes could not be looked into, 0 if all was found.
func (h holders) find(wanted map[uint64]bool, pids []int) (unreadable int) {
	for _, pid := range pids {
		if len(wanted) == 0 {
			return 0
		}
		if errors.Is(h.look(wanted, pid), os.ErrPermission) {
			unreadable++
		}
	}
	for inode := range wanted {
		h[inode] = holder{looked: time.Now()}
	}
	if len(wanted) == 0 {
		return 0
	}
	return unreadable
}

func (h holders) look(wanted map[uint64]bool, pid int) error {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	fds, err := names(dir)
	for _, fd := range fds {
		if inode := socketInode(dir + "/" + fd); wanted[inode] {
			h[inode] = holder{pid: pid, fd: fd, looked: time.Now()}
			delete(wanted, inode)
		}
	}
	return err
}

// names lists a directory without asking what each entry is.
func names(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// socketInode returns the inode of the socket behind a link in /proc/PID/fd, 0
// if it is not one.
func socketInode(path string) uint64 { return linkInode(path, "socket") }

// linkInode reads a link such as "socket:[1234]" or "net:[4026531840]".
func linkInode(path, kind string) uint64 {
	var buf [64]byte
	n, err := unix.Readlink(path, buf[:])
	if err != nil {
		return 0
	}
	s, ok := strings.CutPrefix(string(buf[:n]), kind+":[")
	if !ok {
		return 0
	}
	inode, _ := strconv.ParseUint(strings.TrimSuffix(s, "]"), 10, 64)
	return inode
}

// processes lists the processes inside the namespace with the given inode, and
// the others. Within each, the oldest come first, as a server's parent holds
// the socket that its workers share; but the very first comes last, as it may
// only have opened the socket for someone else.
func processes(inode uint64) (inside, outside []int) {
	for _, pid := range pids() {
		if linkInode(fmt.Sprintf("/proc/%d/ns/net", pid), "net") == inode {
			inside = append(inside, pid)
		} else {
			outside = append(outside, pid)
		}
	}
	return inside, outside
}

func pids() []int {
	entries, _ := names("/proc")
	var all []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e); err == nil {
			all = append(all, pid)
		}
	}
	slices.Sort(all)
	if len(all) > 0 && all[0] == 1 {
		all = append(all[1:], 1)
	}
	return all
}

// containerID is how every engine names a container's control group, whatever
// comes before and after it (docker-ID.scope, /docker/ID).
var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// containerOf returns the id of the container that a process belongs to; "" if
// it belongs to none.
func containerOf(pid int) string {
	b, err := readSmall(fmt.Sprintf("/proc/%d/cgroup", pid), make([]byte, 4096))
	if err != nil {
		return ""
	}
	return string(containerID.Find(b))
}

// comm returns the name of a process; "" if it is gone.
func comm(pid int) string {
	b, err := readSmall(fmt.Sprintf("/proc/%d/comm", pid), make([]byte, 64))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(b), "\n")
}

// readProxies finds docker-proxy among the processes.
func readProxies(pids []int) []host.Proxy {
	var all []host.Proxy
	for _, pid := range pids {
		// comm is cut to 15 bytes: "rootlesskit-docker-proxy" is one, too.
		if c := comm(pid); c != "docker-proxy" && c != "rootlesskit-doc" {
			continue
		}
		b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
		if err != nil {
			continue
		}
		if p, ok := parseProxy(b); ok {
			p.PID = pid
			all = append(all, p)
		}
	}
	return all
}
