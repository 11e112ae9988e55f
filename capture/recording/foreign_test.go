package recording

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
)

// maker builds foreign pcapng in either byte order.
type maker struct {
	binary.ByteOrder
	b []byte
}

func little() *maker { return &maker{ByteOrder: binary.LittleEndian} }
func big() *maker    { return &maker{ByteOrder: binary.BigEndian} }

func (m *maker) u16(v uint16) []byte { b := make([]byte, 2); m.PutUint16(b, v); return b }
func (m *maker) u32(v uint32) []byte { b := make([]byte, 4); m.PutUint32(b, v); return b }
func (m *maker) u64(v uint64) []byte { b := make([]byte, 8); m.PutUint64(b, v); return b }

func (m *maker) block(typ uint32, parts ...[]byte) *maker {
	var body []byte
	for _, p := range parts {
		body = append(body, p...)
	}
	body = append(body, make([]byte, -len(body)&3)...)
	n := m.u32(uint32(12 + len(body)))
	m.b = append(append(append(append(m.b, m.u32(typ)...), n...), body...), n...)
	return m
}

func (m *maker) option(code uint16, v []byte) []byte {
	return append(append(append(m.u16(code), m.u16(uint16(len(v)))...), v...), make([]byte, -len(v)&3)...)
}

func (m *maker) section() *maker {
	return m.block(blockSection, m.u32(byteOrderMagic), m.u16(1), m.u16(0), m.u64(math.MaxUint64))
}

func (m *maker) iface(link uint16, name string, options ...[]byte) *maker {
	parts := [][]byte{m.u16(link), m.u16(0), m.u32(0)}
	if name != "" {
		parts = append(parts, m.option(optName, []byte(name)))
	}
	return m.block(blockInterface, append(parts, options...)...)
}

func (m *maker) packet(iface uint32, ticks uint64, data string, options ...[]byte) *maker {
	padded := append([]byte(data), make([]byte, -len(data)&3)...)
	parts := [][]byte{m.u32(iface), m.u32(uint32(ticks >> 32)), m.u32(uint32(ticks)), m.u32(uint32(len(data))), m.u32(uint32(len(data))), padded}
	return m.block(blockEnhanced, append(parts, options...)...)
}

