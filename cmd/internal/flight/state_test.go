package flight

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/recording"
)

func pointAt(t *testing.T, at int64, p capture.Point) capture.Record {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	return capture.Record{Time: at, Origin: capture.OriginPackets, Kind: capture.KindPoint, Netns: p.Netns, Data: data}
}

// TestAFileBeginsWithThePointsInTheirOrder: a busy machine may bring the news of an
// interface before that of one that was found earlier.
func TestAFileBeginsWithThePointsInTheirOrder(t *testing.T) {
	var s state
	s.take([]capture.Record{
		{Time: 1, Origin: capture.OriginMeta, Kind: capture.KindStart, Data: []byte(`{"format":1}`)},
		pointAt(t, 3_000_000, capture.Point{ID: 0, Name: "eth0", Netns: capture.HostNetns, Link: 1}),
		pointAt(t, 9_000_000, capture.Point{ID: 1, Name: "veth1", Netns: capture.HostNetns, Link: 1}),
		pointAt(t, 5_000_000, capture.Point{ID: 2, Name: "web:eth0", Netns: "web", Link: 1}),
	})
	var file bytes.Buffer
	p, err := newPart(&file, recording.Options{}, &s, 20_000_000)
	if err == nil {
		err = p.w.Flush()
	}
	if err != nil {
		t.Fatalf("begin a file: %v", err)
	}
}

// TestWhatIsGoneIsForgotten: containers come and go, and what is repeated at the
// head of a file does not grow with them.
func TestWhatIsGoneIsForgotten(t *testing.T) {
	var s state
	s.take([]capture.Record{pointAt(t, 1, capture.Point{ID: 0, Name: "eth0", Netns: capture.HostNetns, Link: 1})})
	at := int64(1e9)
	for n := range 1000 {
		name := fmt.Sprintf("guest%d", n)
		p := capture.Point{ID: uint16(n + 1), Name: name + ":eth0", Netns: name, Link: 1}
		s.take([]capture.Record{
			pointAt(t, at, p),
			{Time: at, Origin: capture.OriginHost, Kind: capture.KindSample, Netns: name, Data: []byte(`{}`)},
		})
		at += int64(5e9)
		p.Gone = at
		s.take([]capture.Record{pointAt(t, at, p)})
	}
	records, numbers := s.head(at + 2*late)
	if len(records) != 1 || len(s.samples) != 0 {
		t.Errorf("the head has %d records, and %d samples are kept; want the point of the host alone", len(records), len(s.samples))
	}
	if numbers[0] != 0 || numbers[1] != gone {
		t.Errorf("points are numbered %v", numbers[:2])
	}
}
