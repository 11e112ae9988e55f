package live

import (
	"encoding/json"

	"dnatrace/capture"
)

// numbering numbers points in the order in which the merged stream announces
// them. Rings number theirs as they find them, each on its own, and a recording
// wants them dense and in order.
type numbering struct {
	dense    map[uint16]uint16
	disorder bool // some number has changed
}

func (n *numbering) renumber(b *capture.Batch) {
	for i := range b.Records {
		if r := &b.Records[i]; r.Origin == capture.OriginPackets && r.Kind == capture.KindPoint {
			n.announce(r)
		}
	}
	if !n.disorder {
		return
	}
	for i := range b.Packets {
		b.Packets[i].Point = n.dense[b.Packets[i].Point]
	}
}

func (n *numbering) announce(r *capture.Record) {
	var p capture.Point
	if json.Unmarshal(r.Data, &p) != nil {
		return
	}
	if n.dense == nil {
		n.dense = map[uint16]uint16{}
	}
	id, again := n.dense[p.ID]
	if !again {
		id = uint16(len(n.dense))
		n.dense[p.ID] = id
	}
	if id == p.ID {
		return
	}
	n.disorder = true
	p.ID = id
	r.Data = record(0, "", "", "", p).Data
}
