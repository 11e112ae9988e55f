package decode_test

import (
	"encoding/binary"
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/decode"
)

// blob composes a table of ip_tables: FORWARD with one rule that drops what comes
// by eth*, goes to 172.17.0.0/16 and is TCP, a policy of accept, and the end.
func blob(order binary.ByteOrder) []byte {
	const entry, standard = 112, 40
	b := make([]byte, 84+40)
	copy(b, "filter")
	order.PutUint32(b[32:], 1<<2)                  // valid_hooks
	order.PutUint32(b[32+4+4*2:], 0)               // hook_entry
	order.PutUint32(b[32+24+4*2:], entry+standard) // underflow
	order.PutUint32(b[76:], 3)                     // num_entries
	order.PutUint32(b[80:], 3*(entry+standard)+24) // size
	rule := func(verdict int32, packets uint64) []byte {
		e := make([]byte, entry+standard)
		order.PutUint16(e[88:], entry)
		order.PutUint16(e[90:], entry+standard)
		order.PutUint64(e[96:], packets)
		order.PutUint64(e[104:], 60*packets)
		order.PutUint16(e[entry:], standard)
		order.PutUint32(e[entry+32:], uint32(verdict))
		return e
	}
	drop := rule(-1, 7)
	copy(drop[4:], []byte{172, 17, 0, 0})
	copy(drop[12:], []byte{255, 255, 0, 0})
	copy(drop[16:], "eth")
	copy(drop[48:], []byte{255, 255, 255})
	order.PutUint16(drop[80:], 6)
	end := make([]byte, entry+standard+24)
	order.PutUint16(end[88:], entry)
	order.PutUint16(end[90:], uint16(len(end)))
	order.PutUint16(end[entry:], standard+24)
	copy(end[entry+2:], "ERROR")
	copy(end[entry+32:], "ERROR")
	return append(append(append(b, drop...), rule(-2, 3)...), end...)
}

func TestATableOfIptablesLegacyIsReadOnMachinesOfEitherByteOrder(t *testing.T) {
	for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
		r, err := decode.ParseLegacy(blob(order), decode.FamilyIPv4)
		if err != nil {
			t.Fatal(err)
		}
		chains := []decode.Chain{{Family: decode.FamilyIPv4, Table: "filter", Name: "FORWARD", Legacy: true, Base: true, Type: "filter", Hook: decode.HookForward, Counter: &decode.Counter{Packets: 3, Bytes: 180}}}
		if d := cmp.Diff(chains, r.Chains); d != "" {
			t.Errorf("%s (-want +got):\n%s", order, d)
		}
		mask := []byte{255, 255, 0, 0}
		rules := []decode.Rule{{Family: decode.FamilyIPv4, Table: "filter", Chain: "FORWARD", Legacy: true, Exprs: []decode.Expr{
			decode.PayloadExpr{Base: decode.BaseNetwork, Offset: 16, Len: 4, Reg: 1},
			decode.BitwiseExpr{From: 1, To: 1, Len: 4, Mask: mask, XOR: make([]byte, 4)},
			decode.CmpExpr{Reg: 1, Value: []byte{172, 17, 0, 0}},
			decode.MetaExpr{Key: decode.MetaIIFName, Reg: 1},
			decode.CmpExpr{Reg: 1, Value: []byte("eth")},
			decode.MetaExpr{Key: decode.MetaL4Proto, Reg: 1},
			decode.CmpExpr{Reg: 1, Value: []byte{6}},
			decode.CounterExpr{Counter: decode.Counter{Packets: 7, Bytes: 420}},
			decode.ImmediateExpr{Data: decode.Data{Verdict: &decode.Verdict{Code: decode.VerdictDrop}}},
		}}}
		if d := cmp.Diff(rules, r.Rules); d != "" {
			t.Errorf("%s (-want +got):\n%s", order, d)
		}
	}
}

func TestACutTableGivesWhatIsAheadOfTheCut(t *testing.T) {
	whole := blob(binary.LittleEndian)
	for n := range whole {
		r, err := decode.ParseLegacy(whole[:n], decode.FamilyIPv4)
		if n > 124 && n < 124+152 && err == nil || r == nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		if len(r.Rules) > 0 && n < 124+152 {
			t.Fatalf("cut at %d: a rule that is not whole: %+v", n, r.Rules)
		}
	}
	if _, err := decode.ParseLegacy(nil, decode.FamilyIPv4); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty table: %v", err)
	}
}

func FuzzLegacy(f *testing.F) {
	f.Add(blob(binary.LittleEndian), false)
	f.Add(blob(binary.BigEndian), true)
	f.Fuzz(func(t *testing.T, data []byte, ip6 bool) {
		family := decode.FamilyIPv4
		if ip6 {
			family = decode.FamilyIPv6
		}
		r, _ := decode.ParseLegacy(data, family)
		for _, rule := range r.Rules {
			if rule.Chain == "" || rule.Table != r.Tables[0].Name {
				t.Fatalf("a rule outside its chain: %+v", rule)
			}
		}
	})
}
