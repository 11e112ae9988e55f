package recording

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"dnatrace/capture"
)

// Fields of a journal entry of ours. Exactly one of the last three holds the
// data; a record too large for one entry is split over several, in order.
const (
	fieldStamp   = "__REALTIME_TIMESTAMP" // Unix µs, for other readers
	fieldMessage = "MESSAGE"              // for people
	fieldTime    = "DNATRACE_TIME"        // Unix ns
	fieldOrigin  = "DNATRACE_ORIGIN"
	fieldKind    = "DNATRACE_KIND"
	fieldNetns   = "DNATRACE_NETNS"  // left out if empty
	fieldPart    = "DNATRACE_PART"   // "2/3"; left out if there is one
	fieldJSON    = "DNATRACE_DATA"   // JSON on one line
	fieldBase64  = "DNATRACE_BASE64" // any bytes, RFC 4648 §4
	fieldGzip    = "DNATRACE_GZIP"   // the same of the gzipped bytes
)

var errNotOurs = errors.New("not an entry of dnatrace")

// entry is one parsed journal entry of ours.
type entry struct {
	record      capture.Record // without Data
	part, parts int
	field       string // which of the data fields, "" for no data
	data        []byte // of that field, still encoded
	rules       []byte // of a ruleset in a bundle
}

// parseEntry reads one entry in the Journal Export Format
// (systemd.io/JOURNAL_EXPORT_FORMATS). It returns errNotOurs for one without
// our fields. What it returns is in b.
func parseEntry(b []byte) (entry, error) {
	e, _, err := cutEntry(b)
	return e, err
}

// cutEntry is parseEntry for the first of several entries, and what follows it; nil
// if it does not end.
func cutEntry(b []byte) (e entry, rest []byte, err error) {
	e = entry{part: 1, parts: 1}
	ours := false
	for len(b) > 0 && b[0] != 0 && b[0] != '\n' {
		name, value, rest, err := cutField(b)
		if err != nil {
			return entry{}, nil, err
		}
		b = rest
		if !strings.HasPrefix(name, "DNATRACE_") {
			continue
		}
		ours = true
		if err := e.set(name, value); err != nil {
			return entry{}, nil, err
		}
	}
	if !ours || e.record.Kind == "" {
		return entry{}, nil, errNotOurs
	}
	if len(b) == 0 {
		return e, nil, nil
	}
	return e, b[1:], nil
}

// cutField takes one field off b: NAME=value, or NAME, a length and the bytes.
func cutField(b []byte) (name string, value, rest []byte, err error) {
	line, rest, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return "", nil, nil, errors.New("journal entry ends within a field")
	}
	if k, v, ok := bytes.Cut(line, []byte{'='}); ok {
		return string(k[:min(len(k), 64)]), v, rest, nil
	}
	if len(rest) < 8 {
		return "", nil, nil, errors.New("journal entry ends within a length")
	}
	n := binary.LittleEndian.Uint64(rest)
	rest = rest[8:]
	if n >= uint64(len(rest)) {
		return "", nil, nil, errors.New("journal field is longer than its entry")
	}
	return string(line[:min(len(line), 64)]), rest[:n], rest[n+1:], nil
}

func (e *entry) set(name string, value []byte) (err error) {
	switch name {
	case fieldTime:
		e.record.Time, err = strconv.ParseInt(string(value), 10, 64)
	case fieldOrigin:
		e.record.Origin = string(value)
	case fieldKind:
		e.record.Kind = string(value)
	case fieldNetns:
		e.record.Netns = string(value)
	case fieldPart:
		_, err = fmt.Sscanf(string(value), "%d/%d", &e.part, &e.parts)
		if err == nil && (e.part < 1 || e.part > e.parts) {
			err = fmt.Errorf("part %d of %d", e.part, e.parts)
		}
	case fieldRules:
		e.rules = value
	case fieldJSON, fieldBase64, fieldGzip, fieldRaw:
		e.field, e.data = name, value
	}
	if err != nil {
		return fmt.Errorf("read journal field %s: %w", name, err)
	}
	return nil
}

// unpack decodes the data of a whole record. The result is a copy.
func unpack(field string, data []byte) ([]byte, error) {
	switch field {
	case "":
		return nil, nil
	case fieldJSON, fieldRaw:
		return bytes.Clone(data), nil
	}
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(data)))
	n, err := base64.StdEncoding.Decode(raw, data)
	if err != nil {
		return nil, fmt.Errorf("read journal field %s: %w", field, err)
	}
	if field == fieldBase64 {
		return raw[:n], nil
	}
	return gunzip(raw[:n])
}

