package opener

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/pair"
)

// serving returns this end of a connection to a server, and how it ended.
func serving(t *testing.T) (*net.UnixConn, <-chan error) {
	t.Helper()
	ours, theirs, err := pair.New(unix.SOCK_STREAM, "opener", "parent")
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	c, err := net.FileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- new(server).serve(c.(*net.UnixConn)) }()
	t.Cleanup(func() { ours.Close() })
	return ours, ended
}

func TestTheServerEndsWhenItsSocketCloses(t *testing.T) {
	conn, ended := serving(t)
	conn.Close()
	if err := <-ended; err != nil {
		t.Errorf("got %v, want an orderly end", err)
	}
}

func TestAnOpenerThatDoesNotAnswerIsGivenUp(t *testing.T) {
	ours, theirs, err := pair.New(unix.SOCK_STREAM, "opener", "parent")
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	defer theirs.Close()
	o := &Opener{conn: ours, patience: 20 * time.Millisecond}
	if _, err := o.Inode("/proc/self/ns/net"); err == nil || !strings.Contains(err.Error(), "did not answer a request for inode") {
		t.Fatalf("got %v, want that it did not answer", err)
	}
	// What it says now is the answer to that one.
	c, err := net.FileConn(theirs)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := send(c.(*net.UnixConn), answer{Inode: 1}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if inode, err := o.Inode("/proc/thread-self/ns/net"); err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("a late answer is taken for that of the next request: %d, %v", inode, err)
	}
}

func TestAMessageOfImpossibleSizeEndsTheServer(t *testing.T) {
	conn, ended := serving(t)
	prefix := binary.BigEndian.AppendUint32(nil, 1<<31)
	if _, err := conn.Write(binary.BigEndian.AppendUint32(prefix, 0)); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil || !strings.Contains(err.Error(), "2147483648") {
		t.Errorf("got %v, want the size refused", err)
	}
}

func TestAMessageCutShortEndsTheServer(t *testing.T) {
	conn, ended := serving(t)
	if _, err := conn.Write([]byte{0, 0, 0, 9, 0}); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	if err := <-ended; err == nil {
		t.Error("it ended as if nothing had been cut")
	}
}

func TestFilesSentWithARequestAreNotKept(t *testing.T) {
	conn, ended := serving(t)
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before := openFiles(t)
	for range 10 {
		prefix, body, err := encode(request{Op: opHello}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.WriteMsgUnix(prefix, unix.UnixRights(int(f.Fd())), nil); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(body); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := receive(conn, maxAnswer); err != nil {
			t.Fatal(err)
		}
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files open, %d before", after, before)
	}
	conn.Close()
	<-ended
}

func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// FuzzAnswer feeds the server requests that the opener's own client would never
// send; none may make it open anything but a namespace, nor panic.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"op":"inode","path":"/etc/shadow"}`))
	f.Add([]byte(`{"op":"sample","options":{"peers":["/proc/1/root"]}}`))
	f.Add([]byte(`{"op":"netns","pid":-1}`))
	f.Add([]byte(`{"op":"rules"`))
	f.Add([]byte(`[]`))
	s := &server{}
	f.Fuzz(func(t *testing.T, body []byte) {
		if lower := strings.ToLower(string(body)); strings.Contains(lower, "rules") || strings.Contains(lower, "trace") {
			return // starts programs; makes a table where this test runs
		}
		a := s.answer(body, nil)
		if a.file != nil {
			a.file.Close()
		}
	})
}

func TestReadingTooManyFilesAtOnce(t *testing.T) {
	conn, ended := serving(t)
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	before := openFiles(t)
	prefix, body, err := encode(request{Op: opHello}, nil)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(f.Fd())
	if _, _, err := conn.WriteMsgUnix(prefix, unix.UnixRights(fd, fd, fd), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(body); err != nil && err != io.EOF {
		t.Fatal(err)
	}
	receive(conn, maxAnswer)
	if after := openFiles(t); after > before {
		t.Errorf("%d files open, %d before", after, before)
	}
	conn.Close()
	<-ended
}
