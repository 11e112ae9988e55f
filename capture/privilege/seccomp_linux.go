package privilege

import (
	"fmt"
	"runtime"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// ordinary are the calls of a program that reads and writes files and computes. Those
// that an architecture does not have are passed over.
var ordinary = []string{
	// bytes
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "lseek", "sendfile", "copy_file_range", "splice",
	// files
	"open", "openat", "openat2", "close", "close_range", "access", "faccessat", "faccessat2", "readlink", "readlinkat",
	"stat", "lstat", "fstat", "newfstatat", "statx", "statfs", "fstatfs", "getdents64", "getcwd", "fcntl", "flock",
	"ftruncate", "fallocate", "fsync", "fdatasync", "fadvise64", "fchmod", "fchmodat", "fchown", "fchownat",
	"unlink", "unlinkat", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "utimensat",
	"dup", "dup3", "pipe2", "eventfd2", "poll", "ppoll", "select", "pselect6",
	"epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2",
	// memory
	"mmap", "munmap", "mremap", "mprotect", "madvise", "mincore", "brk", "membarrier",
	// threads, signals, time
	"futex", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "tgkill", "restart_syscall",
	"gettid", "getpid", "getppid", "getuid", "geteuid", "getgid", "getegid", "getgroups", "getpgid", "getpgrp",
	"nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time",
	"timer_create", "timer_settime", "timer_delete", "setitimer", "getitimer",
	"sched_yield", "sched_getaffinity", "getrusage", "getrlimit", "prlimit64", "uname", "sysinfo", "getrandom",
	"rseq", "set_robust_list", "set_tid_address", "exit", "exit_group",
}

// connected are the calls of one that has sockets and terminals besides, and waits for
// processes that it started before.
var connected = []string{
	"connect", "bind", "listen", "accept", "accept4", "shutdown", "socketpair",
	"getsockname", "getpeername", "getsockopt", "setsockopt",
	"sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg",
	"chown", "lchown", "fchmodat2", "wait4", "waitid", "kill", "pidfd_send_signal", "setpriority", "getpriority", "sched_setattr", "sched_getattr", "sched_setscheduler",
}

// controls are what may be asked of terminals, and with Network of sockets. What would
// type into a terminal is not among them.
var (
	controls        = []uint64{unix.TCGETS, unix.TIOCGWINSZ} // is it a terminal, and how wide?
	controlsOfLinks = []uint64{
		unix.TCSETS, unix.TCSETSW, unix.TCSETSF, unix.TIOCGPGRP,
		unix.SIOCGIFNAME, unix.SIOCGIFHWADDR, unix.SIOCGIFFLAGS, unix.SIOCGIFNETMASK, unix.SIOCGIFCONF, unix.SIOCGIFINDEX, unix.SIOCETHTOOL,
	}
)

// families are those of sockets that may be opened: none that leads to a service of this
// host by a path, as that of the engine.
var families = []uint64{unix.AF_INET, unix.AF_INET6, unix.AF_NETLINK}

// calls filters system calls: those that are not listed fail with EPERM. It needs
// no_new_privs, and holds on every thread.
func calls(l Limits) error {
	if !filterable() {
		return nil
	}
	have, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	names := known(have, ordinary)
	// Threads, no processes.
	with := []seccomp.NameWithConditions{argument("clone", 0, seccomp.BitsSet, unix.CLONE_THREAD)}
	if l.Network {
		names = append(names, known(have, connected)...)
		for _, f := range families {
			with = append(with, argument("socket", 0, seccomp.Equal, f))
		}
		if l.Paths {
			with = append(with, argument("socket", 0, seccomp.Equal, unix.AF_UNIX))
		}
		with = append(with, argument("prctl", 0, seccomp.Equal, unix.PR_SET_TIMERSLACK))
		for _, of := range controlsOfLinks {
			with = append(with, argument("ioctl", 1, seccomp.Equal, of))
		}
	}
	for _, of := range controls {
		with = append(with, argument("ioctl", 1, seccomp.Equal, of))
	}
	return load(seccomp.ActionErrno, seccomp.SyscallGroup{Action: seccomp.ActionAllow, Names: names, NamesWithCondtions: with})
}

// known are those calls that an architecture has.
func known(have *arch.Info, calls []string) (names []string) {
	for _, name := range calls {
		if _, ok := have.SyscallNames[name]; ok {
			names = append(names, name)
		}
	}
	return names
}

// load has a filter hold on every thread: what becomes of the calls of a group, and of
// all others.
func load(others seccomp.Action, group seccomp.SyscallGroup) error {
	err := seccomp.LoadFilter(seccomp.Filter{Flag: seccomp.FilterFlagTSync, Policy: seccomp.Policy{DefaultAction: others, Syscalls: []seccomp.SyscallGroup{group}}})
	if err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	return nil
}

func argument(call string, n uint32, op seccomp.Operation, value uint64) seccomp.NameWithConditions {
	return seccomp.NameWithConditions{Name: call, Conditions: seccomp.ArgumentConditions{{Argument: n, Operation: op, Value: value}}}
}

// filterable reports whether calls can be filtered: the numbers of them are known for
// this architecture, and the kernel has filters.
func filterable() bool {
	return (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64") && seccomp.Supported()
}
