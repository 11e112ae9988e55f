package inputs

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
)

const (
	addr = `[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP"],"mtu":65536,"link_type":"loopback","addr_info":[]},
{"ifindex":2,"ifname":"ens3","flags":["UP"],"mtu":1500,"link_type":"ether","address":"02:00:00:00:00:02","addr_info":[{"local":"198.51.100.1","prefixlen":24}]},
{"ifindex":3,"ifname":"shop0","flags":["UP"],"mtu":1500,"link_type":"ether","address":"02:42:00:00:00:01","linkinfo":{"info_kind":"bridge"},"addr_info":[]},
{"ifindex":9,"link_index":8,"ifname":"port1","flags":["UP"],"mtu":1500,"master":"shop0","link_type":"ether","address":"02:42:00:00:00:09","link_netnsid":0,"linkinfo":{"info_kind":"veth"},"addr_info":[]}]`
	insideAddr = `[{"ifindex":8,"link_index":9,"ifname":"eth0","flags":["UP"],"mtu":1500,"link_type":"ether","address":"02:42:ac:11:00:02","link_netnsid":0,"addr_info":[]}]`
	web        = `[{"Id":"d6e5","Name":"/web","State":{"Status":"running","Running":true},"Config":{},"HostConfig":{"NetworkMode":"shop"},
"NetworkSettings":{"Networks":{"shop":{"NetworkID":"n1","Gateway":"172.18.0.1","IPAddress":"172.18.0.2","IPPrefixLen":16,"MacAddress":"02:42:ac:11:00:02"}}}}]`
	listens = "State  Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\nLISTEN 0      4096               *:80              *:*\n"
)

// frame is a packet of a capture.
type frame struct {
	ms   int // after the first moment
	data []byte
}

// pcap is a capture of one link type.
func pcap(link uint32, frames ...frame) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0xA1B2C3D4)
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 4)
	for _, v := range []uint32{0, 0, 65535, link} {
		b = le.AppendUint32(b, v)
	}
	for _, f := range frames {
		for _, v := range []uint32{1740830400, uint32(f.ms) * 1000, uint32(len(f.data)), uint32(len(f.data))} {
			b = le.AppendUint32(b, v)
		}
		b = append(b, f.data...)
	}
	return b
}

// cooked2 is a packet with the header of cooked v2.
func cooked2(index uint32, out bool, arphrd uint16, payload string) []byte {
	b := binary.BigEndian.AppendUint16(nil, 0x0800)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, index)
	b = binary.BigEndian.AppendUint16(b, arphrd)
	kind := byte(0)
	if out {
		kind = 4
	}
	b = append(b, kind, 6, 2, 0, 0, 0, 0, 1, 0, 0)
	return append(b, payload...)
}

func packed(b []byte) []byte {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, _ = z.Write(b)
	_ = z.Close()
	return out.Bytes()
}

func folder(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, data := range files {
		m["case/"+name] = &fstest.MapFile{Data: []byte(data)}
	}
	return m
}

// told is what a stream says: points, records by kind, and where packets were
// seen.
func told(t *testing.T, o *Opened) (points []capture.Point, records []string, seen []string) {
	t.Helper()
	names := map[uint16]string{}
	for b, err := range o.Source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Kind != capture.KindPoint {
				records = append(records, strings.TrimSpace(r.Origin+" "+r.Kind+" "+r.Netns))
				continue
			}
			var p capture.Point
			if err := json.Unmarshal(r.Data, &p); err != nil {
				t.Fatal(err)
			}
			if p.Until != 0 {
				records = append(records, names[p.ID]+" ended")
				continue
			}
			if int(p.ID) != len(points) {
				t.Errorf("point %s is announced as number %d, after %d others", p.Name, p.ID, len(points))
			}
			points = append(points, p)
			names[p.ID] = p.Name
		}
		for _, p := range b.Packets {
			seen = append(seen, names[p.Point])
		}
	}
	return points, records, seen
}

