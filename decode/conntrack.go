package decode

import (
	"encoding/binary"
	"errors"
	"fmt"

	"dnatrace/capture"
)

// Netlink messages of netfilter (linux/netlink.h,
// linux/netfilter/nfnetlink.h, nfnetlink_conntrack.h, nf_tables.h).
const (
	netlinkHeader = 16 // struct nlmsghdr
	nfgenHeader   = 4  // struct nfgenmsg

	conntrack       = 1 << 8 // NFNL_SUBSYS_CTNETLINK in the type's upper byte
	conntrackNew    = conntrack + 0
	conntrackDelete = conntrack + 2

	traceMessage = 10<<8 + 17 // NFNL_SUBSYS_NFTABLES, NFT_MSG_TRACE

	netlinkError = 2
	netlinkDone  = 3

	// Both flags mark an entry that did not exist; without them NEW is an update.
	created = 0x400 | 0x200 // NLM_F_CREATE | NLM_F_EXCL
)

// errCut says that a message ends before it should.
var errCut = errors.New("message is cut")

// conntrackRecord decodes the netlink messages of a conntrack record.
func conntrackRecord(r capture.Record) ([]Event, error) {
	if r.Kind == capture.KindText {
		return conntrackText(r)
	}
	if r.Kind != capture.KindEvent && r.Kind != capture.KindDump {
		return nil, unknown(r)
	}
	var events []Event
	var bad error // the first: one bad entry does not take the rest of a dump with it
	for b := r.Data; len(b) > 0; {
		at := len(r.Data) - len(b)
		m, rest, err := nextMessage(b)
		if err != nil {
			return events, fmt.Errorf("decode %s %s at byte %d: %w", r.Origin, r.Kind, at, err)
		}
		b = rest
		if m.kind != conntrackNew && m.kind != conntrackDelete {
			continue
		}
		c := &Conntrack{Time: r.Time, Netns: r.Netns, Change: m.change(r.Kind)}
		if err := c.read(m); err == nil {
			events = append(events, c)
		} else if bad == nil {
			bad = fmt.Errorf("decode %s %s at byte %d: %w", r.Origin, r.Kind, at, err)
		}
	}
	return events, bad
}

// message is one netlink message in the byte order of the machine it was
// received on.
type message struct {
	order  binary.ByteOrder
	kind   uint16
	flags  uint16
	family uint8  // nfgen_family; valid iff kind is one of netfilter's
	body   []byte // behind the headers
}

// nextMessage takes the first message off b.
func nextMessage(b []byte) (m message, rest []byte, err error) {
	if len(b) < netlinkHeader {
		return m, nil, errCut
	}
	m.order = orderOf(b)
	size := m.order.Uint32(b[0:4])
	m.kind = m.order.Uint16(b[4:6])
	m.flags = m.order.Uint16(b[6:8])
	if size < netlinkHeader || uint64(size) > uint64(len(b)) {
		return m, nil, fmt.Errorf("length %d: %w", size, errCut)
	}
	body := b[netlinkHeader:size]
	if m.kind > 0xff { // of a subsystem of netfilter
		if len(body) < nfgenHeader {
			return m, nil, fmt.Errorf("length %d: %w", size, errCut)
		}
		m.family, body = body[0], body[nfgenHeader:]
	}
	m.body = body
	return m, b[min(aligned(uint64(size)), uint64(len(b))):], nil
}

// orderOf finds out on what kind of machine b was received: a recording may be
// read on another one. The message type, of which only the subsystem's byte or
// a small number is set, tells.
func orderOf(b []byte) binary.ByteOrder {
	switch kind := binary.BigEndian.Uint16(b[4:6]); kind {
	case conntrackNew, conntrackDelete, traceMessage, netlinkError, netlinkDone:
		return binary.BigEndian
	}
	return binary.LittleEndian
}

func aligned(n uint64) uint64 { return (n + 3) &^ 3 }

func (m message) change(recordKind string) ConntrackChange {
	switch {
	case recordKind == capture.KindDump:
		return ConntrackListed
	case m.kind == conntrackDelete:
		return ConntrackDestroyed
	case m.flags&created == created:
		return ConntrackNew
	}
	return ConntrackUpdated
}

// Attributes of a conntrack message (enum ctattr_type). Their values are in
// network byte order.
const (
	ctaTupleOrig      = 1
	ctaTupleReply     = 2
	ctaStatus         = 3
	ctaProtoinfo      = 4
	ctaID             = 12
	ctaZone           = 18
	ctaTimestamp      = 20
	ctaTimestampEvent = 27

	ctaProtoinfoTCP      = 1 // in ctaProtoinfo
	ctaProtoinfoTCPState = 1 // in ctaProtoinfoTCP

	ctaTimestampStart = 1 // in ctaTimestamp
	ctaTimestampStop  = 2
)

// read fills c from the attributes of m. An entry without both tuples is an
// error: nothing could be joined to it.
func (c *Conntrack) read(m message) error {
	var at, stopped int64
	err := m.attributes(m.body, func(kind uint16, v []byte) (err error) {
		switch kind {
		case ctaTupleOrig:
			c.Orig, err = m.tuple(v)
		case ctaTupleReply:
			c.Reply, err = m.tuple(v)
		case ctaStatus:
			c.Status, err = be32(v)
		case ctaID:
			c.ID, err = be32(v)
		case ctaZone:
			c.Zone, err = be16(v)
		case ctaProtoinfo:
			c.State, err = m.tcpState(v)
		case ctaTimestamp:
			c.Started, stopped, err = m.timestamps(v)
		case ctaTimestampEvent:
			at, err = be64(v)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case c.Orig == Tuple{} || c.Reply == Tuple{}:
		return errors.New("entry without both tuples")
	}
	c.Time = c.stamp(at, stopped)
	return nil
}

// stamp returns when c changed: as the event says, else as the entry's own
// start and stop do, else the time of receipt.
func (c *Conntrack) stamp(at, stopped int64) int64 {
	switch {
	case at != 0:
		return at
	case c.Change == ConntrackNew && c.Started != 0:
		return c.Started
	case c.Change == ConntrackDestroyed && stopped != 0:
		return stopped
	}
	return c.Time
}

func (m message) tcpState(b []byte) (state uint8, err error) {
	err = m.attributes(b, func(kind uint16, v []byte) error {
		if kind != ctaProtoinfoTCP {
			return nil
		}
		return m.attributes(v, func(kind uint16, v []byte) (err error) {
			if kind == ctaProtoinfoTCPState {
				state, err = u8(v)
			}
			return err
		})
	})
	return state, err
}

func (m message) timestamps(b []byte) (start, stop int64, err error) {
	err = m.attributes(b, func(kind uint16, v []byte) (err error) {
		switch kind {
		case ctaTimestampStart:
			start, err = be64(v)
		case ctaTimestampStop:
			stop, err = be64(v)
		}
		return err
	})
	return start, stop, err
}
