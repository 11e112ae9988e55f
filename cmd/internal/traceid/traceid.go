// Package traceid names a request alike on all hosts that see it, without their
// talking to each other: a trace id is computed from what no router changes, keyed by
// a secret that the hosts share. docs/TRACEID.md says what that is, which requests get
// ids that differ all the same, and how often two get the same one.
//
// It opens nothing and reads no clock, and must not import any package of ours.
package traceid

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"net/netip"
	"time"
)

// ID is a trace id as W3C Trace Context and OpenTelemetry have it: 16 bytes, not all
// of them zero. The zero value is none.
type ID [16]byte

// String is the id in 32 hexadecimal digits; "" for none.
func (d ID) String() string {
	if d == (ID{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// Shortest is how many bytes a secret has at least.
const Shortest = 16

// Key makes ids. It is not safe for concurrent use.
type Key struct {
	mac   hash.Hash // HMAC-SHA-256, RFC 2104
	input []byte    // used again
	sum   [sha256.Size]byte
}

// New makes a Key of a secret: the same bytes on every host.
func New(secret []byte) (*Key, error) {
	if len(secret) < Shortest {
		return nil, errors.New("make key for trace ids: the secret has less than 16 bytes")
	}
	return &Key{mac: hmac.New(sha256.New, secret)}, nil
}

// Kinds of input, so that none of one kind is one of another.
const (
	kindCheck = iota + 1
	kindStamped
	kindUnstamped
	kindDatagram
)

// Check tells keys apart and nothing else: hosts that show another one have another
// secret, and name the same requests otherwise.
func (k *Key) Check() string {
	d := k.id([]byte{kindCheck})
	return hex.EncodeToString(d[:4])
}

// Connection is the first SYN of one that a host saw.
type Connection struct {
	ISN     uint32    // initial sequence number of the client, host byte order
	Stamp   uint32    // its time stamp (RFC 7323, TSval)
	Stamped bool      // whether it has one
	Client  uint16    // the client's port; used only without a time stamp
	At      time.Time // when it was seen; likewise
}

// Connection is the id of a TCP connection. Without a time stamp the time it was seen
// takes its place: near the edge of a bucket of time another host may be on the other
// side, and also is the id it has then; else it is none.
func (k *Key) Connection(c Connection) (id, also ID) {
	if c.Stamped {
		b := append(k.input[:0], kindStamped)
		b = binary.BigEndian.AppendUint32(b, c.ISN)
		b = binary.BigEndian.AppendUint32(b, c.Stamp)
		return k.id(b), ID{}
	}
	return k.bucketed(c.At, func(bucket int64) ID {
		b := append(k.input[:0], kindUnstamped)
		b = binary.BigEndian.AppendUint32(b, c.ISN)
		b = binary.BigEndian.AppendUint16(b, c.Client)
		return k.id(binary.BigEndian.AppendUint64(b, uint64(bucket)))
	})
}

// Datagram is the first of an exchange.
type Datagram struct {
	Protocol uint8          // IP protocol number
	Client   netip.AddrPort // the outer end of the client, as the packet has it; port 0 of ICMP
	Payload  []byte         // as much of it as every host keeps: the first bytes
	At       time.Time      // when it was seen
}

// digested is how much of a payload counts: hosts cut packets at lengths of their own.
const digested = 64

// Datagram is the id of an exchange of datagrams, and as for Connection the one it may
// have elsewhere.
func (k *Key) Datagram(d Datagram) (id, also ID) {
	return k.bucketed(d.At, func(bucket int64) ID {
		b := append(k.input[:0], kindDatagram, d.Protocol)
		addr := d.Client.Addr().Unmap().As16()
		b = append(b, addr[:]...)
		b = binary.BigEndian.AppendUint16(b, d.Client.Port())
		b = binary.BigEndian.AppendUint64(b, uint64(bucket))
		return k.id(append(b, d.Payload[:min(len(d.Payload), digested)]...))
	})
}

// A bucket of time, and how much the clocks of two hosts may differ, with the way from
// one to the other.
const (
	Bucket = 16 * time.Second
	Skew   = 2 * time.Second
)

// bucketed names what was seen at a time, and names it once more where that is near to
// another bucket.
func (k *Key) bucketed(at time.Time, name func(bucket int64) ID) (id, also ID) {
	ns := at.UnixNano()
	bucket := floor(ns)
	id = name(bucket)
	for _, other := range []int64{floor(ns - int64(Skew)), floor(ns + int64(Skew))} {
		if other != bucket {
			also = name(other)
		}
	}
	return id, also
}

func floor(ns int64) int64 {
	b := ns / int64(Bucket)
	if ns%int64(Bucket) < 0 {
		b--
	}
	return b
}

// id is what an input is named: the first half of its HMAC.
func (k *Key) id(input []byte) (d ID) {
	k.input = input
	k.mac.Reset()
	k.mac.Write(input)
	copy(d[:], k.mac.Sum(k.sum[:0]))
	if d == (ID{}) { // once in 2^128
		d[15] = 1
	}
	return d
}