func mustOpen(t *testing.T, files map[string]string) *Opened {
	t.Helper()
	o, err := OpenFS(folder(files), Input{Path: "case"})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func describe(points []capture.Point) (out []string) {
	for _, p := range points {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s %s", p.Name, p.Netns, p.Role, p.Container)))
	}
	return out
}

func TestACaptureOfAllInterfacesIsManyPoints(t *testing.T) {
	any := string(pcap(linkCooked2,
		frame{0, cooked2(2, false, 1, "request")}, frame{1, cooked2(3, true, 1, "translated")}, frame{1, cooked2(9, true, 1, "translated")}, frame{2, cooked2(77, false, 1, "late")}))
	for _, c := range []struct {
		name         string
		files        map[string]string
		points, seen []string
	}{
		{"links tell the names, and that all were watched", map[string]string{"any.pcap": any, "addr.json": addr},
			[]string{"lo host loopback", "ens3 host nic", "shop0 host bridge", "port1 host veth", "if77 host other"},
			[]string{"ens3", "shop0", "port1", "if77"}},
		{"beside the container's own links, whose veth it is", map[string]string{"any.pcap": any, "addr.json": addr, "web/addr.json": insideAddr, "web.json": web},
			[]string{"lo host loopback", "ens3 host nic", "shop0 host bridge", "port1 host veth web", "if77 host other"},
			[]string{"ens3", "shop0", "port1", "if77"}},
		{"traffic alone tells bridge and port, by who saw the same packet first", map[string]string{"any.pcap": any},
			[]string{"if2 host nic", "if3 host bridge", "if9 host veth", "if77 host nic"},
			[]string{"if2", "if3", "if9", "if77"}},
	} {
		points, _, seen := told(t, mustOpen(t, c.files))
		if d := cmp.Diff(c.points, describe(points)); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
		if d := cmp.Diff(c.seen, seen); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestTrafficThatContradictsItselfLeavesRolesOpen(t *testing.T) {
	files := map[string]string{"any.pcap": string(pcap(linkCooked2,
		frame{0, cooked2(3, true, 1, "one")}, frame{0, cooked2(9, true, 1, "one")},
		frame{1, cooked2(9, true, 1, "two")}, frame{1, cooked2(3, true, 1, "two")}, frame{2, cooked2(1, true, arphrdLoopback, "lo")}))}
	points, _, _ := told(t, mustOpen(t, files))
	if d := cmp.Diff([]string{"if1 host loopback", "if3 host other", "if9 host other"}, describe(points)); d != "" {
		t.Error(d)
	}
}

func TestWhatGoesFromPortToPortPastTheBridgeTellsNoCard(t *testing.T) {
	files := map[string]string{"any.pcap": string(pcap(linkCooked2,
		frame{0, cooked2(2, false, 1, "request")}, frame{1, cooked2(3, true, 1, "translated")}, frame{1, cooked2(9, true, 1, "translated")},
		frame{2, cooked2(11, false, 1, "neighbourly")}, frame{2, cooked2(13, true, 1, "neighbourly")}, frame{3, cooked2(13, false, 1, "answer")}, frame{3, cooked2(11, true, 1, "answer")}))}
	points, _, _ := told(t, mustOpen(t, files))
	want := []string{"if2 host nic", "if3 host bridge", "if9 host veth", "if11 host veth", "if13 host veth"}
	if d := cmp.Diff(want, describe(points)); d != "" {
		t.Error(d)
	}
}

func TestPointsNamedAfterTheirFiles(t *testing.T) {
	one := string(pcap(1, frame{0, []byte("frame")}))
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"names alone", map[string]string{"eth0.pcap": one, "docker0.pcap": one, "web.pcap": one}, []string{"docker0 host bridge", "eth0 host nic", "web host other"}},
		{"a container of that name", map[string]string{"web.pcap": one, "inspect.json": web}, []string{"web web container web"}},
		{"a bridge with a name of its own", map[string]string{"shop0.pcap": one, "addr.json": addr}, []string{"shop0 host bridge"}},
	} {
		points, _, _ := told(t, mustOpen(t, c.files))
		if d := cmp.Diff(c.want, describe(points)); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestDumpsComeFirstAndEachInItsNamespace(t *testing.T) {
	one := string(pcap(1, frame{0, []byte("frame")}))
	host := []string{"dnatrace source", "dnatrace source", "engine snapshot", "host sample host", "host sample web"}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"what is in one folder with a container's addresses is the container's", map[string]string{
			"eth0.pcap": one, "a.json": addr, "i.json": web, "web/a.json": insideAddr, "web/ss.txt": listens}, host},
		{"packed", map[string]string{
			"eth0.pcap.gz": string(packed([]byte(one))), "a.json.gz": string(packed([]byte(addr))), "i": web, "web/a": insideAddr, "web/ss": string(packed([]byte(listens)))}, host},
		{"nothing but packets", map[string]string{"eth0.pcap": one}, nil},
	} {
		_, records, _ := told(t, mustOpen(t, c.files))
		if d := cmp.Diff(c.want, records); d != "" {
			t.Errorf("%s:\n%s", c.name, d)
		}
	}
}

func TestAFolderOfAStranger(t *testing.T) {
	one := string(pcap(1, frame{0, []byte("frame")}))
	for _, c := range []struct {
		name    string
		files   map[string]string
		unknown []string
		err     error
	}{
		{"what is of no known kind is passed over and named", map[string]string{"eth0.pcap": one, "notes.txt": "it does not work", "photo.jpg": "\xff\xd8\xff\x00"},
			[]string{"case/notes.txt is neither", "case/photo.jpg is neither"}, nil},
		{"hidden files are not looked at", map[string]string{"eth0.pcap": one, ".git/config": "x", ".notes": "x"}, nil, nil},
		{"nor what lies deeper than two folders", map[string]string{"eth0.pcap": one, "a/b/ss.txt": listens, "a/b/c/x": "x"}, nil, nil},
		{"an empty file is an absent source", map[string]string{"eth0.pcap": one, "ss.txt": ""}, nil, nil},
		{"only dumps", map[string]string{"ss.txt": listens}, nil, nil},
		{"only strangers", map[string]string{"notes.txt": "it does not work"}, nil, ErrNothing},
		{"nothing", map[string]string{".keep": ""}, nil, ErrNothing},
	} {
		o, err := OpenFS(folder(c.files), Input{Path: "case"})
		if !errors.Is(err, c.err) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.err)
		}
		if err != nil {
			continue
		}
		if !slices.EqualFunc(c.unknown, o.Unknown, func(want, got string) bool { return strings.HasPrefix(got, want) }) {
			t.Errorf("%s: passed over %q, want %q", c.name, o.Unknown, c.unknown)
		}
	}
}

