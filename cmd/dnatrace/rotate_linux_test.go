package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"dnatrace/capture/netns/netnstest"
)

// askUntil has requests made to a port of a namespace's loopback that nobody
// listens at, until enough, told the client's port of the last one, is true.
func askUntil(t *testing.T, ns string, enough func(client uint16) bool) {
	t.Helper()
	client := 20000
	for range 500 {
		netnstest.Do(t, ns, func() error {
			for range 20 {
				client++
				d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: client}}
				if c, err := d.Dial("tcp", "127.0.0.1:8080"); err == nil {
					c.Close()
					return fmt.Errorf("somebody listens")
				}
			}
			return nil
		})
		if enough(uint16(client)) {
			return
		}
	}
	t.Fatal("it never was enough")
}

// recorded waits until one of the files holds the refusal of a client's request. The
// sources of a busy machine write one after the other: without that, a small file
// is full of drops before the first packet comes.
func recorded(t *testing.T, client uint16, names ...string) {
	t.Helper()
	refusal := []byte{8080 >> 8, 8080 & 0xff, byte(client >> 8), byte(client)}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		for _, n := range names {
			if b, err := os.ReadFile(n); err == nil && bytes.Contains(b, refusal) {
				return
			}
		}
	}
	t.Fatalf("the request from port %d was not recorded", client)
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func TestARunningRecordingRotates(t *testing.T) {
	ns := netnstest.New(t)
	name := filepath.Join(t.TempDir(), "ring.pcapng")
	c := process(t, "record", "-w", name, "-C", "64k", "-W", "3", "--netns", ns, "-H", "unix:///nonexistent", "--target", "8080")
	said := watching(t, c)
	var first os.FileInfo
	askUntil(t, ns, func(client uint16) bool { // until the first file was written over
		recorded(t, client, name+"0", name+"1", name+"2")
		st, err := os.Stat(name + "0")
		if err == nil && first == nil && exists(name+"1") {
			first = st
		}
		return exists(name+"2") && first != nil && st.ModTime().After(first.ModTime())
	})
	if code, _ := endedBy(t, c, syscall.SIGTERM); code != exitOK || !strings.Contains(said.String(), ", 0 lost") {
		t.Errorf("exit %d: %s", code, said)
	}
	// A file holds as much again as the state at its head, if that is more than -C.
	const most = 256 << 10
	told := 0
	for _, n := range []string{"0", "1", "2"} {
		st, err := os.Stat(name + n)
		if err != nil || st.Mode().Perm() != 0o600 || st.Size() > most {
			t.Errorf("file %s: %v (%v)", n, st, err)
		}
		out, errs, code := dnatrace("replay", name+n)
		switch {
		case code == exitFailed && strings.Contains(out, "refused"):
			told++
		case code != exitNothing: // of the one begun last
			t.Errorf("file %s: exit %d: %s%s", n, code, out, errs)
		}
	}
	if told < 2 {
		t.Errorf("%d of 3 files tell of what was refused", told)
	}
	if exists(name) || exists(name+"3") {
		t.Error("there are more files than three")
	}
}

func TestALinkInTheWayIsNotFollowedAndToldOnce(t *testing.T) {
	ns, dir := netnstest.New(t), t.TempDir()
	name, other := filepath.Join(dir, "f"), filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, name+"1"); err != nil {
		t.Fatal(err)
	}
	c := process(t, "record", "-w", name, "-C", "64k", "--netns", ns, "-H", "unix:///nonexistent", "--target", "8080")
	said := watching(t, c)
	n := 0
	askUntil(t, ns, func(uint16) bool { n++; return n > 30 })
	code, _ := endedBy(t, c, syscall.SIGTERM)
	if code != exitTrouble || strings.Count(said.String(), "symbolic link") != 1 {
		t.Errorf("exit %d: %s", code, said)
	}
	if b, _ := os.ReadFile(other); string(b) != "mine" {
		t.Errorf("the file behind the link holds %q", b)
	}
	if _, _, code := dnatrace("replay", name); code != exitFailed {
		t.Errorf("the first file is of no use: exit %d", code)
	}
}

// refuses holds that a command does nothing with arguments that make no sense, and
// says why: the messages by the arguments.
func refuses(t *testing.T, command string, messages map[string]string) {
	t.Helper()
	for args, want := range messages {
		out, errs, code := dnatrace(append([]string{command}, strings.Fields(args)...)...)
		if code != exitTrouble || out != "" || !strings.Contains(errs, want) {
			t.Errorf("%s: exit %d: %s", args, code, errs)
		}
	}
}

func TestRotationThatMakesNoSenseIsRefused(t *testing.T) {
	refuses(t, "record", map[string]string{
		"-w f -W 3":       "-W: bounds the files of -C or -G",
		"-w f -C 0":       "is none",
		"-w f -C many":    "is none",
		"-w f -C 1 -W 0":  "-W 0: must be at least 1",
		"-w f -G 0":       "-G 0: must be longer than 0",
		"-w f%Q -G 60":    "%Q is not known in a name",
		"-w - -C 1":       "standard output is one file",
		"-w f -C 1 -W -2": "-W -2: must be at least 1",
	})
}

func TestSizesAreTcpdumps(t *testing.T) {
	for in, want := range map[string]int64{"1": 1_000_000, "100": 100_000_000, "500k": 500 << 10, "2M": 2 << 20, "1g": 1 << 30, "64MiB": 64 << 20, "1.5GB": 1_500_000_000} {
		var s sizeFlag
		if err := s.Set(in); err != nil || int64(s) != want {
			t.Errorf("%s is %d (%v), want %d", in, int64(s), err, want)
		}
	}
}
