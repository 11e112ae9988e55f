package opener

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/pair"
)

// FuzzConversation is both ends of the opener's socket, each with the other one gone
// mad: bytes that are no message end the conversation, and nothing waits for ever.
func FuzzConversation(f *testing.F) {
	prefix, body, err := encode(answer{Inode: 7, Note: "x"}, []byte("data"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(prefix, body...))
	f.Add(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 2}, 1<<31))
	f.Add([]byte("\x00\x00\x00\x02\x00\x00\x00\x00{}\x00\x00\x00\x03"))
	f.Add([]byte("\x00\x00\x00\x11\x00\x00\x00\x00{\"op\":\"whatever\"}"))
	f.Fuzz(func(t *testing.T, said []byte) {
		if len(said) > 64<<10 {
			return
		}
		ours, theirs := pairOf(t)
		if _, err := theirs.Write(said); err != nil {
			t.Fatal(err)
		}
		theirs.CloseWrite()
		o := &Opener{conn: ours, patience: time.Second}
		if n, err := o.Inode("/proc/self/ns/net"); err == nil && n == 0 && len(said) < prefixSize {
			t.Error("an answer of nothing")
		}
		ours.Close()
		theirs.Close()

		ours, theirs = pairOf(t)
		if _, err := ours.Write(harmless(said)); err != nil {
			t.Fatal(err)
		}
		ours.CloseWrite()
		ended := make(chan error, 1)
		go func() { ended <- new(server).serve(theirs) }()
		drain := make([]byte, 4096)
		for {
			if _, err := ours.Read(drain); err != nil {
				break
			}
		}
		<-ended
		ours.Close()
	})
}

// harmless keeps requests from starting programs or changing anything where this test
// runs: what is asked for begins with an operation that there is not.
func harmless(said []byte) []byte {
	out := append([]byte(nil), said...)
	for i := range out {
		if out[i] == 'o' || out[i] == 'O' { // no "op", however it is spelt
			out[i] = 'x'
		}
		if out[i] == '\\' {
			out[i] = '/'
		}
	}
	return out
}

func pairOf(t *testing.T) (a, b *net.UnixConn) {
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
	return ours, c.(*net.UnixConn)
}
