package decode

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// nla makes one attribute.
func nla(order binary.ByteOrder, kind uint16, v ...byte) []byte {
	b := make([]byte, 4, 8+len(v))
	order.PutUint16(b, uint16(4+len(v)))
	order.PutUint16(b[2:], kind)
	b = append(b, v...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// ipsetMessage makes one message of ipset.
func ipsetMessage(order binary.ByteOrder, kind byte, attrs ...[]byte) []byte {
	b := make([]byte, 20)
	b[16] = 2
	for _, a := range attrs {
		b = append(b, a...)
	}
	order.PutUint32(b, uint32(len(b)))
	order.PutUint16(b[4:], 6<<8|uint16(kind))
	return b
}

const nested, inNetworkOrder = 0x8000, 0x4000

func join(parts ...[]byte) (b []byte) {
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

// oneSet is a set of hash:net,port with two entries in two messages.
func oneSet(o binary.ByteOrder) []byte {
	ip := func(kind uint16, a ...byte) []byte {
		return nla(o, kind|nested, nla(o, 1|inNetworkOrder, a...)...)
	}
	name := nla(o, 2, []byte("blocked\x00")...)
	number := func(n uint32) []byte {
		b := make([]byte, 4)
		o.PutUint32(b, n)
		return b
	}
	return join(
		ipsetMessage(o, 7, nla(o, 1, 7), name, nla(o, 3, []byte("hash:net,port\x00")...), nla(o, 5, 2), nla(o, 4, 8),
			nla(o, 11|inNetworkOrder, 0, 3),
			nla(o, 7|nested, join(nla(o, 6|inNetworkOrder, 0, 0, 1, 0), nla(o, 24|inNetworkOrder, 0, 0, 0, 2))...),
			nla(o, 8|nested, nla(o, 7|nested, join(ip(1, 203, 0, 113, 0), nla(o, 3, 24), nla(o, 4|inNetworkOrder, 0, 80), nla(o, 7, 6),
				nla(o, 6|inNetworkOrder, 0, 0, 0, 99), nla(o, 26, []byte("scanners\x00")...))...)...)),
		ipsetMessage(o, 7, nla(o, 1, 7), name,
			nla(o, 8|nested, nla(o, 7|nested, join(ip(1, 203, 0, 113, 7), nla(o, 4|inNetworkOrder, 0, 80), nla(o, 7, 6),
				nla(o, 8, number(1<<2)...))...)...)))
}

func TestASetOfIPSetIsReadInEitherByteOrder(t *testing.T) {
	want := []IPSet{{
		Name: "blocked", Index: 3, Indexed: true, Type: "hash:net,port", Revision: 8, Family: FamilyIPv4, Timeouts: true, Count: 2,
		Entries: []IPSetEntry{
			{Addr: netip.MustParsePrefix("203.0.113.0/24"), Proto: TCP, Port: 80, Timeout: 99, Comment: "scanners"},
			{Addr: netip.MustParsePrefix("203.0.113.7/32"), Proto: TCP, Port: 80, NoMatch: true},
		},
	}}
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		got, err := ParseIPSets(oneSet(order))
		if d := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" || err != nil {
			t.Errorf("%s: %v:\n%s", order, err, d)
		}
	}
}

func TestASetWhoseEntriesDidNotComeIsNotEmpty(t *testing.T) {
	o := binary.LittleEndian
	name, kind := nla(o, 2, []byte("big\x00")...), nla(o, 3, []byte("hash:ip\x00")...)
	whole := oneSet(o)
	for _, c := range []struct {
		name   string
		data   []byte
		absent bool
		index  uint16
	}{
		{"the header alone was kept", ipsetMessage(o, 7, name, kind, nla(o, 7|nested, nla(o, 24|inNetworkOrder, 0, 1, 0, 1)...)), true, 0},
		{"there are none", ipsetMessage(o, 7, name, kind, nla(o, 8|nested)), false, 0},
		{"its number came by itself", join(ipsetMessage(o, 7, name, kind, nla(o, 8|nested)), ipsetMessage(o, 14, name, nla(o, 11|inNetworkOrder, 0, 9))), false, 9},
		{"the recording ends within it", whole[:len(whole)-8], true, 3},
		{"an entry is a range", ipsetMessage(o, 7, name, kind, nla(o, 8|nested, nla(o, 7|nested,
			join(nla(o, 1|nested, nla(o, 1|inNetworkOrder, 10, 0, 0, 1)...), nla(o, 2|nested, nla(o, 1|inNetworkOrder, 10, 0, 0, 9)...))...)...)), true, 0},
		{"an address has five bytes", ipsetMessage(o, 7, name, kind, nla(o, 8|nested, nla(o, 7|nested, nla(o, 1|nested, nla(o, 1, 10, 0, 0, 1, 2)...)...)...)), true, 0},
	} {
		got, _ := ParseIPSets(c.data)
		if len(got) != 1 || got[0].Absent != c.absent || got[0].Index != c.index {
			t.Errorf("%s: got %+v", c.name, got)
		}
	}
}

func FuzzIPSets(f *testing.F) {
	f.Add(oneSet(binary.LittleEndian))
	f.Add(oneSet(binary.BigEndian))
	f.Fuzz(func(t *testing.T, data []byte) {
		sets, err := ParseIPSets(data)
		for i := range sets {
			if sets[i].Name == "" {
				t.Errorf("a set without a name, %v", err)
			}
			for _, e := range sets[i].Entries {
				if e.Addr.IsValid() && e.Addr != e.Addr.Masked() {
					t.Errorf("%s has bits behind its prefix", e.Addr)
				}
			}
		}
	})
}
