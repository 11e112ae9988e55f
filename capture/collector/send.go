package collector

import (
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"

	"dnatrace/capture"
	"dnatrace/capture/recording"
)

// pulseEvery is how often a stream says what time it is, when nothing else does.
const pulseEvery = 100 * time.Millisecond

// Sender writes a stream as a compressed recording. It hands on at once what there
// is whenever the stream pauses. Who reads it too slowly holds the stream up, and
// the rings behind it then lose packets, which they count.
type Sender struct {
	packed *gzip.Writer
	record *recording.Writer
	said   int64 // Unix ns up to which the reader knows that nothing earlier will come
	dirty  bool  // something was written since the last flush
}

// NewSender begins a stream.
func NewSender(w io.Writer, o recording.Options) *Sender {
	packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is a valid one
	return &Sender{packed: packed, record: recording.NewWriter(packed, o)}
}

// Send adds a batch.
func (s *Sender) Send(b *capture.Batch) error {
	if len(b.Packets) > 0 || len(b.Records) > 0 {
		if err := s.record.Write(b); err != nil {
			return err
		}
		s.dirty = true
	}
	if len(b.Packets) == capture.BatchSize {
		return nil
	}
	// A time beyond all is of records that are there from the start.
	if due := b.Until - s.said; due >= int64(pulseEvery) && b.Until < 1<<62 || s.dirty && due > 0 && b.Until < 1<<62 {
		s.said = b.Until
		pulse := capture.Record{Time: b.Until, Origin: capture.OriginMeta, Kind: capture.KindPulse}
		if err := s.record.Write(&capture.Batch{Records: []capture.Record{pulse}}); err != nil {
			return err
		}
		s.dirty = true
	}
	return s.flush()
}

func (s *Sender) flush() error {
	if !s.dirty {
		return nil
	}
	s.dirty = false
	if err := s.record.Flush(); err != nil {
		return err
	}
	if err := s.packed.Flush(); err != nil {
		return fmt.Errorf("send recording: %w", err)
	}
	return nil
}

// Close ends the stream.
func (s *Sender) Close() error {
	if err := s.record.Close(); err != nil {
		return err
	}
	if err := s.packed.Close(); err != nil {
		return fmt.Errorf("send recording: %w", err)
	}
	return nil
}
