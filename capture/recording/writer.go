package recording

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture"
)

const (
	// maxFrame is the largest frame that Wireshark and libpcap read; what is
	// longer is cut.
	maxFrame = 262144
	// flushAt is how much is gathered before it is written.
	flushAt = 256 << 10
)

// Options describe where a recording is made; they end up in its section
// header and in its interfaces.
type Options struct {
	Program  string // "dnatrace 1.0"
	OS       string // "Linux 6.18.3"
	Hardware string // "x86_64"
	Snap     uint32 // bytes kept of a frame at most; 0 means all

	// Small has records that nothing comes between compressed together, where being
	// readable in other tools is worth less than size.
	Small bool
	// Note is asked about every packet, by the frame number that its batch
	// gives it. Nil adds nothing.
	Note func(frame uint64, p *capture.Packet) Note
	// Describe says more about a point, for the description of its interface.
	// Nil does not.
	Describe func(p capture.Point) string
}

// Note is what is said of a packet beside its bytes.
type Note struct {
	ID       uint64   // the same for one packet at all points (epb_packetid); 0 none
	Comments []string // a line or more each (opt_comment)
}

// Writer writes a recording. It is not safe for concurrent use. An error is
// sticky: nothing is written after it, and every later call returns it.
type Writer struct {
	w        io.Writer
	buf      []byte
	snap     uint32
	points   int // interfaces written so far; the next one's Point.ID
	head     int // end of the section header and its interfaces in buf; -1 when packets or a flush have passed it
	packets  uint64
	passed   int64 // bytes handed to w
	names    names
	note     func(uint64, *capture.Packet) Note
	more     func(capture.Point) string
	small    bool
	bundle   bundle
	ethernet bool   // a point of it was written
	wrapped  []bool // by Point.ID: raw IP, written with an Ethernet header
	framed   []byte // a packet of such a point
	err      error
}

// NewWriter starts a recording on w. Nothing reaches w before the first flush.
func NewWriter(w io.Writer, o Options) *Writer {
	wr := &Writer{w: w, buf: make([]byte, 0, flushAt+64<<10), snap: o.Snap, note: o.Note, more: o.Describe, small: o.Small}
	if wr.snap == 0 || wr.snap > maxFrame {
		wr.snap = maxFrame
	}
	wr.buf = appendBlock(wr.buf, blockSection, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint32(b, byteOrderMagic)
		b = append(b, 1, 0, 0, 0)                        // version 1.0
		b = binary.LittleEndian.AppendUint64(b, 1<<64-1) // section length: unknown
		b = appendOption(b, optHardware, o.Hardware)
		b = appendOption(b, optOS, o.OS)
		b = appendOption(b, optProgram, o.Program)
		return appendOption(b, optComment, mark+strconv.Itoa(Format))
	})
	wr.head = len(wr.buf)
	return wr
}

// Write adds a batch: its packets, or its records. A KindPoint record adds the
// interface of that point, whose ID must be the next one; a packet of a point
// that was not added is an error.
func (w *Writer) Write(b *capture.Batch) error {
	for i := range b.Packets {
		w.packet(b.First+uint64(i), &b.Packets[i], b.Arena)
	}
	for _, r := range b.Records {
		w.record(r)
	}
	return w.err
}

// Packets is the number of packets written.
func (w *Writer) Packets() uint64 { return w.packets }

// Flush hands everything written so far to the underlying writer. It does not
// make a disk keep it.
func (w *Writer) Flush() error {
	w.unbundle()
	return w.flush()
}

func (w *Writer) flush() error {
	if w.err != nil || len(w.buf) == 0 {
		return w.err
	}
	if _, err := w.w.Write(w.buf); err != nil {
		return w.fail(fmt.Errorf("write recording: %w", err))
	}
	w.passed += int64(len(w.buf))
	w.buf, w.head = w.buf[:0], -1
	return nil
}

// Size is the number of bytes written, those that wait for a flush included.
func (w *Writer) Size() int64 { return w.passed + int64(len(w.buf)) }

// Close flushes. It neither writes an end, which is a KindEnd record, nor closes
// the underlying writer.
func (w *Writer) Close() error { return w.Flush() }

func (w *Writer) fail(err error) error {
	if w.err == nil {
		w.err = err
	}
	return w.err
}

// packet appends an enhanced packet block (pcapng §4.3).
func (w *Writer) packet(frame uint64, p *capture.Packet, arena []byte) {
	if w.err != nil {
		return
	}
	if int(p.Point) >= w.points {
		w.fail(fmt.Errorf("write packet: point %d was not announced", p.Point))
		return
	}
	if int64(p.Off)+int64(p.Len) > int64(len(arena)) {
		w.fail(fmt.Errorf("write packet: bytes %d to %d of an arena of %d", p.Off, int64(p.Off)+int64(p.Len), len(arena)))
		return
	}
	w.unbundle()
	w.packets++
	w.head = -1
	data := arena[p.Off : p.Off+p.Len]
	var extra []byte
	if w.note != nil {
		extra = w.note(frame, p).options()
	}
	if w.wrapped[p.Point] {
		data = w.wrap(data)
		w.enhanced(p, data[:min(uint32(len(data)), w.snap)], p.Orig+etherHeader, extra)
	} else {
		w.enhanced(p, data[:min(p.Len, w.snap)], p.Orig, extra)
	}
	w.drain()
}

