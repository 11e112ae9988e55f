package live

import (
	"encoding/json"
	"testing"

	"dnatrace/capture"
)

func announced(id uint16, name string) capture.Record {
	return record(1, capture.OriginPackets, capture.KindPoint, "", capture.Point{ID: id, Name: name})
}

func pointOf(t *testing.T, r capture.Record) capture.Point {
	t.Helper()
	var p capture.Point
	if err := json.Unmarshal(r.Data, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPointsAreNumberedInTheOrderTheyAreAnnounced(t *testing.T) {
	var n numbering
	first := capture.Batch{Records: []capture.Record{announced(0, "eth0"), announced(2, "web:eth0")}}
	n.renumber(&first)
	second := capture.Batch{Records: []capture.Record{announced(1, "docker0")}}
	n.renumber(&second)
	packets := capture.Batch{Packets: []capture.Packet{{Point: 0}, {Point: 1}, {Point: 2}}}
	n.renumber(&packets)

	for i, want := range []struct {
		record capture.Record
		name   string
	}{{first.Records[0], "eth0"}, {first.Records[1], "web:eth0"}, {second.Records[0], "docker0"}} {
		if p := pointOf(t, want.record); p.ID != uint16(i) || p.Name != want.name {
			t.Errorf("announcement %d is point %d, %s; want %d, %s", i, p.ID, p.Name, i, want.name)
		}
	}
	if p := packets.Packets; p[0].Point != 0 || p[1].Point != 2 || p[2].Point != 1 {
		t.Errorf("packets of eth0, docker0 and web:eth0 are at %d, %d, %d; want 0, 2, 1", p[0].Point, p[1].Point, p[2].Point)
	}
}

func TestAPointThatIsGoneKeepsItsNumber(t *testing.T) {
	var n numbering
	gone := func(id uint16, name string) capture.Record {
		return record(2, capture.OriginPackets, capture.KindPoint, "", capture.Point{ID: id, Name: name, Gone: 2})
	}
	b := capture.Batch{Records: []capture.Record{announced(0, "eth0"), announced(2, "web:eth0"), gone(2, "web:eth0"), announced(1, "docker0"), gone(1, "docker0")}}
	n.renumber(&b)
	for i, want := range []uint16{0, 1, 1, 2, 2} {
		if p := pointOf(t, b.Records[i]); p.ID != want {
			t.Errorf("announcement %d, %s, is point %d; want %d", i, p.Name, p.ID, want)
		}
	}
}
