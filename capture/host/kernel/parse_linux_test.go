package kernel

import (
	"encoding/hex"
	"testing"

	"dnatrace/capture/host"
)

func FuzzSocket(f *testing.F) {
	f.Add(make([]byte, diagMsgSize), "tcp")
	listener := make([]byte, diagMsgSize+8)
	listener[0], listener[offLocalPort] = 10, 31
	copy(listener[diagMsgSize:], "\x05\x00\x0b\x00\x01\x00\x00\x00") // INET_DIAG_SKV6ONLY
	f.Add(listener, "tcp")
	f.Fuzz(func(t *testing.T, b []byte, proto string) {
		if s, ok := parseSocket(b, proto); ok && (!s.Local.IsValid() || s.Local.Port() == 0) {
			t.Errorf("a socket bound to nothing: %+v", s)
		}
	})
}

func FuzzRule(f *testing.F) {
	b, err := hex.DecodeString("02000000fe000001" + "00000000" + "08000f00fe000000" + "08000600fe7f0000")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := parseRule(b); err == nil && r.Family != 4 && r.Family != 6 {
			t.Errorf("a rule of no family: %+v", r)
		}
	})
}

func FuzzBridgePort(f *testing.F) {
	f.Add([]byte("\x07\x00\x01\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + "\x0c\x00\x0c\x80" + "\x05\x00\x04\x00\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		link := host.Link{Index: 2}
		setBridgePort(map[int]*host.Link{2: &link}, b)
		if (link != host.Link{Index: 2, Hairpin: link.Hairpin, Isolated: link.Isolated}) {
			t.Errorf("more than port settings changed: %+v", link)
		}
	})
}
