package decode

import (
	"encoding/binary"
	"fmt"
)

// Attributes of a tuple (enum ctattr_tuple, ctattr_ip, ctattr_l4proto).
const (
	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaIPv4Src = 1
	ctaIPv4Dst = 2
	ctaIPv6Src = 3
	ctaIPv6Dst = 4

	ctaProtoNum      = 1
	ctaProtoSrcPort  = 2
	ctaProtoDstPort  = 3
	ctaProtoICMPID   = 4
	ctaProtoICMPv6ID = 7
)

// attributeType takes NLA_F_NESTED and NLA_F_NET_BYTEORDER off an attribute's
// type.
const attributeType = 0x3fff

// attributes calls f for every netlink attribute in b (struct nlattr), until it
// returns an error.
func (m message) attributes(b []byte, f func(kind uint16, v []byte) error) error {
	for len(b) >= 4 {
		size := int(m.order.Uint16(b[0:2]))
		kind := m.order.Uint16(b[2:4]) & attributeType
		if size < 4 || size > len(b) {
			return fmt.Errorf("attribute %d of %d bytes: %w", kind, size, errCut)
		}
		if err := f(kind, b[4:size]); err != nil {
			return err
		}
		b = b[min(int(aligned(uint64(size))), len(b)):]
	}
	return nil
}

// tuple reads a CTA_TUPLE_ORIG or CTA_TUPLE_REPLY.
func (m message) tuple(b []byte) (t Tuple, err error) {
	err = m.attributes(b, func(kind uint16, v []byte) error {
		switch kind {
		case ctaTupleIP:
			return m.addresses(v, &t)
		case ctaTupleProto:
			return m.protocol(v, &t)
		}
		return nil
	})
	return t, err
}

func (m message) addresses(b []byte, t *Tuple) error {
	return m.attributes(b, func(kind uint16, v []byte) (err error) {
		switch kind {
		case ctaIPv4Src:
			t.Src, err = ip4(v)
		case ctaIPv4Dst:
			t.Dst, err = ip4(v)
		case ctaIPv6Src:
			t.Src, err = ip6(v)
		case ctaIPv6Dst:
			t.Dst, err = ip6(v)
		}
		return err
	})
}

func (m message) protocol(b []byte, t *Tuple) error {
	return m.attributes(b, func(kind uint16, v []byte) (err error) {
		switch kind {
		case ctaProtoNum:
			var n uint8
			n, err = u8(v)
			t.Proto = Proto(n)
		case ctaProtoSrcPort:
			t.SrcPort, err = be16(v)
		case ctaProtoDstPort:
			t.DstPort, err = be16(v)
		case ctaProtoICMPID, ctaProtoICMPv6ID:
			t.SrcPort, err = be16(v)
			t.DstPort = t.SrcPort
		}
		return err
	})
}

func u8(v []byte) (uint8, error) {
	if err := sized(v, 1); err != nil {
		return 0, err
	}
	return v[0], nil
}

func be16(v []byte) (uint16, error) {
	if err := sized(v, 2); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint16(v), nil
}

func be32(v []byte) (uint32, error) {
	if err := sized(v, 4); err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(v), nil
}

func be64(v []byte) (int64, error) {
	if err := sized(v, 8); err != nil {
		return 0, err
	}
	return int64(binary.BigEndian.Uint64(v)), nil
}

func ip4(v []byte) (ip IP, err error) {
	if err := sized(v, 4); err != nil {
		return IP{}, err
	}
	setIPv4(&ip, v)
	return ip, nil
}

func ip6(v []byte) (IP, error) {
	if err := sized(v, 16); err != nil {
		return IP{}, err
	}
	return IP(v), nil
}

func sized(v []byte, n int) error {
	if len(v) != n {
		return fmt.Errorf("attribute value of %d bytes instead of %d: %w", len(v), n, errCut)
	}
	return nil
}
