package bpf

import (
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/drops"
)

// FuzzMessage is what the process that holds the program says, and what the kernel's
// buffer holds: a drop or words, never a panic.
func FuzzMessage(f *testing.F) {
	f.Add([]byte(`{"drop":{"time":1,"reason":"NETFILTER_DROP","packet":"RQAAFA=="}}`))
	f.Add([]byte(`{"lost":18446744073709551615}`))
	f.Add([]byte(`{"drop":{"inode":-1}}`))
	event := make([]byte, eventSize)
	event[eventHeader] = 0x45
	f.Add(event)
	event[eventHeader] = 0x60
	f.Add(event)
	f.Fuzz(func(t *testing.T, b []byte) {
		l := &listener{names: func(uint64) string { return capture.HostNetns }}
		l.take(b)
		if len(l.batch.Records) > 2 {
			t.Errorf("%d records of a message", len(l.batch.Records))
		}
		s := &station{reasons: map[uint32]string{2: "NOT_SPECIFIED"}}
		var d *drops.Drop
		if d = s.drop(b); d != nil && (len(d.Packet) == 0 || len(d.Packet) > eventData) {
			t.Errorf("a packet of %d bytes", len(d.Packet))
		}
	})
}
