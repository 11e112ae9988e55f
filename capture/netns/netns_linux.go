package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// own is held from the start: /proc/self/ns/net is the namespace of the main
// thread, and that may be a guest elsewhere while Do runs on it.
var own, ownErr = open("/proc/thread-self/ns/net")

// Open opens the namespace at path and makes sure that it is one: anything
// else at that path is not opened at all, only looked at.
func Open(path string) (*os.File, error) {
	if path != "" {
		return open(path)
	}
	if ownErr != nil {
		return nil, ownErr
	}
	return open(fmt.Sprintf("/proc/self/fd/%d", own.Fd()))
}

// Inode returns the inode of the namespace at path, as "net:[4026531840]" in
// /proc/PID/ns shows it.
func Inode(path string) (uint64, error) {
	f, err := Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	return InodeOf(f)
}

// InodeOf returns the inode of an open namespace.
func InodeOf(f *os.File) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, fmt.Errorf("stat namespace %s: %w", f.Name(), err)
	}
	return st.Ino, nil
}

// Do runs fn on a thread inside the namespace at path and returns its error.
// Sockets that fn opens, processes it starts and /proc/thread-self/net and
// /proc/sys/net as it reads them belong to that namespace; goroutines it starts
// do not. CAP_SYS_ADMIN is needed unless it is the process's own namespace.
func Do(path string, fn func() error) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	done := make(chan error, 1)
	go func() { done <- visit(f, fn) }()
	return <-done
}

// visit runs fn inside f on the goroutine's thread, which returns home before
// it is let go. If it cannot, it stays locked and so dies with the goroutine:
// a stray thread must never run anyone else's code.
func visit(f *os.File, fn func() error) error {
	runtime.LockOSThread()
	if isOwn(f) {
		defer runtime.UnlockOSThread()
		return fn()
	}
	if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter namespace %s: %w", f.Name(), err)
	}
	err := fn()
	if ownErr == nil && unix.Setns(int(own.Fd()), unix.CLONE_NEWNET) == nil {
		runtime.UnlockOSThread()
	}
	return err
}

func isOwn(f *os.File) bool {
	if ownErr != nil {
		return false
	}
	a, errA := InodeOf(own)
	b, errB := InodeOf(f)
	return errA == nil && errB == nil && a == b
}

// open looks before it opens: opening a device or a pipe that someone put at
// path would have effects of its own.
func open(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", path, err)
	}
	defer unix.Close(fd)
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", path, err)
	}
	if fs.Type != unix.NSFS_MAGIC {
		return nil, fmt.Errorf("open namespace %s: not a namespace", path)
	}
	ns, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open namespace %s: %w", path, err)
	}
	if kind, err := unix.IoctlRetInt(ns, unix.NS_GET_NSTYPE); err != nil || kind != unix.CLONE_NEWNET {
		unix.Close(ns)
		return nil, fmt.Errorf("open namespace %s: not a network namespace", path)
	}
	return os.NewFile(uintptr(ns), path), nil
}
