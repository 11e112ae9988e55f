package recording

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/klauspost/compress/gzip"

	"dnatrace/capture"
)

const (
	// largeData is from where on data is compressed: below, being readable in
	// Wireshark is worth more.
	largeData = 16 << 10
	// maxPart is how much data one entry holds: Wireshark refuses journal
	// blocks of more than 256 KiB.
	maxPart = 192 << 10
)

// appendRecord appends r as one journal block, or several if it is large; from
// so many bytes on it is compressed.
func appendRecord(b []byte, r capture.Record, large int) ([]byte, error) {
	if len(r.Data) > maxRecord {
		return b, fmt.Errorf("%d bytes are more than the %d that can be read back", len(r.Data), maxRecord)
	}
	field, data, err := pack(r.Data, large)
	if err != nil {
		return b, err
	}
	text := message(r)
	parts := max(1, (len(data)+maxPart-1)/maxPart)
	for i := range parts {
		piece := data[i*maxPart : min((i+1)*maxPart, len(data))]
		b = appendBlock(b, blockJournal, func(b []byte) []byte {
			return appendEntry(b, r, text, i+1, parts, field, piece)
		})
	}
	return b, nil
}

// pack encodes data in one line of text and names the field that tells how.
func pack(data []byte, large int) (field string, text []byte, err error) {
	switch {
	case len(data) == 0:
		return "", nil, nil
	case len(data) < large && json.Valid(data) && !bytes.ContainsAny(data, "\n\x00"):
		return fieldJSON, data, nil
	case len(data) < large:
		return fieldBase64, base64.StdEncoding.AppendEncode(nil, data), nil
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, level(large))
	if err != nil {
		return "", nil, fmt.Errorf("compress record: %w", err)
	}
	if _, err := z.Write(data); err != nil {
		return "", nil, fmt.Errorf("compress record: %w", err)
	}
	if err := z.Close(); err != nil {
		return "", nil, fmt.Errorf("compress record: %w", err)
	}
	return fieldGzip, base64.StdEncoding.AppendEncode(nil, packed.Bytes()), nil
}

// level is how hard to compress: what is compressed whatever its size is to be small.
func level(large int) int {
	if large == 0 {
		return gzip.BestCompression
	}
	return gzip.DefaultCompression
}

func appendEntry(b []byte, r capture.Record, text string, part, parts int, field string, data []byte) []byte {
	b = appendField(b, fieldStamp, strconv.FormatInt(max(r.Time, 0)/1000, 10))
	b = appendField(b, "SYSLOG_IDENTIFIER", "dnatrace")
	b = appendField(b, fieldMessage, text)
	b = appendField(b, fieldTime, strconv.FormatInt(r.Time, 10))
	b = appendField(b, fieldOrigin, r.Origin)
	b = appendField(b, fieldKind, r.Kind)
	if r.Netns != "" {
		b = appendField(b, fieldNetns, r.Netns)
	}
	if parts > 1 {
		b = appendField(b, fieldPart, fmt.Sprintf("%d/%d", part, parts))
	}
	if field != "" {
		b = append(append(b, field...), '=')
		b = append(append(b, data...), '\n')
	}
	return append(b, '\n')
}

// appendField appends a field as a line, or with its length if it would not be
// one.
func appendField(b []byte, name, value string) []byte {
	b = append(b, name...)
	if plain(value) {
		return append(append(append(b, '='), value...), '\n')
	}
	b = binary.LittleEndian.AppendUint64(append(b, '\n'), uint64(len(value)))
	return append(append(b, value...), '\n')
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' {
			return false
		}
	}
	return true
}
