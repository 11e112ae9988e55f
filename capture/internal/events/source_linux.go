package events

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// Source yields what f, a socket from multicast.Listen, hears: records of
// KindEvent, raw netlink messages at the time of their receipt. Messages that
// the kernel could not queue are lost for good: a record of KindSource says so
// and the stream goes on. The socket is looked at with each capture.Pulse. Every
// batch promises, and while nothing happens an empty one does: as times are those
// of receipt, nothing earlier than the last look at the empty socket can follow.
//
// When ctx ends, what was heard until then is still yielded. The source owns f
// and closes it when the iteration ends.
func Source(f *os.File, k Kind) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			defer f.Close()
			l, err := newListener(f, k)
			for err == nil {
				ended := ctx.Err() != nil
				if ended {
					l.deafen()
				}
				if err = l.fill(); err != nil {
					break
				}
				if !yield(&l.batch, nil) || ended && !l.more {
					return
				}
				if !l.more {
					capture.Rest()
				}
			}
			yield(nil, fmt.Errorf("receive %s: %w", k.Name, err))
		}
	}
}

// listener reads one socket into one batch, again and again.
type listener struct {
	conn  syscall.RawConn
	kind  Kind
	read  *datagrams
	arena []byte // what the batch's records point into
	now   int64  // never decreases, whatever the wall clock does
	batch capture.Batch
	more  bool // the socket may hold more
}

func newListener(f *os.File, k Kind) (*listener, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &listener{conn: conn, kind: k, read: newDatagrams()}, nil
}

// fill takes the events that are there.
func (l *listener) fill() error {
	// Records of earlier batches point into the old arena only as long as
	// their batch is valid, which it no longer is.
	l.arena = l.arena[:0]
	l.batch.Records = l.batch.Records[:0]
	var failed error
	err := l.conn.Control(func(fd uintptr) { failed = l.drain(int(fd)) })
	l.batch.Until = l.now
	return errors.Join(err, failed)
}

// deafen has the kernel queue nothing more: in a flood, there is always more, and
// what was heard until now would never be all read.
func (l *listener) deafen() {
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	l.conn.Control(func(fd uintptr) {
		unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
	})
}

// drain takes datagrams until there is none or the batch is full.
func (l *listener) drain(fd int) error {
	l.more = false
	for left := capture.BatchSize; left > 0; {
		l.tick()
		n, err := l.read.receive(fd)
		switch err {
		case nil:
			l.take(n)
			left -= n
		case unix.EAGAIN:
			return nil
		case unix.EINTR:
		case unix.ENOBUFS:
			l.lost("the kernel's queue of " + l.kind.Name + " overran")
		default:
			return err
		}
	}
	l.more = true
	return nil
}

// take makes records of the datagrams received.
func (l *listener) take(n int) {
	for i := range n {
		b, size, port := l.read.at(i)
		switch {
		case size > len(b):
			l.lost(fmt.Sprintf("a message of %d bytes was cut", size))
		case port == 0: // the kernel's
			l.split(b)
		}
	}
}

// tick reads the clock. It is read before the socket: what is found empty then
// cannot yield anything earlier later.
func (l *listener) tick() { l.now = max(l.now, time.Now().UnixNano()) }

// split takes the messages out of a datagram.
func (l *listener) split(b []byte) {
	for len(b) >= unix.SizeofNlMsghdr {
		n := int(min(binary.NativeEndian.Uint32(b), 1<<30)) // nlmsg_len
		if n < unix.SizeofNlMsghdr || n > len(b) {
			l.lost("a message has an impossible length")
			return
		}
		l.event(b[:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}

// event adds a message to the batch, in a record of its own unless it belongs
// with the one before.
func (l *listener) event(m []byte) {
	last := len(l.batch.Records) - 1
	if !l.kind.Together || last < 0 || l.batch.Records[last].Kind != capture.KindEvent {
		l.add(l.kind.Origin, capture.KindEvent, m)
		return
	}
	r := &l.batch.Records[last]
	from := len(l.arena) - len(r.Data)
	for len(l.arena)%4 != from%4 { // NLMSG_ALIGN
		l.arena = append(l.arena, 0)
	}
	l.arena = append(l.arena, m...)
	r.Data = l.arena[from:len(l.arena):len(l.arena)]
}

// lost reports a gap; the source goes on giving evidence after it.
func (l *listener) lost(why string) {
	data, err := json.Marshal(capture.SourceState{
		Name: l.kind.Origin, State: capture.SourceOK, Why: "events were lost: " + why,
	})
	if err == nil {
		l.add(capture.OriginMeta, capture.KindSource, data)
	}
}

func (l *listener) add(origin, kind string, data []byte) {
	from := len(l.arena)
	l.arena = append(l.arena, data...)
	l.batch.Records = append(l.batch.Records, capture.Record{
		Time: l.now, Origin: origin, Kind: kind, Netns: l.kind.Netns,
		Data: l.arena[from:len(l.arena):len(l.arena)],
	})
}