func TestWhatIsGivenByItselfMustBeKnown(t *testing.T) {
	dir := t.TempDir()
	write := func(name, data string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name string
		in   Input
		want string
	}{
		{"prose", Input{Path: write("prose", "it does not work")}, "neither a capture nor a dump"},
		{"a file that is not there", Input{Path: filepath.Join(dir, "nowhere")}, "no such file"},
		{"a folder with the name of a point", Input{Path: dir, Point: "eth0"}, "it is a folder"},
		{"packed nonsense", Input{Path: write("prose.gz", string(packed([]byte("it does not work"))))}, "neither a capture nor a dump"},
	} {
		if _, err := Open(c.in); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line with %q", c.name, err, c.want)
		}
	}
	if _, err := Open(Input{Path: filepath.Join(dir, "nowhere")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestADumpCanBeSaidToBeAContainers(t *testing.T) {
	o, err := OpenFS(folder(map[string]string{"ss.txt": listens}), Input{Path: "case/ss.txt", Point: "web"})
	if err != nil {
		t.Fatal(err)
	}
	_, records, _ := told(t, o)
	if d := cmp.Diff([]string{"dnatrace source", "host sample web"}, records); d != "" {
		t.Error(d)
	}
}

func TestADumpThatIsCutIsToldAsDamage(t *testing.T) {
	files := map[string]string{"eth0.pcap": string(pcap(1, frame{0, []byte("frame")})), "a.json": addr[:len(addr)-40]}
	_, records, _ := told(t, mustOpen(t, files))
	if !slices.Contains(records, "dnatrace damage") || !slices.Contains(records, "host sample host") {
		t.Errorf("got %q", records)
	}
}

func TestFilesOfTwoMomentsDoNotSpeakForEachOther(t *testing.T) {
	const hour = 3600e3
	files := map[string]string{
		"eth0.pcap":    string(pcap(1, frame{0, []byte("frame")}, frame{1000, []byte("frame")})),
		"docker0.pcap": string(pcap(1, frame{hour, []byte("frame")})),
		"any.pcap":     string(pcap(linkCooked2, frame{500, cooked2(2, false, 1, "request")}, frame{600, cooked2(3, true, 1, "request")})),
	}
	points, records, seen := told(t, mustOpen(t, files))
	since := map[string]int64{}
	for _, p := range points {
		since[p.Name] = p.Since
	}
	if d := cmp.Diff(map[string]int64{"eth0": 0, "docker0": 1740834000e9, "if2": 0, "if3": 0}, since); d != "" {
		t.Errorf("watched since:\n%s", d)
	}
	slices.Sort(records)
	if d := cmp.Diff([]string{"eth0 ended", "if2 ended", "if3 ended"}, records); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"eth0", "if2", "if3", "eth0", "docker0"}, seen); d != "" {
		t.Error(d)
	}
}

func TestAFolderMayBeWrittenInAnyWay(t *testing.T) {
	dir := t.TempDir()
	for name, data := range map[string]string{"ss.txt": listens, "a/b/ss.txt": listens, "a/b/c/ss.txt": listens, "a/b/notes": "prose"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(data), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, path := range []string{".", "./", dir, dir + "/", "../" + filepath.Base(dir)} {
		o, err := Open(Input{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Dumps) != 2 || len(o.Unknown) != 1 {
			t.Errorf("%s: got dumps %v, passed over %v", path, o.Dumps, o.Unknown)
		}
	}
}

func TestTheSameFilesCanBeReadAgain(t *testing.T) {
	o := mustOpen(t, map[string]string{"any.pcap": string(pcap(linkCooked2, frame{0, cooked2(2, false, 1, "request")})), "addr.json": addr})
	first, _, _ := told(t, o)
	again, _, _ := told(t, o)
	if d := cmp.Diff(first, again); d != "" {
		t.Error(d)
	}
}

// FuzzOpen opens a folder of any two files.
func FuzzOpen(f *testing.F) {
	f.Add(pcap(linkCooked2, frame{0, cooked2(2, false, 1, "request")}), []byte(addr))
	f.Add(pcap(1, frame{0, []byte("frame")}), packed([]byte(listens)))
	f.Add([]byte(web), []byte(insideAddr))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		o, err := OpenFS(fstest.MapFS{"x/a": {Data: a}, "x/b": {Data: b}}, Input{Path: "x"})
		if err != nil {
			return
		}
		for _, err := range o.Source(context.Background()) {
			if err != nil {
				return
			}
		}
	})
}
