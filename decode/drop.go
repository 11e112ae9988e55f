package decode

import (
	"encoding/json"
	"fmt"

	"dnatrace/capture"
	"dnatrace/capture/drops"
)

// Drop is one packet that the kernel threw away, with its reason.
type Drop struct {
	Time     int64  // Unix ns: when it was told, a little later
	At       int64  // Unix ns: when it was dropped
	Netns    string // "" unknown
	Link     int    // interface index; 0 for none
	Reason   string // without SKB_DROP_REASON_
	Location string // function that dropped it; "" unknown
	Quote           // whose packet it was: its tuple where it was dropped, after translation if that came first
}

func (*Drop) event() {}

// dropRecord decodes a record of OriginDrops. What is no IP packet that a
// request could be made of, or the copy of one, is no event, and no error.
func dropRecord(r capture.Record) ([]Event, error) {
	if r.Kind != capture.KindEvent {
		return nil, unknown(r)
	}
	var d drops.Drop
	if err := json.Unmarshal(r.Data, &d); err != nil {
		return nil, fmt.Errorf("decode drop: %w", err)
	}
	q, ok := quote(d.Packet)
	if !ok || drops.OfCopy(d.Reason, d.Location) {
		return nil, nil
	}
	return []Event{&Drop{Time: r.Time, At: d.Time, Netns: r.Netns, Link: d.Link, Reason: d.Reason, Location: d.Location, Quote: q}}, nil
}