func points(t *testing.T, s story) (out []capture.Point) {
	t.Helper()
	for _, r := range s.records(capture.KindPoint) {
		var p capture.Point
		if err := json.Unmarshal([]byte(r.Data), &p); err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

func TestAnyonesPcapngInEitherByteOrder(t *testing.T) {
	tick := uint64(noon / 1000)
	for order, m := range map[string]*maker{"little": little(), "big": big()} {
		m.section().
			iface(1, "eth0").
			iface(101, "", m.option(optResolution, []byte{9})).
			packet(0, uint64(noon/1000), "first", m.option(optComment, []byte("a comment")), m.option(optFlags, m.u32(flagIn))).
			block(0xBAD, m.u32(32473), []byte("a custom block")).
			packet(1, uint64(noon+5), "second").
			block(blockPacket, m.u16(0), m.u16(7), m.u32(uint32(tick>>32)), m.u32(uint32(tick)), m.u32(3), m.u32(9), []byte("old\x00")).
			block(blockSimple, m.u32(6), []byte("simple")).
			block(blockJournal, []byte("__REALTIME_TIMESTAMP=1\nMESSAGE=someone else's\n\n"))
		got, info := mustTell(t, "dir/web.1.pcapng.gz", m.b)
		wantPoints := []capture.Point{
			{ID: 0, Name: "eth0", Netns: "host", Role: capture.RoleNIC, Link: 1},
			{ID: 1, Name: "web.1#1", Netns: "host", Ring: 1, Link: 101},
		}
		if d := cmp.Diff(wantPoints, points(t, got)); d != "" {
			t.Errorf("%s: %s", order, d)
		}
		want := []sighted{
			{noon, 0, capture.DirIn, 5, "first"},
			{noon + 5, 1, 0, 6, "second"},
			{noon, 0, 0, 9, "old"},
			{noon, 0, 0, 6, "simple"},
		}
		if d := cmp.Diff(want, got.packets()); d != "" {
			t.Errorf("%s: %s", order, d)
		}
		f := info.Files[0]
		if f.Format != FormatPcapng || f.Skipped != 2 || f.Untimed != 1 {
			t.Errorf("%s: %+v", order, *f)
		}
		if d := cmp.Diff([]string{"1 packets of dir/web.1.pcapng.gz carry no time"}, got.damage(t)); d != "" {
			t.Errorf("%s: %s", order, d)
		}
	}
}

func TestPointsWithoutAPacketAreAnnouncedFirst(t *testing.T) {
	m := little().section().iface(1, "eth0").iface(1, "docker0").packet(0, uint64(noon/1000), "x")
	got, _ := mustTell(t, "x", m.b)
	if _, ok := got[2].(sighted); !ok || len(points(t, got)) != 2 {
		t.Errorf("want two points, then the packet: %v", got)
	}
	none, _ := mustTell(t, "x", little().section().iface(1, "eth0").b)
	if len(points(t, none)) != 1 {
		t.Errorf("a capture without packets has no point: %v", none)
	}
}

func TestSectionsLaidEndToEndKeepTheirPoints(t *testing.T) {
	first := little().section().iface(1, "eth0").iface(1, "lo").packet(1, uint64(noon/1000), "a")
	second := big().section().iface(1, "lo").iface(1, "docker0").packet(0, uint64(noon/1000), "b").packet(1, uint64(noon/1000), "c")
	got, _ := mustTell(t, "x", append(first.b, second.b...))
	var names []string
	for _, p := range points(t, got) {
		names = append(names, p.Name)
	}
	if d := cmp.Diff([]string{"eth0", "lo", "docker0"}, names); d != "" {
		t.Error(d)
	}
	var seen []uint16
	for _, p := range got.packets() {
		seen = append(seen, p.Point)
	}
	if d := cmp.Diff([]uint16{1, 1, 2}, seen); d != "" {
		t.Error(d)
	}
}

func TestLossesOfACaptureToolAreTold(t *testing.T) {
	m := little()
	m.section().iface(1, "eth0").packet(0, uint64(noon/1000), "a").packet(0, uint64(noon/1000+1), "b").
		block(blockStats, m.u32(0), m.u64(0), m.option(4, m.u64(2)), m.option(optIfDrop, m.u64(5)), m.option(optOSDrop, m.u64(2)))
	got, _ := mustTell(t, "x", m.b)
	want := []spoken{{noon + 1000, capture.OriginPackets, capture.KindLoss, "", `{"ring":0,"from":1740830400000000000,"to":1740830400000001000,"lost":7}`}}
	if d := cmp.Diff(want, got.records(capture.KindLoss)); d != "" {
		t.Error(d)
	}
}

func TestContradictoryBlocksAreCountedAndPassedOver(t *testing.T) {
	m := little()
	m.section().iface(1, "eth0").
		packet(7, 1, "of an interface that is not there").
		block(blockEnhanced, m.u32(0), m.u64(0), m.u32(1000), m.u32(1000), []byte("shorter")).
		block(blockEnhanced, m.u32(0)).
		packet(0, uint64(noon/1000), "good")
	got, info := mustTell(t, "x", m.b)
	if len(got.packets()) != 1 || info.Files[0].Malformed != 3 {
		t.Errorf("%d packets, %+v", len(got.packets()), *info.Files[0])
	}
	if d := got.damage(t); len(d) != 1 || !strings.HasPrefix(d[0], "3 blocks of x contradict themselves, the first at byte ") {
		t.Errorf("damage %q", d)
	}
}

func TestTimeResolutions(t *testing.T) {
	for name, tc := range map[string]struct {
		resol  byte
		offset int64
		ticks  uint64
		want   int64
	}{
		"seconds":                         {0, 0, 5, 5e9},
		"microseconds":                    {6, 0, 5, 5000},
		"nanoseconds":                     {9, 0, 5, 5},
		"nanoseconds from an offset":      {9, 100, 5, 100e9 + 5},
		"picoseconds":                     {12, 0, 5999, 5},
		"2^-10 s":                         {0x8a, 0, 1024, 1e9},
		"2^-32 s":                         {0xa0, 0, 3 << 31, 1.5e9},
		"2^0 s":                           {0x80, 0, 2, 2e9},
		"a resolution no clock has":       {99, 0, 5, 5000},
		"seconds beyond what ns can hold": {0, 0, math.MaxUint64, math.MaxInt64},
		"an offset beyond it":             {9, math.MaxInt64, 5, math.MaxInt64},
		"an offset before the epoch":      {9, -1, 5, -1e9 + 5},
	} {
		c := resolution(tc.resol)
		c.offset = tc.offset
		if got := c.unix(tc.ticks); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}

func classicFile(o binary.AppendByteOrder, magic uint32, fraction uint32, extra int, packets ...string) []byte {
	b := o.AppendUint32(nil, magic)
	b = o.AppendUint16(o.AppendUint16(b, 2), 4)
	b = append(b, make([]byte, 8)...)
	b = o.AppendUint32(o.AppendUint32(b, 65535), 113)
	for _, p := range packets {
		b = o.AppendUint32(o.AppendUint32(b, uint32(noon/1e9)), fraction)
		b = o.AppendUint32(o.AppendUint32(b, uint32(len(p))), uint32(len(p)+1))
		b = append(append(b, make([]byte, extra)...), p...)
	}
	return b
}

func TestClassicPcapInEitherByteOrderAndResolution(t *testing.T) {
	for name, file := range map[string][]byte{
		"little, µs":     classicFile(binary.LittleEndian, magicMicro, 7, 0, "one", "two"),
		"big, µs":        classicFile(binary.BigEndian, magicMicro, 7, 0, "one", "two"),
		"little, ns":     classicFile(binary.LittleEndian, magicNano, 7000, 0, "one", "two"),
		"big, ns":        classicFile(binary.BigEndian, magicNano, 7000, 0, "one", "two"),
		"longer headers": classicFile(binary.LittleEndian, magicModified, 7, 8, "one", "two"),
	} {
		got, info := mustTell(t, "/tmp/docker0.pcap", file)
		if d := cmp.Diff([]sighted{{noon + 7000, 0, 0, 4, "one"}, {noon + 7000, 0, 0, 4, "two"}}, got.packets()); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff([]capture.Point{{Name: "docker0", Netns: "host", Role: capture.RoleBridge, Link: 113}}, points(t, got)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if info.Files[0].Format != FormatPcap || len(got.damage(t)) > 0 {
			t.Errorf("%s: %+v", name, *info.Files[0])
		}
	}
}

func TestAClassicPcapCutAnywhereTellsItsBeginning(t *testing.T) {
	file := classicFile(binary.LittleEndian, magicMicro, 7, 0, "one", "two", "three")
	for n := 1; n < len(file); n++ {
		got, _ := mustTell(t, "x", file[:n])
		whole := n == pcapHeader || n == pcapHeader+19 || n == pcapHeader+2*19
		if told := len(got.damage(t)) > 0; told == whole {
			t.Errorf("cut at %d: damage told %v", n, told)
		}
		if want := max(n-pcapHeader, 0) / 19; len(got.packets()) != min(want, 2) {
			t.Errorf("cut at %d: %d packets, want %d", n, len(got.packets()), want)
		}
	}
	bad := append(file[:len(file):len(file)], "\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00"...)
	got, _ := mustTell(t, "x", bad)
	if d := got.damage(t); len(d) != 1 || !strings.Contains(d[0], "a packet claims a captured length of 4294967295 bytes") {
		t.Errorf("damage %q", d)
	}
}

func TestPointsAreKnownByName(t *testing.T) {
	for name, want := range map[string]capture.Role{
		"lo": capture.RoleLoopback, "docker0": capture.RoleBridge, "br-4f2a91c07d11": capture.RoleBridge, "docker_gwbridge": capture.RoleBridge,
		"veth3f1c2ab": capture.RoleVeth, "cali0f3": capture.RoleVeth, "eth0": capture.RoleNIC, "enp0s3": capture.RoleNIC, "ens192": capture.RoleNIC,
		"wlan0": capture.RoleNIC, "bond0": capture.RoleNIC, "vxlan.calico": capture.RoleOverlay, "flannel.1": capture.RoleOverlay,
		"web:eth0": capture.RoleContainer, "eth0:1": capture.RoleNIC, "any": capture.RoleOther, "": capture.RoleOther,
	} {
		p := capture.Point{Name: name}
		foreign(&p)
		if p.Role != want {
			t.Errorf("%s is %s, want %s", name, p.Role, want)
		}
		if (p.Netns == "host") != (want != capture.RoleContainer) {
			t.Errorf("%s is in namespace %s", name, p.Netns)
		}
	}
	for file, want := range map[string]string{"/a/eth0.pcap": "eth0", "eth0.pcap.gz": "eth0", "br-x.y.pcapng": "br-x.y", ".pcap": "capture", "x": "x"} {
		if got := baseName(file); got != want {
			t.Errorf("%s names the point %q, want %q", file, got, want)
		}
	}
}
