package decode

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTargetsThatTurnAPacketAreReadFromTheirStructs(t *testing.T) {
	for _, c := range []struct {
		name string
		rev  uint32
		raw  []byte
		want XTInfo
	}{
		{"CT", 0, []byte{1, 0, 0, 0}, XTCT{Notrack: true}},
		{"CT", 1, []byte{3, 0, 0, 0}, XTCT{Notrack: true, Alias: true}}, // -j NOTRACK
		{"CT", 2, []byte{0, 0, 5, 0}, XTCT{Zone: "--zone 5"}},
		{"CT", 2, []byte{1 << 2, 0, 0, 1}, XTCT{Zone: "--zone-orig 256"}},
		{"CT", 2, []byte{1 << 3, 0, 0, 0}, XTCT{Zone: "--zone-reply 0"}},
		{"CT", 2, []byte{1 << 4, 0, 0, 0}, XTCT{Zone: "--zone mark"}},
		{"CT", 2, []byte{0, 0, 0, 0}, XTCT{}},
		{"TTL", 0, []byte{0, 64}, XTTTL{Mode: XTTTLSet, Value: 64}},
		{"HL", 0, []byte{2, 1}, XTTTL{Mode: XTTTLDec, Value: 1}},
		{"TTL", 0, []byte{0}, nil},
	} {
		got := extensionInfo(targetReaders, c.name, c.rev, c.raw, binary.LittleEndian, FamilyIPv4)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s % x:\n%s", c.name, c.raw, d)
		}
	}
}