// enhanced appends the block; extra are options, padded, without an end.
func (w *Writer) enhanced(p *capture.Packet, data []byte, orig uint32, extra []byte) {
	n := len(data)
	size := uint32(minEnhanced + pad4(n) + len(extra))
	if p.Dir != capture.DirUnknown {
		size += 8
	}
	if p.Dir != capture.DirUnknown || len(extra) > 0 {
		size += 4
	}
	t := uint64(max(p.Time, 0))
	var h [28]byte
	binary.LittleEndian.PutUint32(h[0:], blockEnhanced)
	binary.LittleEndian.PutUint32(h[4:], size)
	binary.LittleEndian.PutUint32(h[8:], uint32(p.Point))
	binary.LittleEndian.PutUint32(h[12:], uint32(t>>32))
	binary.LittleEndian.PutUint32(h[16:], uint32(t))
	binary.LittleEndian.PutUint32(h[20:], uint32(n))
	binary.LittleEndian.PutUint32(h[24:], max(orig, uint32(n)))
	b := append(append(w.buf, h[:]...), data...)
	b = append(b, "\x00\x00\x00"[:pad4(n)-n]...)
	switch p.Dir {
	case capture.DirIn:
		b = append(b, optFlags, 0, 4, 0, flagIn, 0, 0, 0)
	case capture.DirOut:
		b = append(b, optFlags, 0, 4, 0, flagOut, 0, 0, 0)
	case capture.DirUnknown:
	}
	b = append(b, extra...)
	if p.Dir != capture.DirUnknown || len(extra) > 0 {
		b = append(b, optEnd, 0, 0, 0)
	}
	w.buf = binary.LittleEndian.AppendUint32(b, size)
}

// drain keeps the buffer small.
func (w *Writer) drain() {
	if len(w.buf) >= flushAt {
		_ = w.flush() // the error is kept
	}
}

func (w *Writer) record(r capture.Record) {
	if w.err != nil {
		return
	}
	if w.small && w.bundle.takes(&r) {
		w.buf = appendNames(w.buf, w.names.learn(r))
		if w.bundle.add(r); len(w.bundle.data) >= mostBundled {
			w.unbundle()
		}
		return
	}
	if w.head < 0 || r.Kind == capture.KindEnd {
		w.unbundle() // points known from the start come before all that is gathered
	}
	point := r.Origin == capture.OriginPackets && r.Kind == capture.KindPoint
	if point {
		r.Data = w.link(r.Data)
	}
	b, err := appendRecord(appendNames(w.buf, w.names.learn(r)), r, largeData)
	if err != nil {
		w.fail(fmt.Errorf("write %s %s: %w", r.Origin, r.Kind, err))
		return
	}
	w.buf = b
	if point {
		w.point(r.Data)
	}
	w.drain()
}

// point adds the interface of a point. Those known from the start go before all
// records: editcap and others take the link type of a file from what follows the
// section header. One that has an interface already was announced again because
// more is known about it.
func (w *Writer) point(data []byte) {
	var p capture.Point
	if err := json.Unmarshal(data, &p); err != nil {
		w.fail(fmt.Errorf("write point: %w", err))
		return
	}
	if int(p.ID) < w.points {
		return
	}
	if int(p.ID) > w.points {
		w.fail(fmt.Errorf("write point %s: its number is %d, the next is %d", p.Name, p.ID, w.points))
		return
	}
	w.points++
	if w.head < 0 {
		w.buf = w.describe(w.buf, p)
		return
	}
	block := w.describe(nil, p)
	w.buf = slices.Insert(w.buf, w.head, block...)
	w.head += len(block)
}

// describe appends an interface description (pcapng §4.2).
func (w *Writer) describe(b []byte, p capture.Point) []byte {
	return appendBlock(b, blockInterface, func(b []byte) []byte {
		b = binary.LittleEndian.AppendUint16(b, p.Link)
		b = append(b, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, w.snap)
		b = appendOption(b, optName, p.Name)
		text := describePoint(p)
		if w.more != nil {
			text = strings.TrimSuffix(text+", "+oneLine(w.more(p)), ", ")
		}
		b = appendOption(b, optDescription, text)
		if mac, err := net.ParseMAC(p.MAC); err == nil && len(mac) == 6 {
			b = appendOption(b, optMAC, string(mac))
		}
		return appendOption(b, optResolution, "\x09")
	})
}

// appendBlock appends a block whose body ends in options, if it has any: the
// end of options is added here.
func appendBlock(b []byte, typ uint32, body func([]byte) []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint32(b, typ)
	b = body(append(b, 0, 0, 0, 0))
	if typ != blockJournal {
		b = append(b, optEnd, 0, 0, 0)
	}
	b = append(b, "\x00\x00\x00"[:-(len(b)-at)&3]...)
	size := uint32(len(b) - at + 4)
	binary.LittleEndian.PutUint32(b[at+4:], size)
	return binary.LittleEndian.AppendUint32(b, size)
}

// appendOption appends an option, padded; an empty one is left out.
func appendOption(b []byte, code uint16, value string) []byte {
	if value == "" {
		return b
	}
	value = value[:min(len(value), 1<<15)]
	b = binary.LittleEndian.AppendUint16(b, code)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, "\x00\x00\x00"[:-len(value)&3]...)
}
