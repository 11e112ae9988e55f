package conntrack

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
	"dnatrace/capture/internal/multicast"
)

// idle is how long a quiet socket may leave its reader without a promise.
const idle = 20 * time.Millisecond

// Source yields the events that f, a socket from Listen, hears: records of
// KindEvent, each one raw netlink message, at the time of their receipt. Events
// that the kernel could not queue are lost for good: a record of KindSource says
// so and the stream goes on. Every batch promises, and while nothing happens an
// empty one does every 20 ms: as times are those of receipt, nothing earlier
// than the last look at the empty socket can follow.
//
// The source owns f and closes it when the iteration ends.
func Source(f *os.File, netns string) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			defer f.Close()
			stop := multicast.Interrupt(ctx, f)
			defer stop()
			l, err := newListener(f, netns)
			for err == nil {
				err = l.fill(ctx)
				if ctx.Err() != nil {
					return
				}
				if err == nil && !yield(&l.batch, nil) {
					return
				}
			}
			yield(nil, fmt.Errorf("receive conntrack events: %w", err))
		}
	}
}

// listener reads one socket into one batch, again and again.
type listener struct {
	file *os.File
	conn interface {
		Read(func(uintptr) bool) error
	}
	netns string
	buf   []byte // one datagram
	arena []byte // what the batch's records point into
	now   int64  // never decreases, whatever the wall clock does
	batch capture.Batch
}

func newListener(f *os.File, netns string) (*listener, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &listener{file: f, conn: conn, netns: netns, buf: make([]byte, 1<<16)}, nil
}

// fill waits for events, at most idle, and takes all that are there.
func (l *listener) fill(ctx context.Context) error {
	// Records of earlier batches point into the old arena only as long as
	// their batch is valid, which it no longer is.
	l.arena = l.arena[:0]
	l.batch.Records = l.batch.Records[:0]
	if err := l.file.SetReadDeadline(time.Now().Add(idle)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return nil
	}
	var failed error
	err := l.conn.Read(func(fd uintptr) bool {
		failed = l.drain(int(fd))
		return failed != nil || len(l.batch.Records) > 0
	})
	l.batch.Until = l.now
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil
	}
	return errors.Join(err, failed)
}

// drain takes datagrams until there is none or the batch is full.
func (l *listener) drain(fd int) error {
	for len(l.batch.Records) < capture.BatchSize {
		l.tick()
		n, from, err := unix.Recvfrom(fd, l.buf, unix.MSG_TRUNC)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
		case err == unix.ENOBUFS:
			l.lost("the kernel's queue of conntrack events overran")
		case err != nil:
			return err
		case n > len(l.buf):
			l.lost(fmt.Sprintf("a conntrack message of %d bytes was cut", n))
		case fromKernel(from):
			l.split(l.buf[:n])
		}
	}
	return nil
}

// tick reads the clock. It is read before the socket: what is found empty then
// cannot yield anything earlier later.
func (l *listener) tick() { l.now = max(l.now, time.Now().UnixNano()) }

func fromKernel(sa unix.Sockaddr) bool {
	nl, ok := sa.(*unix.SockaddrNetlink)
	return ok && nl.Pid == 0
}

// split makes one record of each message in a datagram.
func (l *listener) split(b []byte) {
	for len(b) >= unix.SizeofNlMsghdr {
		n := int(min(binary.NativeEndian.Uint32(b), 1<<30)) // nlmsg_len
		if n < unix.SizeofNlMsghdr || n > len(b) {
			l.lost("a conntrack message has an impossible length")
			return
		}
		l.add(capture.OriginConntrack, capture.KindEvent, l.netns, b[:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}

// lost reports a gap; the source goes on giving evidence after it.
func (l *listener) lost(why string) {
	data, err := json.Marshal(capture.SourceState{
		Name: capture.OriginConntrack, State: "ok", Why: "events were lost: " + why,
	})
	if err == nil {
		l.add(capture.OriginMeta, capture.KindSource, l.netns, data)
	}
}

func (l *listener) add(origin, kind, netns string, data []byte) {
	from := len(l.arena)
	l.arena = append(l.arena, data...)
	l.batch.Records = append(l.batch.Records, capture.Record{
		Time: l.now, Origin: origin, Kind: kind, Netns: netns,
		Data: l.arena[from:len(l.arena):len(l.arena)],
	})
}
