package flight

import (
	"encoding/json"
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
	w       *recording.Writer
	least   int64    // bytes of the head
	numbers []uint16 // of points, in this file
	moved   []capture.Packet
	part    int // of a stretch of Every: number of the file
	stretch int
	began   int64 // Unix ns, of this stretch
	last    int64 // Unix ns
	lost    uint64
	packets uint64 // of all files
	whole   bool   // an end was written
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
	r.file, r.w = file, recording.NewWriter(file, o)
	return r, nil
}

// name is that of the file whose turn it is.
func (r *Rotation) name() string {
	name := r.turns.Name.At(time.Unix(0, r.began))
	if r.turns.Size == 0 {
		return name
	}
	return numberedName(name, r.part, r.turns.Files)
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
		r.write(&capture.Batch{Packets: r.renumbered(b.Packets[from:to]), Arena: b.Arena, First: b.First + uint64(from)})
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
	r.write(&capture.Batch{Records: r.own(all)})
	r.last = max(r.last, all[len(all)-1].Time)
	return nil
}

// own are the records as this file has them.
func (r *Rotation) own(all []capture.Record) []capture.Record {
	out := make([]capture.Record, 0, len(all))
	for _, it := range all {
		switch it.Origin + " " + it.Kind {
		case capture.OriginPackets + " " + capture.KindPoint:
			it.Data = r.announced(it.Data)
		case capture.OriginPackets + " " + capture.KindLoss:
			var l capture.Loss
			if json.Unmarshal(it.Data, &l) == nil {
				r.lost += l.Lost
			}
		case capture.OriginMeta + " " + capture.KindEnd:
			it = r.end(it.Time)
			r.whole = true
		}
		out = append(out, it)
	}
	return out
}

// announced is a point with the number that it has in this file.
func (r *Rotation) announced(data []byte) []byte {
	var p capture.Point
	if json.Unmarshal(data, &p) != nil {
		return data
	}
	next := uint16(0)
	for _, n := range r.numbers {
		if n != gone {
			next = max(next, n+1)
		}
	}
	for int(p.ID) >= len(r.numbers) {
		r.numbers = append(r.numbers, gone)
	}
	if r.numbers[p.ID] == gone {
		r.numbers[p.ID] = next
	}
	return numbered(p, r.numbers[p.ID], data)
}

// renumbered are packets with the numbers that their points have in this file.
func (r *Rotation) renumbered(all []capture.Packet) []capture.Packet {
	moved := r.moved[:0]
	for _, p := range all {
		if int(p.Point) >= len(r.numbers) || r.numbers[p.Point] == gone {
			continue // of a point that ended long ago
		}
		p.Point = r.numbers[p.Point]
		moved = append(moved, p)
	}
	r.moved = moved
	return moved
}

// fitting is how many of the packets, counted from the first, still go into the
// file whose turn it is at the first one from there.
func (r *Rotation) fitting(all []capture.Packet, from int) (to int, err error) {
	if err := r.turn(all[from].Time); err != nil {
		return from, err
	}
	size := r.w.Size()
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
	return r.turns.Size > 0 && size > max(r.turns.Size, 2*r.least)
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
		r.began, r.part = at, 0
	case r.broken == 0 && r.full(r.w.Size()):
		r.part++
		if r.turns.Every == 0 && r.turns.Files > 0 {
			r.part %= r.turns.Files
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
	r.file, r.w, r.broken = file, recording.NewWriter(file, r.options), 0
	head, numbers := r.state.head(at)
	r.numbers, r.whole, r.lost = numbers, false, 0
	r.write(&capture.Batch{Records: head})
	r.least = r.w.Size()
}

// finish ends the file in order, if it was not: it tells of all up to a time.
func (r *Rotation) finish(at int64) error {
	if r.file == nil {
		return nil
	}
	var err error
	if !r.whole {
		err = r.w.Write(&capture.Batch{Records: []capture.Record{r.end(at)}})
	}
	err = errors.Join(err, r.w.Close(), r.file.Close())
	r.file = nil
	return err
}

func (r *Rotation) end(at int64) capture.Record {
	data, err := json.Marshal(capture.End{Ended: at, Packets: r.w.Packets(), Lost: r.lost})
	if err != nil {
		panic("flight: marshal end: " + err.Error()) // it always can be
	}
	return capture.Record{Time: at, Origin: capture.OriginMeta, Kind: capture.KindEnd, Data: data}
}

// write writes to the file, if it can be.
func (r *Rotation) write(b *capture.Batch) {
	if r.broken != 0 {
		return
	}
	if err := r.w.Write(b); err != nil {
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
		if err := r.w.Flush(); err != nil {
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
