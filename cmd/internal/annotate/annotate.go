// Package annotate writes what a capture holds once more, with what dnatrace
// makes of it, so that Wireshark and its kin show it: comments on the packets
// that decided, one number for a packet at all points, names for addresses, an
// interface for each point.
//
// The input is read twice: first it is judged, then it is written. The package
// decides nothing about a request, and opens no file.
package annotate

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/recording"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/decode"
)

// Options say what to judge and what to write.
type Options struct {
	Targets []string      // as judge.Options has them
	Window  time.Duration // likewise
	Point   string        // write the packets of the points of this name alone; "" all
	Program string        // for the section header
}

// Write reads a stream twice, the same each time, and writes it to w, annotated.
func Write(ctx context.Context, src capture.Source, w io.Writer, o Options) (*correlate.Document, error) {
	about := places{}
	d, err := judge.Replay(ctx, about.overhear(src), judge.Options{Targets: o.Targets, Window: o.Window, Keep: -1})
	if err != nil {
		return d, err
	}
	if err := known(d, o.Point); err != nil {
		return d, err
	}
	second := &writing{
		only: o.Point, decoder: decode.NewDecoder(), numbers: newNumbers(d), comments: commentsOf(d, o.Point),
	}
	second.out = recording.NewWriter(w, recording.Options{Program: o.Program, Note: second.note, Describe: about.describe})
	return d, second.copy(ctx, src)
}

// known refuses a point that the input does not have.
func known(d *correlate.Document, point string) error {
	var names []string
	for _, p := range d.Recording.Points {
		if p.Name == point {
			return nil
		}
		if !slices.Contains(names, p.Name) {
			names = append(names, p.Name)
		}
	}
	if point == "" {
		return nil
	}
	return fmt.Errorf("choose point %s: there are only %s", point, strings.Join(names, ", "))
}

// writing is the second pass.
type writing struct {
	out      *recording.Writer
	only     string
	decoder  *decode.Decoder
	packets  decode.Batch // those of the batch in work
	first    uint64
	numbers  *numbers
	comments map[uint64][]string
	points   renumbered
}

func (w *writing) copy(ctx context.Context, src capture.Source) error {
	for b, err := range src(ctx) {
		if err != nil {
			return err
		}
		if len(b.Packets) > 0 {
			w.decoder.Packets(b, &w.packets)
			w.first = b.First
		}
		for _, r := range b.Records {
			if p, ok := pointOf(r); ok {
				w.decoder.Point(p)
			}
		}
		if err := w.write(b); err != nil {
			return err
		}
	}
	return w.out.Close()
}

// write hands a batch to the recording, with the chosen points' packets alone.
func (w *writing) write(b *capture.Batch) error {
	if w.only == "" {
		return w.out.Write(b)
	}
	if len(b.Records) > 0 {
		return w.out.Write(&capture.Batch{Records: w.points.choose(b.Records, w.only)})
	}
	for i := range b.Packets {
		p := b.Packets[i]
		id, chosen := w.points.id(p.Point)
		if !chosen {
			continue
		}
		p.Point = id
		if err := w.out.Write(&capture.Batch{Packets: []capture.Packet{p}, Arena: b.Arena, First: b.First + uint64(i)}); err != nil {
			return err
		}
	}
	return nil
}

// note is what is said of a packet that is being written.
func (w *writing) note(frame uint64, _ *capture.Packet) recording.Note {
	i := int(frame - w.first)
	if i < 0 || i >= len(w.packets.Packets) {
		return recording.Note{}
	}
	return recording.Note{ID: w.numbers.of(&w.packets.Packets[i]), Comments: w.comments[frame]}
}
