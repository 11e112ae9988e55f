package netns_test

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"dnatrace/capture/netns"
	"dnatrace/capture/netns/netnstest"
)

func TestWorkInANamespaceStaysThere(t *testing.T) {
	home, err := netns.Inode("")
	if err != nil {
		t.Fatal(err)
	}
	path := netnstest.New(t)
	want, err := netns.Inode(path)
	if err != nil {
		t.Fatal(err)
	}
	if want == home {
		t.Fatalf("the new namespace has the inode of the old one: %d", want)
	}
	// Many at once, so that main's thread and recycled ones take part.
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if got := inodeInside(t, path); got != want {
				t.Errorf("inside the namespace: got inode %d, want %d", got, want)
			}
			if got := inodeInside(t, ""); got != home {
				t.Errorf("at home: got inode %d, want %d", got, home)
			}
		})
	}
	wg.Wait()
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("list own threads: %v, %v", tasks, err)
	}
	for _, task := range tasks {
		if got, err := netns.Inode(task); err == nil && got != home {
			t.Errorf("thread %s was left in namespace %d", task, got)
		}
	}
}

func inodeInside(t *testing.T, path string) (inode uint64) {
	t.Helper()
	err := netns.Do(path, func() (err error) {
		inode, err = netns.Inode("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		t.Error(err)
	}
	return inode
}

func TestDoReturnsTheErrorOfTheWork(t *testing.T) {
	want := errors.New("work failed")
	if got := netns.Do(netnstest.New(t), func() error { return want }); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOnlyNetworkNamespacesAreOpened(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a file":                       os.Args[0],
		"a device":                     "/dev/null",
		"a pipe that nobody writes to": fifo,
		"a namespace of another kind":  "/proc/self/ns/mnt",
		"nothing":                      "/proc/self/ns/none",
	} {
		t.Run(name, func(t *testing.T) {
			f, err := netns.Open(path)
			if err == nil {
				f.Close()
				t.Errorf("%s was opened", path)
			}
		})
	}
}
