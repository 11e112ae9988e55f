package decode_test

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/decode"
)

// Messages of Linux 6.18, as received: connections from a host to itself, port
// 8080 translated to 8081.
const (
	newTranslated = "d0000000000100060000000000000000020000003400018014000180080001007f000001080002007f0000011c000280050001000600000006000200b5a60000060003001f9000003400028014000180080001007f000001080002007f0000011c0002800500010006000000060002001f91000006000300b5a6000008000c0062ca1b9908000300000001a80800070000000078300004802c0001800500010001000000050002000a0000000500030000000000060004000300000006000500000000000c001b0018ea5a3c4d533de5"
	synAckSeen    = "d0000000000100000000000000000000020000003400018014000180080001007f000001080002007f0000011c000280050001000600000006000200b5a60000060003001f9000003400028014000180080001007f000001080002007f0000011c0002800500010006000000060002001f91000006000300b5a6000008000c0062ca1b9908000300000001aa080007000000003c300004802c0001800500010002000000050002000a000000050003000a000000060004000300000006000500230000000c001b0018ea5a3c4d561011"
	refused       = "cc000000020100000000000000000000020000003400018014000180080001007f000001080002007f0000011c000280050001000600000006000200afba000006000300000900003400028014000180080001007f000001080002007f0000011c0002800500010006000000060002000009000006000300afba000008000c0095d0a677080003000000038808000700000000781c0014800c00010018ea5a3c4d58487e0c00020018ea5a3c4d58925a100004800c00018005000100080000000c001b0018ea5a3c4d5892b4"
	newUDP6       = "d00000000001000600000000000000000a0000004c0001802c000180140003000000000000000000000000000000000114000400000000000000000000000000000000011c000280050001001100000006000200a4f40000060003001f9000004c0002802c000180140003000000000000000000000000000000000114000400000000000000000000000000000000011c0002800500010011000000060002001f91000006000300a4f4000008000c000452507b08000300000001a8080007000000001e0c001b0018ea5a3c4d691913"
	newPing       = "b0000000000100060000000000000000020000003c00018014000180080001007f000001080002007f00000124000280050001000100000006000400004d0000050005000800000005000600000000003c00028014000180080001007f000001080002007f00000124000280050001000100000006000400004d00000500050000000000050006000000000008000c00ef7da4bd0800030000000188080007000000001e0c001b0018ea5a3c4d759c99"
	newPing6      = "e00000000001000600000000000000000a000000540001802c0001801400030000000000000000000000000000000001140004000000000000000000000000000000000124000280050001003a00000006000700004e000005000800800000000500090000000000540002802c0001801400030000000000000000000000000000000001140004000000000000000000000000000000000124000280050001003a00000006000700004e00000500080081000000050009000000000008000c00c9f5a4d10800030000000188080007000000001e0c001b0018ea5a3c4d779f8c"
	dumpDone      = "14000000030002000000000000000000" + "00000000"
)

var messages = []string{newTranslated, synAckSeen, refused, newUDP6, newPing, newPing6, dumpDone}

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func conntrackRecord(kind string, data []byte) capture.Record {
	return capture.Record{Time: 42, Origin: capture.OriginConntrack, Kind: kind, Netns: "host", Data: data}
}

var (
	home4 = netip.MustParseAddr("127.0.0.1")
	home6 = netip.MustParseAddr("::1")
)

func translated() decode.Conntrack {
	return decode.Conntrack{
		Time: 0x18ea5a3c4d533de5, Netns: "host", Change: decode.ConntrackNew, ID: 0x62ca1b99,
		Orig:   tuple(home4, home4, 46502, 8080, decode.TCP),
		Reply:  tuple(home4, home4, 8081, 46502, decode.TCP),
		Status: 0x180 | decode.StatusDstNAT | decode.StatusConfirmed, State: decode.StateSynSent,
	}
}

