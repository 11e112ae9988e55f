package privilege

import (
	"fmt"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// foreign are the calls that nobody needs who opens sockets in namespaces of networks
// and reads rules, however much privilege that takes: other processes, mounts, modules,
// the clock, keys, devices, ways around a filter.
var foreign = []string{
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd",
	"mount", "umount2", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "pivot_root", "chroot", "unshare",
	"swapon", "swapoff", "quotactl", "quotactl_fd", "acct", "nfsservctl", "fanotify_init", "name_to_handle_at", "open_by_handle_at", "mknod", "mknodat",
	"init_module", "finit_module", "delete_module", "create_module", "kexec_load", "kexec_file_load", "reboot", "syslog", "iopl", "ioperm",
	"settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
	"add_key", "request_key", "keyctl", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register", "personality", "memfd_secret", "uselib",
}

// Refuse has calls fail, with EPERM, that take privilege and are none of an opener's, in
// this process and in those that it starts. Of namespaces it can enter those of networks
// alone.
func Refuse() error {
	if !filterable() {
		return nil
	}
	have, err := arch.GetInfo("")
	if err != nil {
		return fmt.Errorf("filter system calls: %w", err)
	}
	other := argument("setns", 1, seccomp.NotEqual, unix.CLONE_NEWNET)
	return load(seccomp.ActionAllow, seccomp.SyscallGroup{Action: seccomp.ActionErrno, Names: known(have, foreign), NamesWithCondtions: []seccomp.NameWithConditions{other}})
}
