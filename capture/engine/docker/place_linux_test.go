package docker

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"dnatrace/capture/netns/netnstest"
)

// The process that listens on the socket of the fake engine is this one.
func TestWhoListensIsTheProcessBehindTheSocket(t *testing.T) {
	f := newFake(t)
	e, err := Dial(context.Background(), "unix://"+f.host)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.peer.pid != os.Getpid() || e.peer.nested || e.peer.view.inode == 0 {
		t.Errorf("the process behind the socket is said to be %+v", e.peer)
	}
}

// A veth leads from one namespace to another, and from none to a third.
func TestAVethTellsWhichNamespaceAProcessIsWiredTo(t *testing.T) {
	host, container, stranger := netnstest.New(t), netnstest.New(t), netnstest.New(t)
	netnstest.Run(t, host, "ip link add docker0 type bridge", "ip addr add 172.17.0.1/16 dev docker0", "ip link add veth1 type veth peer name eth0 netns "+container)
	c := exec.Command("nsenter", "--net="+container, "sleep", "60")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		c.Process.Kill()
		c.Wait()
	}()
	for inodeAt("/proc/"+strconv.Itoa(c.Process.Pid)+"/ns/net") != inodeAt(container) { // it has yet to enter
	}
	for path, want := range map[string]bool{host: true, stranger: false} {
		if wired, known := wiredIn(path, c.Process.Pid); wired != want || !known {
			t.Errorf("that it is wired to %s is said to be %t (known: %t)", path, wired, known)
		}
		if got := lookAt(path).bridge("docker0", nil); got != want {
			t.Errorf("that docker0 is in %s is said to be %t", path, got)
		}
	}
	if _, known := wiredIn(host, 1<<22+1); known {
		t.Error("something is known of a process that cannot be")
	}
}
