package recording

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"dnatrace/capture"
	"dnatrace/capture/rules"
)

// kindBundle is a record that several are packed into, one journal entry after the
// other: what repeats itself from one to the next takes no room. Readers hand out
// what is in it, and never the bundle.
const kindBundle = "bundle"

// Fields in bundles: data as it is, and of a ruleset the rules by themselves, which
// base64 would keep from being packed well.
const (
	fieldRaw   = "DNATRACE_RAW"
	fieldRules = "DNATRACE_RULES"
)

// mostBundled is how many bytes of records are gathered for a bundle.
const mostBundled = 4 << 20

// bundle gathers records that nothing comes between.
type bundle struct {
	data  []byte
	first capture.Record
	count int
}

// takes reports whether a record may be put into a bundle: not what tells of the
// recording and its interfaces.
func (*bundle) takes(r *capture.Record) bool {
	switch r.Kind {
	case capture.KindStart, capture.KindEnd, capture.KindPoint, capture.KindRedacted, capture.KindDamage, capture.KindLoss:
		return false
	}
	return true
}

func (b *bundle) add(r capture.Record) {
	if b.count == 0 {
		b.first = r
	}
	b.count++
	b.data = appendField(b.data, fieldTime, strconv.FormatInt(r.Time, 10))
	b.data = appendField(b.data, fieldOrigin, r.Origin)
	b.data = appendField(b.data, fieldKind, r.Kind)
	if r.Netns != "" {
		b.data = appendField(b.data, fieldNetns, r.Netns)
	}
	data, rules := parted(r)
	if rules != nil {
		b.field(fieldRules, rules)
	}
	b.field(fieldRaw, data)
	b.data = append(b.data, '\n')
}

// field adds one of any bytes.
func (b *bundle) field(name string, value []byte) {
	b.data = append(append(b.data, name...), '\n')
	b.data = binary.LittleEndian.AppendUint64(b.data, uint64(len(value)))
	b.data = append(append(b.data, value...), '\n')
}

// parted takes the rules out of a record of them; nil if they cannot be put back
// as they were.
func parted(r capture.Record) (data, content []byte) {
	if r.Kind != capture.KindRuleset {
		return r.Data, nil
	}
	var set rules.Ruleset
	if json.Unmarshal(r.Data, &set) != nil || len(set.Data) == 0 {
		return r.Data, nil
	}
	content, set.Data = set.Data, nil
	data, err := json.Marshal(set)
	if err != nil {
		return r.Data, nil
	}
	if again, err := joined(data, content); err != nil || !bytes.Equal(again, r.Data) {
		return r.Data, nil
	}
	return data, content
}

// joined is parted undone.
func joined(data, content []byte) ([]byte, error) {
	var set rules.Ruleset
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, fmt.Errorf("read ruleset: %w", err)
	}
	set.Data = content
	return json.Marshal(set)
}

// unbundle writes what was gathered.
func (w *Writer) unbundle() {
	b := w.bundle
	if b.count == 0 {
		return
	}
	w.bundle = bundle{data: b.data[:0]}
	r := capture.Record{Time: b.first.Time, Origin: capture.OriginMeta, Kind: kindBundle, Data: b.data}
	out, err := appendRecord(w.buf, r, 0)
	if err != nil {
		w.fail(fmt.Errorf("write %d records: %w", b.count, err))
		return
	}
	w.buf = out
	w.drain()
}

// unpacked are the records of a bundle.
func unpacked(data []byte) (records []capture.Record, err error) {
	for len(data) > 0 {
		e, rest, err := cutEntry(data)
		if err != nil {
			return records, fmt.Errorf("read bundle: %w", err)
		}
		if rest == nil {
			return records, errors.New("read bundle: it ends within an entry")
		}
		r := e.record
		if r.Data, err = unpack(e.field, e.data); err != nil {
			return records, fmt.Errorf("read bundle: %w", err)
		}
		if e.rules != nil {
			if r.Data, err = joined(r.Data, e.rules); err != nil {
				return records, fmt.Errorf("read bundle: %w", err)
			}
		}
		if r.Kind != kindBundle { // none is in another
			records = append(records, r)
		}
		data = rest
	}
	return records, nil
}
