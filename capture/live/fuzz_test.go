package live

import (
	"bytes"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
)

// FuzzNumbering has sources announce points as they like: those of the stream are
// dense, and every packet is of one.
func FuzzNumbering(f *testing.F) {
	f.Add([]byte("{\"id\":7}\n{\"id\":0}\n{\"id\":7,\"name\":\"eth0\"}"), []byte{7, 0, 3})
	f.Add([]byte("{\"id\":-1}\n[]\n{\"id\":65535}"), []byte{1})
	f.Fuzz(func(t *testing.T, points, packets []byte) {
		var n numbering
		var b capture.Batch
		for _, p := range bytes.Split(points, []byte("\n")) {
			b.Records = append(b.Records, capture.Record{Origin: capture.OriginPackets, Kind: capture.KindPoint, Data: p})
		}
		for _, p := range packets {
			b.Packets = append(b.Packets, capture.Packet{Point: uint16(p)})
		}
		n.renumber(&b)
		for _, p := range b.Packets {
			if n.disorder && int(p.Point) >= max(len(n.dense), 1) {
				t.Errorf("a packet of point %d, of %d", p.Point, len(n.dense))
			}
		}
		w := &watch{snapshots: make(chan *engine.Snapshot, 1)}
		for i := range b.Records {
			b.Records[i].Kind = capture.KindSnapshot
		}
		w.hear(b.Records)
	})
}