func gunzip(b []byte) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("unpack record: %w", err)
	}
	out, err := io.ReadAll(io.LimitReader(z, maxRecord+1))
	if err != nil {
		return nil, fmt.Errorf("unpack record: %w", err)
	}
	if len(out) > maxRecord {
		return nil, fmt.Errorf("unpack record: more than %d bytes", maxRecord)
	}
	return out, nil
}

// partial gathers a record that is split over several entries.
type partial struct {
	entry
	have int
}

// add takes the next entry in, and reports whether the record is whole. An
// entry that does not continue what is there starts anew; what was there is
// lost, which is reported.
func (p *partial) add(e entry) (whole, lost bool) {
	if e.part != p.have+1 || p.have > 0 && (e.parts != p.parts || e.field != p.field || e.record.Kind != p.record.Kind) ||
		len(p.data)+len(e.data) > maxRecord {
		lost = p.have > 0 || e.part != 1
		*p = partial{}
		if e.part != 1 {
			return false, true
		}
	}
	if p.have == 0 {
		p.entry = e
		p.data = nil
	}
	p.have = e.part
	if e.parts == 1 {
		p.data = e.data // in the window: unpack copies
	} else {
		p.data = append(p.data, e.data...)
	}
	return p.have == p.parts, lost
}

// journal reads a systemd journal export block (pcapng §4.7). An entry of
// someone else is passed over.
func (n *ng) journal(s *stream, b []byte) bool {
	if len(s.pkts) > 0 || len(s.recs) >= capture.BatchSize || s.bytes >= maxRecords {
		return false
	}
	e, err := parseEntry(b[8 : len(b)-4])
	if errors.Is(err, errNotOurs) {
		s.info.Skipped++
		return true
	}
	if err != nil {
		s.malformed(s.win.offset())
		return true
	}
	whole, lost := n.part.add(e)
	if lost {
		s.malformed(s.win.offset())
	}
	if !whole {
		return true
	}
	r := n.part.record
	r.Data, err = unpack(n.part.field, n.part.data)
	n.part = partial{}
	records := []capture.Record{r}
	if err == nil && r.Origin == capture.OriginMeta && r.Kind == kindBundle {
		records, err = unpacked(r.Data)
	}
	for i := range records {
		if err == nil {
			err = n.own(s, &records[i])
		}
		if err == nil {
			s.record(records[i])
		}
	}
	if err != nil {
		s.malformed(s.win.offset())
	}
	return true
}

// own renumbers what a record says about points and rings, which are numbered
// per file there and over all files here, and notes start and end.
func (n *ng) own(s *stream, r *capture.Record) error {
	switch {
	case r.Origin == capture.OriginMeta && r.Kind == capture.KindStart:
		n.started, n.ended = true, false
	case r.Origin == capture.OriginMeta && r.Kind == capture.KindEnd:
		n.ended = true
	case r.Origin == capture.OriginPackets && r.Kind == capture.KindPoint:
		return n.ownPoint(s, r)
	case r.Origin == capture.OriginPackets && r.Kind == capture.KindLoss:
		var l capture.Loss
		if err := json.Unmarshal(r.Data, &l); err != nil {
			return err
		}
		if ring := n.ring(s, l.Ring); ring != l.Ring {
			l.Ring = ring
			r.Data, _ = json.Marshal(l)
		}
	}
	return nil
}

func (n *ng) ownPoint(s *stream, r *capture.Record) error {
	var p capture.Point
	if err := json.Unmarshal(r.Data, &p); err != nil {
		return err
	}
	was := p
	p.Ring = n.ring(s, p.Ring)
	if id, ok := n.announced[p.ID]; ok {
		p.ID = id
	} else {
		added, err := s.points.Add(p)
		if err != nil {
			n.broken = err
			return nil
		}
		n.announced[was.ID] = added.ID
		p = added
	}
	if int(was.ID) < len(n.ifaces) { // re-saved by a tool that writes interfaces first
		if f := &n.ifaces[was.ID]; !f.known {
			f.point.ID, f.known = p.ID, true
		}
	}
	if p != was {
		r.Data, _ = json.Marshal(p)
	}
	return nil
}

// ring is this stream's number of the ring that the file calls local.
func (n *ng) ring(s *stream, local uint16) uint16 {
	ring, ok := n.rings[local]
	if !ok {
		ring = s.points.NewRing()
		n.rings[local] = ring
	}
	return ring
}
