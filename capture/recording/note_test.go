package recording

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
)

func jsonRecord(t *testing.T, origin, kind, netns string, v any) capture.Record {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return capture.Record{Time: 1e18, Origin: origin, Kind: kind, Netns: netns, Data: data}
}

// mixed is a recording of a UDP datagram that comes in at eth0 and goes out
// through a tunnel, which has no link layer.
func mixed(t *testing.T) []byte {
	t.Helper()
	ip := []byte{0x45, 0, 0, 29, 0, 1, 0, 0, 64, 17, 0, 0, 198, 51, 100, 100, 172, 17, 0, 2, 0x13, 0x88, 0, 53, 0, 9, 0, 0, 'x'}
	frame := append([]byte("\x02\x42\xac\x11\x00\x02\x02\x42\x00\x00\x00\x01\x08\x00"), ip...)
	var out bytes.Buffer
	w := NewWriter(&out, Options{
		Program: "dnatrace test",
		Note: func(frame uint64, _ *capture.Packet) Note {
			return Note{ID: 7, Comments: []string{"seen \x1b[31mhere", "and again"}}
		},
		Describe: func(p capture.Point) string { return "at " + p.Name },
	})
	snapshot := engine.Snapshot{Containers: []engine.Container{{Name: "web server", Endpoints: []engine.Endpoint{{IPv4: netip.MustParseAddr("172.17.0.2"), IPv6: netip.MustParseAddr("2001:db8:17::2")}}}}}
	for _, b := range []*capture.Batch{
		{Records: []capture.Record{
			jsonRecord(t, capture.OriginPackets, capture.KindPoint, "", capture.Point{ID: 0, Name: "eth0", Netns: "host", Link: 1}),
			jsonRecord(t, capture.OriginPackets, capture.KindPoint, "", capture.Point{ID: 1, Name: "tun0", Netns: "host", Link: 101}),
			jsonRecord(t, capture.OriginEngine, capture.KindSnapshot, "", snapshot),
		}},
		{First: 1, Arena: append(frame, ip...), Packets: []capture.Packet{
			{Time: 1e18, Len: uint32(len(frame)), Orig: uint32(len(frame)), Point: 0, Dir: capture.DirIn},
			{Time: 1e18 + 1, Off: uint32(len(frame)), Len: uint32(len(ip)), Orig: uint32(len(ip)), Point: 1},
		}},
		{Records: []capture.Record{jsonRecord(t, capture.OriginPackets, capture.KindPoint, "", capture.Point{ID: 1, Name: "tun0", Netns: "host", Link: 101, Container: "web"})}},
	} {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAnInterfaceWithoutALinkLayerIsWrittenAsEthernetAmongOthers(t *testing.T) {
	src, _, err := OpenReader(bytes.NewReader(mixed(t)), "mixed")
	if err != nil {
		t.Fatal(err)
	}
	packets := 0
	for b, err := range src(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			var p capture.Point
			if r.Kind == capture.KindPoint && json.Unmarshal(r.Data, &p) == nil && p.Link != 1 {
				t.Errorf("point %s has link type %d", p.Name, p.Link)
			}
		}
		for _, p := range b.Packets {
			packets++
			if f := b.Arena[p.Off : p.Off+p.Len]; len(f) != 43 || p.Orig != 43 || f[12] != 8 || f[14] != 0x45 {
				t.Errorf("%d of %d bytes: %x", len(f), p.Orig, f)
			}
		}
	}
	if packets != 2 {
		t.Errorf("%d packets", packets)
	}
}

func TestStockToolsShowNotesNamesAndDescriptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mixed.pcapng")
	if err := os.WriteFile(path, mixed(t), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		command string
		want    []string
	}{
		{"tshark -r FILE -Y udp -T fields -e frame.interface_name -e frame.interface_description -e frame.packet_id -e frame.comment", []string{
			"eth0\tother, namespace host, at eth0\t7\tseen  [31mhere,and again", "tun0\tother, namespace host, at tun0\t7\t"}},
		{"tshark -r FILE -N n -Y udp -T fields -e ip.dst_host", []string{"web-server\nweb-server"}},
		{"tcpdump -nr FILE", []string{"198.51.100.100.5000 > 172.17.0.2.53"}},
		{"capinfos FILE", []string{"Number of resolved IPv4 addresses in file: 1", "Number of resolved IPv6 addresses in file: 1"}},
	} {
		words := strings.Fields(strings.ReplaceAll(tc.command, "FILE", path))
		if _, err := exec.LookPath(words[0]); err != nil {
			t.Skipf("needs %s: apt-get install tshark tcpdump wireshark-common", words[0])
		}
		out, err := exec.Command(words[0], words[1:]...).Output()
		for _, want := range tc.want {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("%s: %v: %q lacks %q", tc.command, err, out, want)
			}
		}
	}
}
