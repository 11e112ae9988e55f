package decode_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/decode"
)

// nftDump is what the kernel told of:
//
//	table ip filter { chain FORWARD { type filter hook forward priority filter; policy drop;
//	    iifname "eth0" tcp dport 80 counter drop comment "closed" } }
//	table inet web { set ports { type inet_service; flags interval; elements = { 80-82 } } }
func nftDump(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "nftables.bin"))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestADumpOfRulesIsReadWhole(t *testing.T) {
	r, err := decode.ParseNFTables(nftDump(t))
	if err != nil {
		t.Fatal(err)
	}
	want := &decode.Rules{
		Tables: []decode.Table{
			{Family: decode.FamilyIPv4, Name: "filter", Handle: 1},
			{Family: decode.FamilyInet, Name: "web", Handle: 2},
		},
		Chains: []decode.Chain{{
			Family: decode.FamilyIPv4, Table: "filter", Name: "FORWARD", Handle: 1,
			Base: true, Type: "filter", Hook: decode.HookForward, Drop: true,
		}},
		Rules: []decode.Rule{{
			Family: decode.FamilyIPv4, Table: "filter", Chain: "FORWARD", Handle: 2, Comment: "closed",
			Exprs: []decode.Expr{
				decode.MetaExpr{Key: decode.MetaIIFName, Reg: 1},
				decode.CmpExpr{Reg: 1, Value: []byte("eth0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")},
				decode.MetaExpr{Key: decode.MetaL4Proto, Reg: 1},
				decode.CmpExpr{Reg: 1, Value: []byte{6}},
				decode.PayloadExpr{Base: decode.BaseTransport, Offset: 2, Len: 2, Reg: 1},
				decode.CmpExpr{Reg: 1, Value: []byte{0, 80}},
				decode.CounterExpr{},
				decode.ImmediateExpr{Data: decode.Data{Verdict: &decode.Verdict{Code: decode.VerdictDrop}}},
			},
		}},
		Sets: []decode.NamedSet{{
			Family: decode.FamilyInet, Table: "web", Name: "ports", Handle: 1, Flags: decode.SetInterval, KeyType: 13, KeyLen: 2,
			Elements: []decode.Element{{Key: []byte{0, 83}, End: true}, {Key: []byte{0, 80}}, {Key: []byte{0, 0}, End: true}},
		}},
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestACutDumpKeepsWhatWasWhole(t *testing.T) {
	data := nftDump(t)
	whole, _ := decode.ParseNFTables(data)
	for n := range data {
		r, err := decode.ParseNFTables(data[:n])
		if len(r.Rules) > len(whole.Rules) || len(r.Tables) > len(whole.Tables) {
			t.Fatalf("cut at %d: more than there was", n)
		}
		if err == nil && len(r.Rules) == len(whole.Rules) && len(r.Sets) > 0 && !r.Sets[0].Absent && len(r.Sets[0].Elements) != len(whole.Sets[0].Elements) {
			t.Fatalf("cut at %d: half a set and no error", n)
		}
	}
}

func FuzzParseNFTables(f *testing.F) {
	f.Add(nftDump(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		if r, _ := decode.ParseNFTables(data); r == nil {
			t.Fatal("no rules, not even none")
		}
	})
}
