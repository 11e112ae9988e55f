package conntrack_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"dnatrace/capture"
	"dnatrace/capture/conntrack"
	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/ring"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tracked returns a namespace in which connections are tracked, as a rule there
// asks about their state.
func tracked(t *testing.T) string {
	t.Helper()
	path := netnstest.New(t)
	netnstest.Run(t, path,
		"nft add table inet watch",
		"nft add chain inet watch in { type filter hook input priority 0 ; }",
		"nft add rule inet watch in ct state established accept")
	return path
}

func listen(t *testing.T, path string) (f *os.File) {
	t.Helper()
	netnstest.Do(t, path, func() (err error) {
		f, err = conntrack.Listen(true)
		return err
	})
	return f
}

// connect opens a connection to a listener on the given address, both inside
// the namespace, and closes it again so that nothing of it lingers.
func connect(t *testing.T, path, network, addr string) (port uint16) {
	t.Helper()
	netnstest.Do(t, path, func() error {
		l, err := net.Listen(network, addr)
		if err != nil {
			return err
		}
		defer l.Close()
		c, err := net.Dial(network, l.Addr().String())
		if err != nil {
			return err
		}
		port = uint16(l.Addr().(*net.TCPAddr).Port)
		return c.(*net.TCPConn).SetLinger(0)
	})
	return port
}

// Message types of ctnetlink: IPCTNL_MSG_CT_NEW (NEW, or UPDATE when it does not
// say that it creates) and IPCTNL_MSG_CT_DELETE.
const (
	msgNew     = 0x100
	msgDestroy = 0x102
)

func TestAConnectionIsSeenFromBirthToEnd(t *testing.T) {
	path := tracked(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	f := listen(t, path)
	events := make(chan capture.Record, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for b, err := range conntrack.Source(f, "host")(ctx) {
			if err != nil {
				t.Error(err)
				return
			}
			for _, r := range b.Records {
				r.Data = bytes.Clone(r.Data)
				events <- r
			}
		}
	}()
	before := time.Now().UnixNano()
	port := connect(t, path, "tcp4", "127.0.0.1:0")
	netnstest.Run(t, path, "conntrack -F")
	seen := map[uint16]bool{}
	for !seen[msgNew] || !seen[msgDestroy] {
		select {
		case r := <-events:
			if r.Origin != capture.OriginConntrack || r.Kind != capture.KindEvent || r.Netns != "host" || r.Time < before {
				t.Fatalf("got record %+v", r)
			}
			if bytes.Contains(r.Data, binary.BigEndian.AppendUint16(nil, port)) {
				seen[binary.NativeEndian.Uint16(r.Data[4:])] = true
			}
		case <-ctx.Done():
			t.Fatalf("saw only messages of types %v", seen)
		}
	}
	cancel()
	<-done
}

func TestAnIdleSourceKeepsPromisingAndEndsAtOnce(t *testing.T) {
	f := listen(t, netnstest.New(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var promises int
	var last, ended int64
	for b, err := range conntrack.Source(f, "host")(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if len(b.Records) > 0 || b.Until < last {
			t.Fatalf("idle socket: %d records, promise %d after %d", len(b.Records), b.Until, last)
		}
		last = b.Until
		if age := time.Now().UnixNano() - last; age > int64(time.Second) {
			t.Errorf("a promise is %v old", time.Duration(age))
		}
		if promises++; promises == 3 {
			time.AfterFunc(time.Millisecond, func() { ended = time.Now().UnixNano(); cancel() })
		}
	}
	if promises < 3 {
		t.Fatalf("got %d promises", promises)
	}
	if late := time.Now().UnixNano() - ended; late > int64(500*time.Millisecond) {
		t.Errorf("ended %v after it was cancelled", time.Duration(late))
	}
	if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Error("the socket is still open")
	}
}

func TestWhatWasHeardBeforeTheEndIsStillTold(t *testing.T) {
	path := tracked(t)
	f := listen(t, path)
	const connections = 300 // more than a batch of events
	for range connections {
		connect(t, path, "tcp4", "127.0.0.1:0")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	events := 0
	for b, err := range conntrack.Source(f, "host")(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if binary.NativeEndian.Uint16(r.Data[4:]) == msgNew {
				events++
			}
		}
	}
	if events != connections {
		t.Errorf("told of %d connections of %d", events, connections)
	}
}

func TestLostEventsAreReportedAndTheRestGoesOn(t *testing.T) {
	path := tracked(t)
	f := listen(t, path)
	shrink(t, f)
	for range 200 { // nobody reads meanwhile
		connect(t, path, "tcp4", "127.0.0.1:0")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var lost, after bool
	for b, err := range conntrack.Source(f, "host")(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			switch {
			case r.Kind == capture.KindSource:
				var s capture.SourceState
				if err := json.Unmarshal(r.Data, &s); err != nil {
					t.Fatal(err)
				}
				if r.Origin != capture.OriginMeta || s.Name != capture.OriginConntrack || s.State != capture.SourceOK || !strings.Contains(s.Why, "lost") {
					t.Fatalf("got %+v from %s", s, r.Origin)
				}
				lost = true
			case lost:
				after = true
			}
		}
		if lost && after {
			return
		}
		if lost {
			connect(t, path, "tcp4", "127.0.0.1:0")
		}
	}
	t.Fatalf("loss reported: %t, events after it: %t", lost, after)
}

func shrink(t *testing.T, f *os.File) {
	t.Helper()
	c, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Control(func(fd uintptr) { unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4096) }); err != nil {
		t.Fatal(err)
	}
}

func TestADumpHoldsBothFamilies(t *testing.T) {
	path := tracked(t)
	port4 := connect(t, path, "tcp4", "127.0.0.1:0")
	port6 := connect(t, path, "tcp6", "[::1]:0")
	raw, err := conntrack.Dump(path, ring.Want{All: true})
	if err != nil {
		t.Fatal(err)
	}
	families := map[byte]uint16{unix.AF_INET: port4, unix.AF_INET6: port6}
	for len(raw) > 0 {
		n := binary.NativeEndian.Uint32(raw)
		if kind := binary.NativeEndian.Uint16(raw[4:]); kind != msgNew {
			t.Fatalf("got a message of type %x", kind)
		}
		m := raw[:n]
		if port, ok := families[m[16]]; ok && bytes.Contains(m, binary.BigEndian.AppendUint16(nil, port)) {
			delete(families, m[16])
		}
		raw = raw[n:]
	}
	if len(families) > 0 {
		t.Errorf("missing from the dump: %v (family: port)", families)
	}
}
