package ring

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

const childMark = "RING_TEST_UNPRIVILEGED"

// Opening and reading a ring on a socket that was handed over needs no
// privilege: here by nobody, without capabilities, from another namespace.
func TestARingIsOpenedWithoutPrivilegeOnASocketHandedOver(t *testing.T) {
	if os.Getenv(childMark) != "" {
		unprivileged(t)
		return
	}
	client, host, inner := dockerHost(t)
	c := client.udp("198.51.100.100:40000")
	inner.udp("172.17.0.2:80")
	sock := host.socket()
	defer sock.Close()
	child := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	child.Env = append(os.Environ(), childMark+"=1")
	child.ExtraFiles = []*os.File{sock}
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	var out strings.Builder
	child.Stdout, child.Stderr = &out, &out
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 100 {
			send(t, c, "172.17.0.2:80", 1)
			time.Sleep(20 * time.Millisecond)
		}
	}()
	if err := child.Wait(); err != nil || !strings.Contains(out.String(), "saw eth0, docker0 and veth0a1b2c") {
		t.Errorf("%v\n%s", err, out.String())
	}
	<-done
}

func unprivileged(t *testing.T) {
	caps := [2]unix.CapUserData{}
	if err := unix.Capget(&unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, &caps[0]); err != nil || caps[0].Effective|caps[0].Permitted|caps[1].Effective|caps[1].Permitted != 0 {
		t.Fatalf("capabilities %+v, %v: want none", caps, err)
	}
	if f, err := Socket(); err == nil {
		f.Close()
		t.Fatal("opened a packet socket without privilege")
	}
	r, err := Open(Config{Points: new(capture.Points), Filter: build(t, Want{Ports: []Port{{protoUDP, 1}}})}, os.NewFile(3, "packet"))
	if err != nil {
		t.Fatal(err)
	}
	if n := len(r.Points()); n != 4 {
		t.Errorf("%d points, want lo, eth0, docker0 and the veth", n)
	}
	if err := r.SetFilter(build(t, Want{Ports: []Port{{protoUDP, 80}}})); err != nil {
		t.Error(err)
	}
	w := watch(t, r, packets(3))
	if strings.Join(w.sightings()[:3], " ") == "eth0 in docker0 out veth0a1b2c out" {
		t.Log("saw eth0, docker0 and veth0a1b2c")
	} else {
		t.Error(w.sightings())
	}
}
