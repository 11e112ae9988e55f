package recording

import (
	"bytes"
	"context"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
)

// walk reads a hostile file to its end and touches every byte it hands out.
func walk(t *testing.T, b []byte) {
	source, info, err := OpenReader(bytes.NewReader(b), "x")
	if err != nil {
		return
	}
	var packets uint64
	for batch, err := range source(context.Background()) {
		if err != nil {
			if packets > 0 {
				t.Fatalf("an error after %d packets, not damage: %v", packets, err)
			}
			return
		}
		packets += uint64(len(batch.Packets))
		for _, p := range batch.Packets {
			if p.Orig < p.Len {
				t.Fatalf("a packet of %d bytes, %d of them captured", p.Orig, p.Len)
			}
			_ = batch.Arena[p.Off : p.Off+p.Len]
		}
	}
	if info.Files[0].Packets != packets {
		t.Fatalf("%d packets handed out, %d counted", packets, info.Files[0].Packets)
	}
}

func FuzzPcapng(f *testing.F) {
	batches := incident()
	batches[2].Records[1].Data = nil
	f.Add(write(f, batches))
	for _, m := range []*maker{little(), big()} {
		f.Add(m.section().iface(1, "eth0", m.option(optResolution, []byte{0xa0})).packet(0, 1<<40, "x", m.option(optFlags, m.u32(2))).
			block(blockSimple, m.u32(6), []byte("simple")).block(blockStats, m.u32(0), m.u64(0), m.option(optIfDrop, m.u64(5))).b)
	}
	f.Fuzz(func(t *testing.T, b []byte) { walk(t, b) })
}

func FuzzPcap(f *testing.F) {
	f.Add(classicFile(binary.LittleEndian, magicMicro, 7, 0, "one", "two"))
	f.Add(classicFile(binary.BigEndian, magicNano, 7, 0, "one", "two"))
	f.Add(classicFile(binary.LittleEndian, magicModified, 7, 8, "one"))
	f.Fuzz(func(t *testing.T, b []byte) { walk(t, b) })
}

func FuzzJournalEntry(f *testing.F) {
	for _, b := range incident() {
		for _, r := range b.Records {
			f.Add(appendEntry(nil, r, message(r), 1, 1, fieldJSON, r.Data[:min(len(r.Data), 200)]))
		}
	}
	f.Add([]byte("DNATRACE_KIND\n\x01\x00\x00\x00\x00\x00\x00\x00x\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := parseEntry(b)
		if err != nil {
			return
		}
		data, err := unpack(e.field, e.data)
		if err != nil {
			return
		}
		r := e.record
		r.Data = data
		again, err := appendRecord(nil, r, largeData)
		if err != nil {
			t.Fatal(err)
		}
		got := reread(t, again)
		if d := cmp.Diff(r, got, cmp.Comparer(func(a, b []byte) bool { return string(a) == string(b) })); d != "" {
			t.Fatal(d)
		}
	})
}

// reread takes a record back out of its blocks.
func reread(t *testing.T, b []byte) capture.Record {
	var p partial
	for len(b) > 0 {
		size := int(binary.LittleEndian.Uint32(b[4:]))
		e, err := parseEntry(b[8 : size-4])
		if err != nil {
			t.Fatal(err)
		}
		if whole, lost := p.add(e); lost {
			t.Fatal("parts do not fit together")
		} else if whole {
			data, err := unpack(p.field, p.data)
			if err != nil {
				t.Fatal(err)
			}
			r := p.record
			r.Data = data
			return r
		}
		b = b[size:]
	}
	t.Fatal("the record is not whole")
	return capture.Record{}
}