func TestAConntrackEvent(t *testing.T) {
	rows := []struct {
		name, message string
		want          decode.Conntrack
	}{
		{"of a translated SYN has both tuples", newTranslated, translated()},
		{"of its answer is an update", synAckSeen, func() decode.Conntrack {
			c := translated()
			c.Time, c.Change, c.State = 0x18ea5a3c4d561011, decode.ConntrackUpdated, decode.StateSynRecv
			c.Status |= decode.StatusSeenReply
			return c
		}()},
		{"of a refused connection tells when it began and ended", refused, decode.Conntrack{
			Time: 0x18ea5a3c4d5892b4, Started: 0x18ea5a3c4d58487e, Netns: "host", Change: decode.ConntrackDestroyed, ID: 0x95d0a677,
			Orig:   tuple(home4, home4, 44986, 9, decode.TCP),
			Reply:  tuple(home4, home4, 9, 44986, decode.TCP),
			Status: 0x380 | decode.StatusConfirmed, State: decode.StateClose,
		}},
		{"of an IPv6 datagram", newUDP6, decode.Conntrack{
			Time: 0x18ea5a3c4d691913, Netns: "host", Change: decode.ConntrackNew, ID: 0x0452507b,
			Orig:   tuple(home6, home6, 42228, 8080, decode.UDP),
			Reply:  tuple(home6, home6, 8081, 42228, decode.UDP),
			Status: 0x180 | decode.StatusDstNAT | decode.StatusConfirmed,
		}},
		{"of a ping has its identifier at both ends", newPing, decode.Conntrack{
			Time: 0x18ea5a3c4d759c99, Netns: "host", Change: decode.ConntrackNew, ID: 0xef7da4bd,
			Orig:   tuple(home4, home4, 77, 77, decode.ICMP),
			Reply:  tuple(home4, home4, 77, 77, decode.ICMP),
			Status: 0x180 | decode.StatusConfirmed,
		}},
		{"of an IPv6 ping too", newPing6, decode.Conntrack{
			Time: 0x18ea5a3c4d779f8c, Netns: "host", Change: decode.ConntrackNew, ID: 0xc9f5a4d1,
			Orig:   tuple(home6, home6, 78, 78, decode.ICMPv6),
			Reply:  tuple(home6, home6, 78, 78, decode.ICMPv6),
			Status: 0x180 | decode.StatusConfirmed,
		}},
	}
	for _, r := range rows {
		t.Run(r.name, func(t *testing.T) {
			for order, b := range map[string][]byte{"little": unhex(r.message), "big": bigEndian(unhex(r.message))} {
				events, err := decode.Control(conntrackRecord(capture.KindEvent, b))
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff([]decode.Event{&r.want}, events); diff != "" {
					t.Errorf("%s-endian: want (-), got (+):\n%s", order, diff)
				}
			}
		})
	}
}

// bigEndian rewrites a message as a big-endian machine receives it.
func bigEndian(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b[0:4])
	slices.Reverse(b[4:6])
	slices.Reverse(b[6:8])
	swapAttributes(b[20:])
	return b
}

func swapAttributes(b []byte) {
	for len(b) >= 4 {
		size, kind := binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])
		slices.Reverse(b[0:2])
		slices.Reverse(b[2:4])
		if kind&0x8000 != 0 {
			swapAttributes(b[4:size])
		}
		b = b[min((int(size)+3)&^3, len(b)):]
	}
}

func TestADumpListsManyEntriesAtTheTimeOfTheDump(t *testing.T) {
	events, err := decode.Control(conntrackRecord(capture.KindDump, unhex(strings.Join(messages, ""))))
	if err != nil {
		t.Fatal(err)
	}
	if len(events) != 6 {
		t.Fatalf("%d entries, want 6", len(events))
	}
	for _, e := range events {
		if c := e.(*decode.Conntrack); c.Change != decode.ConntrackListed {
			t.Errorf("%v is %v, want listed", c.Orig, c.Change)
		}
	}
}

func TestABadEntryDoesNotTakeTheDumpWithIt(t *testing.T) {
	bad := unhex(newPing)
	bad[28] = 9 // length of the source address's attribute
	data := slices.Concat(unhex(newTranslated), bad, unhex(newPing6))
	events, err := decode.Control(conntrackRecord(capture.KindDump, data))
	if err == nil || !strings.Contains(err.Error(), "at byte 208: attribute value of 5 bytes instead of 4") {
		t.Errorf("error %v does not say what is bad", err)
	}
	if len(events) != 2 {
		t.Errorf("%d entries, want the two good ones", len(events))
	}
}

func TestACutMessageIsAnError(t *testing.T) {
	for _, m := range messages {
		whole := unhex(m)
		for n := 1; n < len(whole); n++ {
			if events, err := decode.Control(conntrackRecord(capture.KindEvent, whole[:n])); err == nil || len(events) > 0 {
				t.Errorf("%d of %d bytes gave %d events and error %v", n, len(whole), len(events), err)
			}
		}
	}
}
