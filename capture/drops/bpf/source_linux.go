package bpf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/drops"
)

// idle is how long a quiet socket may leave its reader without a promise.
const idle = 20 * time.Millisecond

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
			l := &listener{file: f, names: names, buf: make([]byte, largest)}
			for ctx.Err() == nil {
				b, err := l.next()
				if err != nil {
					yield(nil, fmt.Errorf("receive drop reasons: %w", err))
					return
				}
				if !yield(b, nil) {
					return
				}
			}
		}
	}
}

// listener reads messages into one batch, again and again.
type listener struct {
	file  *os.File
	names func(uint64) string
	buf   []byte
	now   int64 // never decreases
	batch capture.Batch
}

// next waits for messages, at most idle, and takes those that are there.
func (l *listener) next() (*capture.Batch, error) {
	l.batch.Records = l.batch.Records[:0]
	asked := time.Now()
	deadline := asked.Add(idle)
	for len(l.batch.Records) < capture.BatchSize {
		if err := l.file.SetReadDeadline(deadline); err != nil {
			return nil, err
		}
		n, err := l.file.Read(l.buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return nil, err
		}
		l.now = max(l.now, time.Now().UnixNano())
		l.take(l.buf[:n])
		asked, deadline = time.Now(), time.Now() // what else is there, without waiting
	}
	l.now = max(l.now, asked.UnixNano())
	l.batch.Until = l.now
	return &l.batch, nil
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
	data, err := json.Marshal(capture.SourceState{Name: capture.OriginDrops, State: "ok", Why: why})
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
