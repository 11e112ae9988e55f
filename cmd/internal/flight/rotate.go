package flight

import (
	"errors"
	"fmt"
	"io"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/pipeline"
)

// Turns say when a Rotation goes on to the next file, as tcpdump's -C, -G and -W do.
type Turns struct {
	Name  Pattern
	Size  int64         // bytes that a file has at most, and the last packet; 0: any
	Every time.Duration // of the stream's time; 0: for ever
	Files int           // with Size alone: as many take turns; with Every alone: the end is after as many; 0: no bound
}

// Rotation writes a stream to one file after the other, each with the state that
// held when it was begun at its head. It is not safe for concurrent use.
type Rotation struct {
	turns   Turns
	create  func(path string) (io.WriteCloser, error)
	options recording.Options
	trouble func(error)

	state   state
	file    io.WriteCloser
	part    *part
	number  int // of a stretch of Every: number of the file
	stretch int
	began   int64  // Unix ns, of this stretch
	last    int64  // Unix ns
	packets uint64 // of all files
	broken  int64  // Unix ns: when a file could last not be written or begun; 0: it could
	err     error  // the first trouble
}

// retry is how long after one that could not be written the next file is tried, ns.
const retry = int64(10e9)

// NewRotation begins the first file, at a time. Trouble is told the first time
// that a file cannot be written; others are tried from then on.
func NewRotation(t Turns, at time.Time, o recording.Options, create func(string) (io.WriteCloser, error), trouble func(error)) (*Rotation, error) {
	r := &Rotation{turns: t, create: create, options: o, trouble: trouble, began: at.UnixNano()}
	file, err := create(r.name())
	if err != nil {
		return nil, err
	}
	r.file = file
	r.part, err = newPart(file, o, &r.state, r.began)
	return r, err
}

// name is that of the file whose turn it is.
func (r *Rotation) name() string {
	name := r.turns.Name.At(time.Unix(0, r.began))
	if r.turns.Size == 0 {
		return name
	}
	return numberedName(name, r.number, r.turns.Files)
}

// numberedName is the name of one of so many files: the first has no number where
// there is no bound, and with one all have as many digits.
func numberedName(name string, n, files int) string {
	digits := 0
	for most := files - 1; most > 0; most /= 10 {
		digits++
	}
	if n == 0 && digits == 0 {
		return name
	}
	return fmt.Sprintf("%s%0*d", name, digits, n)
}

// Write adds a batch to the file whose turn it is. It fails with pipeline.ErrEnough
// when no more files may be begun.
func (r *Rotation) Write(b *capture.Batch) error {
	if len(b.Records) > 0 {
		return r.records(b.Records)
	}
	for from := 0; from < len(b.Packets); {
		to, err := r.fitting(b.Packets, from)
		if err != nil {
			return err
		}
		r.write(&capture.Batch{Packets: b.Packets[from:to], Arena: b.Arena, First: b.First + uint64(from)})
		r.packets += uint64(to - from)
		from = to
	}
	return nil
}

func (r *Rotation) records(all []capture.Record) error {
	begins := all[0].Origin == capture.OriginMeta && all[0].Kind == capture.KindStart
	if at := all[0].Time; !begins {
		if err := r.turn(at); err != nil {
			return err
		}
	}
	r.state.take(all)
	r.write(&capture.Batch{Records: all})
	r.last = max(r.last, all[len(all)-1].Time)
	return nil
}

// fitting is how many of the packets, counted from the first, still go into the
// file whose turn it is at the first one from there.
func (r *Rotation) fitting(all []capture.Packet, from int) (to int, err error) {
	if err := r.turn(all[from].Time); err != nil {
		return from, err
	}
	size := r.part.w.Size()
	for to = from; to < len(all); to++ {
		p := &all[to]
		if to > from && (r.full(size) || r.over(p.Time)) {
			break
		}
		size += int64(p.Len) + blockSize
		r.last = max(r.last, p.Time)
	}
	return to, nil
}

// blockSize is about what a packet takes besides its bytes.
const blockSize = 48

// full reports whether a file of so many bytes is. One is not before it holds as
// much again as its head.
func (r *Rotation) full(size int64) bool {
	return r.turns.Size > 0 && size > max(r.turns.Size, 2*r.part.least)
}

// over reports whether the stretch of time is.
func (r *Rotation) over(at int64) bool {
	return r.turns.Every > 0 && at-r.began >= int64(r.turns.Every)
}

// turn begins the next file if it is due at a time.
func (r *Rotation) turn(at int64) error {
	switch {
	case r.over(at):
		r.stretch++
		if r.turns.Size == 0 && r.turns.Files > 0 && r.stretch >= r.turns.Files {
			return pipeline.ErrEnough
		}
		r.began, r.number = at, 0
	case r.broken == 0 && r.full(r.part.w.Size()):
		r.number++
		if r.turns.Every == 0 && r.turns.Files > 0 {
			r.number %= r.turns.Files
		}
	case r.broken != 0 && at-r.broken >= retry:
	default:
		return nil
	}
	r.next(at)
	return nil
}

// next ends the file and begins another one.
func (r *Rotation) next(at int64) {
	if err := r.finish(at); err != nil {
		r.failed(at, err)
	}
	file, err := r.create(r.name())
	if err != nil {
		r.failed(at, err)
		return
	}
	r.file, r.broken = file, 0
	if r.part, err = newPart(file, r.options, &r.state, at); err != nil {
		r.failed(at, err)
	}
}

// finish ends the file, if there is one.
func (r *Rotation) finish(at int64) error {
	if r.file == nil {
		return nil
	}
	err := errors.Join(r.part.finish(at), r.file.Close())
	r.file = nil
	return err
}

// write writes to the file, if it can be.
func (r *Rotation) write(b *capture.Batch) {
	if r.broken != 0 {
		return
	}
	if err := r.part.write(b); err != nil {
		r.failed(r.last, err)
	}
}

// failed notes that the file cannot be written: what comes is lost until another
// one can be.
func (r *Rotation) failed(at int64, err error) {
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
	r.broken = max(at, 1)
	if r.err == nil {
		r.err = err
		r.trouble(err)
	}
}

// Flush hands what was written to the file.
func (r *Rotation) Flush() error {
	if r.broken == 0 {
		if err := r.part.w.Flush(); err != nil {
			r.failed(r.last, err)
		}
	}
	return nil
}

// Packets is the number of packets recorded, in all files.
func (r *Rotation) Packets() uint64 { return r.packets }

// Close ends the last file.
func (r *Rotation) Close() error {
	err := r.finish(r.last)
	if r.err != nil {
		return nil // it was told
	}
	return err
}
