package decode_test

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/decode"
)

// Messages of Linux 6.18, as received: a SYN to port 8080, translated to
// 172.17.0.2:80 and dropped in FORWARD by a rule of DOCKER-USER.
const (
	traceMarked     = "c0000000110a000000000000000000000100000008000f000000000208000400000000030800060064722996090002006d61726b000000001c000100646e6174726163655f74726163655f6239366466333863000c000300000000000000001e0c00050008000100ffffffff08000a000000000306000b0000010000180008004500002800070000400625fdc6336464c633640118000900c3be1f90000003e8000000005002000073df000012000700020444003f4f0e5ce13b639208000000"
	traceChainEnd   = "60000000110a000000000000000000000100000008000f000000000208000400000000030800060064722996090002006d61726b000000001c000100646e6174726163655f74726163655f6239366466333863000c00050008000100ffffffff"
	tracePolicy     = "60000000110a000000000000000000000100000008000f0000000002080004000000000108000600647229960f000200707265726f7574696e6700001c000100646e6174726163655f74726163655f6239366466333863000800100000000001"
	traceTranslated = "d0000000110a000000000000000000000200000008000f0000000002080004000000000308000600647229960f000200505245524f5554494e470000080001006e6174000c00030000000000000000020c000500080001000000000108000a000000000306000b0000010000180008004500002800070000400625fdc6336464c633640118000900c3be1f90000003e8000000005002000073df000012000700020444003f4f0e5ce13b6392080000000800150000000008050013000000000008001200842679460800140000000120"
	traceJump       = "f0000000110a000000000000000000000200000008000f0000000002080004000000000308000600647229960c000200464f5257415244000b00010066696c74657200000c00030000000000000000051c00050008000100fffffffd10000200444f434b45522d555345520008000a000000000306000b000001000008000c000000000506000d00000100001800080045000028000700003f06a51ec6336464ac11000218000900c3be0050000003e800000000500200001141000012000700020444003f4f0e5ce13b6392080000000800150000000008050013000000000008001200842679460800140000000120"
	traceDropped    = "60000000110a000000000000000000000200000008000f00000000020800040000000003080006006472299610000200444f434b45522d55534552000b00010066696c74657200000c00030000000000000000040c0005000800010000000000"
)

var traceMessages = []string{traceMarked, traceChainEnd, tracePolicy, traceTranslated, traceJump, traceDropped}

func traceRecord(data []byte) capture.Record {
	return capture.Record{Time: 42, Origin: capture.OriginRuleTrace, Kind: capture.KindEvent, Netns: "host", Data: data}
}

// traced is what every message above has in common.
func traced(family decode.Family, table, chain string) decode.TraceStep {
	return decode.TraceStep{Time: 42, Netns: "host", ID: 0x64722996, Family: family, Network: decode.FamilyIPv4, Table: table, Chain: chain, Type: decode.TraceRule}
}

// tracedSYN is the packet, sent to an address and port.
func tracedSYN(to string, ttl uint8) decode.Packet {
	dst := netip.MustParseAddrPort(to)
	return decode.Packet{
		Tuple: tuple(netip.MustParseAddr("198.51.100.100"), dst.Addr(), 50110, dst.Port(), decode.TCP),
		Seq:   1000, Flags: decode.SYN, IPID: 7, TTL: ttl, Kind: decode.Segment,
		SrcMAC: [6]byte{0x0e, 0x5c, 0xe1, 0x3b, 0x63, 0x92},
		DstMAC: [6]byte{0x02, 0x04, 0x44, 0x00, 0x3f, 0x4f},
	}
}

func storyOfADrop() []decode.Event {
	marked := traced(decode.FamilyInet, "dnatrace_trace_b96df38c", "mark")
	marked.Verdict.Code = decode.VerdictContinue
	end := marked
	marked.Handle, marked.IIF, marked.Packet = 30, 3, tracedSYN("198.51.100.1:8080", 64)
	policy := traced(decode.FamilyInet, "dnatrace_trace_b96df38c", "prerouting")
	policy.Type, policy.Verdict.Code = decode.TracePolicy, decode.VerdictAccept
	dnat := traced(decode.FamilyIPv4, "nat", "PREROUTING")
	dnat.Handle, dnat.Verdict.Code, dnat.IIF, dnat.Packet = 2, decode.VerdictAccept, 3, tracedSYN("198.51.100.1:8080", 64)
	dnat.Conntrack, dnat.CTID, dnat.CTState, dnat.CTStatus = true, 0x84267946, 8, 0x100|decode.StatusDstNAT
	jump := dnat
	jump.Table, jump.Chain, jump.Handle = "filter", "FORWARD", 5
	jump.Verdict = decode.Verdict{Code: decode.VerdictJump, Chain: "DOCKER-USER"}
	jump.OIF, jump.Packet = 5, tracedSYN("172.17.0.2:80", 63)
	drop := traced(decode.FamilyIPv4, "filter", "DOCKER-USER")
	drop.Handle, drop.Verdict.Code = 4, decode.VerdictDrop
	return []decode.Event{&marked, &end, &policy, &dnat, &jump, &drop}
}

func TestATraceTellsTheWayOfAPacketThroughTheRules(t *testing.T) {
	var little, big []byte
	for _, m := range traceMessages {
		little = append(little, unhex(m)...)
		// The kernel leaves out the flag that says an attribute is nested.
		big = append(big, bigEndian(unhex(strings.NewReplacer("0c000500", "0c000580", "1c000500", "1c000580").Replace(m)))...)
	}
	for order, data := range map[string][]byte{"little": little, "big": big} {
		got, err := decode.Control(traceRecord(data))
		if err != nil {
			t.Fatalf("%s-endian: %v", order, err)
		}
		if diff := cmp.Diff(storyOfADrop(), got); diff != "" {
			t.Errorf("%s-endian: want (-), got (+):\n%s", order, diff)
		}
	}
}

func TestABadStepDoesNotTakeTheTraceWithIt(t *testing.T) {
	bad := bytes.Replace(unhex(traceDropped), []byte("filter"), []byte("\x00ilter"), 1)
	data := slices.Concat(unhex(traceMarked), bad, unhex(traceJump))
	events, err := decode.Control(traceRecord(data))
	if err == nil || !strings.Contains(err.Error(), "at byte 192: trace step without table and chain") {
		t.Errorf("error %v does not say what is bad", err)
	}
	if len(events) != 2 {
		t.Errorf("%d steps, want the two good ones", len(events))
	}
}

func TestACutTraceIsAnError(t *testing.T) {
	for _, m := range traceMessages {
		whole := unhex(m)
		for n := 1; n < len(whole); n++ {
			if events, err := decode.Control(traceRecord(whole[:n])); err == nil || len(events) > 0 {
				t.Errorf("%d of %d bytes gave %d events and error %v", n, len(whole), len(events), err)
			}
		}
	}
}

func FuzzRuleTrace(f *testing.F) {
	for _, m := range traceMessages {
		f.Add(unhex(m))
	}
	f.Add(unhex(strings.Join(traceMessages, "")))
	f.Fuzz(func(t *testing.T, data []byte) {
		events, err := decode.Control(traceRecord(data))
		if errors.Is(err, decode.ErrUnknown) {
			t.Errorf("a known record is called unknown: %v", err)
		}
		for _, e := range events {
			if s := e.(*decode.TraceStep); s.Table == "" || s.Chain == "" {
				t.Errorf("a step nowhere: %+v", s)
			}
		}
	})
}
