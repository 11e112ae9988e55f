package bpf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
	"dnatrace/capture/drops"
)

// Source yields what f, a socket from Open, says: records of KindEvent, JSON of
// drops.Drop, at the time of their receipt. Names gives the name of a network
// namespace by its inode. Drops that found no room are lost for good: a record of
// KindSource says so, and the stream goes on. Batches promise as those of
// conntrack.Source.
//
// The source owns f and closes it when the iteration ends; the program in the
// kernel goes with it.
func Source(f *os.File, names func(inode uint64) string) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			defer f.Close()
			l, err := newListener(f, names)
			for err == nil {
				ended := ctx.Err() != nil
				if err = l.fill(); err != nil {
					break
				}
				full := len(l.batch.Records) >= capture.BatchSize
				if !yield(&l.batch, nil) || ended && !full {
					return
				}
				if !full {
					capture.Rest()
				}
			}
			yield(nil, fmt.Errorf("receive drop reasons: %w", err))
		}
	}
}

// listener reads messages into one batch, again and again.
type listener struct {
	conn  syscall.RawConn
	names func(uint64) string
	buf   []byte
	now   int64 // never decreases
	batch capture.Batch
}

func newListener(f *os.File, names func(uint64) string) (*listener, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	return &listener{conn: conn, names: names, buf: make([]byte, largest)}, nil
}

// fill takes the messages that are there.
func (l *listener) fill() error {
	l.batch.Records = l.batch.Records[:0]
	var failed error
	err := l.conn.Control(func(fd uintptr) { failed = l.drain(int(fd)) })
	l.batch.Until = l.now
	return errors.Join(err, failed)
}

// drain takes messages until there is none or the batch is full. The clock is
// read before the socket: what is found empty then cannot yield anything earlier
// later.
func (l *listener) drain(fd int) error {
	for len(l.batch.Records) < capture.BatchSize {
		l.now = max(l.now, time.Now().UnixNano())
		n, _, err := unix.Recvfrom(fd, l.buf, unix.MSG_DONTWAIT)
		switch {
		case err == unix.EAGAIN:
			return nil
		case err == unix.EINTR:
		case err != nil:
			return err
		case n == 0:
			return io.EOF
		default:
			l.take(l.buf[:n])
		}
	}
	return nil
}

// take makes records of a message.
func (l *listener) take(b []byte) {
	m, err := readMessage(b)
	if err != nil {
		l.state(err.Error())
		return
	}
	if m.Lost > 0 {
		l.state(fmt.Sprintf("%d drops were not told: too many at once", m.Lost))
	}
	if m.Drop == nil {
		return
	}
	data, err := json.Marshal(m.Drop)
	if err != nil {
		return
	}
	l.batch.Records = append(l.batch.Records, capture.Record{
		Time: l.now, Origin: capture.OriginDrops, Kind: capture.KindEvent, Netns: l.names(m.Drop.Inode), Data: data,
	})
}

func (l *listener) state(why string) {
	data, err := json.Marshal(capture.SourceState{Name: capture.OriginDrops, State: capture.SourceOK, Why: why})
	if err != nil {
		return
	}
	l.batch.Records = append(l.batch.Records, capture.Record{Time: l.now, Origin: capture.OriginMeta, Kind: capture.KindSource, Data: data})
}

// Update has other drops reported to f, a socket from Open.
func Update(f *os.File, w drops.Want) error {
	w, _ = w.Bounded()
	b, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("say which drops are wanted: %w", err)
	}
	if _, err := f.Write(b); err != nil {
		return fmt.Errorf("say which drops are wanted: %w", err)
	}
	return nil
}
