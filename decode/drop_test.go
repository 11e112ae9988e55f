package decode_test

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dnatrace/capture"
	"dnatrace/capture/drops"
	"dnatrace/decode"
)

func TestADropTellsWhosePacketItWas(t *testing.T) {
	syn := []byte{
		0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 198, 51, 100, 9, 172, 17, 0, 2,
		0xC3, 0xBE, 0, 80, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
	}
	tuple := decode.Tuple{Src: decode.IPFrom(netip.MustParseAddr("198.51.100.9")), Dst: decode.IPFrom(netip.MustParseAddr("172.17.0.2")), SrcPort: 50110, DstPort: 80, Proto: decode.TCP}
	for _, row := range []struct {
		name   string
		packet []byte
		want   []decode.Event
	}{
		{"a SYN behind its translation", syn, []decode.Event{&decode.Drop{
			Time: 9, At: 5, Netns: "host", Link: 2, Reason: "NETFILTER_DROP", Location: "nft_do_chain",
			Quote: decode.Quote{Tuple: tuple, Seq: 7, HasSeq: true, Ports: true}}}},
		{"no packet of IP is nobody's", []byte{1, 2, 3}, nil},
		{"nothing at all is nobody's", nil, nil},
	} {
		data, err := json.Marshal(drops.Drop{Time: 5, Inode: 77, Link: 2, Reason: "NETFILTER_DROP", Location: "nft_do_chain", Packet: row.packet})
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode.Control(capture.Record{Time: 9, Origin: capture.OriginDrops, Kind: capture.KindEvent, Netns: "host", Data: data})
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		}
		if d := cmp.Diff(row.want, got, cmpopts.EquateComparable(netip.Addr{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", row.name, d)
		}
	}
}

// TestTheDropOfACopyIsNobodys: a capture that has no room for a packet says nothing
// about the packet.
func TestTheDropOfACopyIsNobodys(t *testing.T) {
	syn := []byte{
		0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 198, 51, 100, 9, 172, 17, 0, 2,
		0xC3, 0xBE, 0, 80, 0, 0, 0, 7, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
	}
	for _, row := range []struct {
		reason, location string
		events           int
	}{
		{"PACKET_SOCK_ERROR", "tpacket_rcv", 0},
		{"PACKET_SOCK_ERROR", "", 0},
		{"NOT_SPECIFIED", "tpacket_rcv", 0}, // kernels before 6.9
		{"NOT_SPECIFIED", "packet_rcv", 0},
		{"SOCKET_RCVBUFF", "raw_rcv_skb", 0},
		{"SOCKET_RCVBUFF", "__udp_queue_rcv_skb", 1},
		{"NOT_SPECIFIED", "nft_do_chain", 1},
	} {
		data, err := json.Marshal(drops.Drop{Time: 5, Reason: row.reason, Location: row.location, Packet: syn})
		if err != nil {
			t.Fatal(err)
		}
		got, err := decode.Control(capture.Record{Time: 9, Origin: capture.OriginDrops, Kind: capture.KindEvent, Netns: "host", Data: data})
		if err != nil || len(got) != row.events {
			t.Errorf("%s in %s: %d events, %v; want %d", row.reason, row.location, len(got), err, row.events)
		}
	}
}
