package annotate

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture/recording"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/fixtures"
)

// annotated writes a fixture annotated to a file.
func annotated(t *testing.T, name string, o Options) (path string, d *correlate.Document) {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	src, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	o.Program = "dnatrace test"
	if d, err = Write(t.Context(), src, &out, o); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "annotated.pcapng")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, d
}

// judged replays a file and tells what matters of every request.
func judged(t *testing.T, path string) []string {
	t.Helper()
	src, _, err := recording.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := judge.Replay(context.Background(), src, judge.Options{Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	return said(d)
}

func said(d *correlate.Document) (out []string) {
	for i := range d.Requests {
		r := &d.Requests[i]
		out = append(out, strings.Join([]string{r.Client, r.Requested, r.Translated, r.Verdict.String(), string(r.Stage), string(r.Cause), string(r.Proof), r.Why}, " | "))
	}
	return out
}

func TestWhatIsAnnotatedIsJudgedAsBefore(t *testing.T) {
	for i, name := range fixtures.Names() {
		if testing.Short() && i%8 != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			path, d := annotated(t, name, Options{})
			if diff := cmp.Diff(said(d), judged(t, path)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// need skips a test where a program is missing.
func need(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("needs %s: apt-get install tshark tcpdump wireshark-common", p)
		}
	}
}

// run runs one of Wireshark's programs, which has to have nothing to complain
// about.
func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	var out, complaints bytes.Buffer
	c := exec.Command(program, args...)
	c.Stdout, c.Stderr = &out, &complaints
	err := c.Run()
	said := strings.Join(slices.DeleteFunc(strings.Split(complaints.String(), "\n"), harmless), "\n")
	if err != nil || said != "" {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, said)
	}
	return out.String()
}

// harmless is what the programs say on standard error in any case.
func harmless(line string) bool {
	return line == "" || strings.HasPrefix(line, "Running as user") || strings.HasPrefix(line, "reading from file")
}

// packet is what tshark says of one.
type packet struct{ number, point, id, direction, comment, udpOrTCP string }

func tshark(t *testing.T, path string) (out []packet) {
	t.Helper()
	var frames []struct {
		Source struct {
			Layers map[string][]string `json:"layers"`
		} `json:"_source"`
	}
	text := run(t, "tshark", "-r", path, "-Y", "frame.interface_id", "-T", "json", "-e", "frame.number", "-e", "frame.interface_name", "-e", "frame.packet_id",
		"-e", "frame.packet_flags_direction", "-e", "frame.comment", "-e", "ip.proto")
	if err := json.Unmarshal([]byte(text), &frames); err != nil {
		t.Fatal(err)
	}
	for _, f := range frames {
		l := func(name string) string { return strings.Join(f.Source.Layers[name], "\n") }
		out = append(out, packet{l("frame.number"), l("frame.interface_name"), l("frame.packet_id"), l("frame.packet_flags_direction"), l("frame.comment"), l("ip.proto")})
	}
	return out
}

func TestTsharkShowsPointsDirectionsNumbersAndComments(t *testing.T) {
	need(t, "tshark")
	path, _ := annotated(t, "demo-forward-drop", Options{})
	var comments []string
	points := map[string]bool{}
	for _, p := range tshark(t, path) {
		if p.udpOrTCP != "6" {
			continue
		}
		points[p.point] = true
		if p.id == "" || p.direction == "" {
			t.Errorf("frame %s has number %q and direction %q", p.number, p.id, p.direction)
		}
		comments = append(comments, p.comment)
	}
	if !points["eth0"] {
		t.Errorf("points %v", points)
	}
	all := strings.Join(comments, "\n")
	for _, want := range []string{
		"8080 tcp: dropped at forward between eth0 and docker0, firewall-drop (proven)",
		"translated 198.51.100.1:8080 → 172.17.0.2:80 at nat PREROUTING by docker:",
		"dropped here, behind this packet's point, at inet site forward: user: tcp dport 80 drop",
		"fix: nft delete rule",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no comment says %q:\n%s", want, all)
		}
	}
}

// TestOnePacketHasOneNumberAtEveryPoint: what a delivered request is made of was
// seen at four points, before and behind its translation.
func TestOnePacketHasOneNumberAtEveryPoint(t *testing.T) {
	need(t, "tshark")
	for _, name := range []string{"delivered", "delivered-udp", "demo-ipv6"} {
		t.Run(name, func(t *testing.T) {
			path, _ := annotated(t, name, Options{})
			seen := map[string][]string{}
			for _, p := range tshark(t, path) {
				if p.id != "" {
					seen[p.id] = append(seen[p.id], p.point)
				}
			}
			everywhere := 0
			for id, points := range seen {
				slices.Sort(points)
				if len(slices.Compact(slices.Clone(points))) != len(points) && !slices.Contains(points, "lo") {
					t.Errorf("number %s twice at a point: %v", id, points)
				}
				if len(points) >= 4 {
					everywhere++
				}
			}
			if everywhere < 2 {
				t.Errorf("%d packets have one number at four points: %v", everywhere, seen)
			}
		})
	}
}

func TestStockToolsOpenEveryFileWithoutComplaint(t *testing.T) {
	need(t, "tshark", "capinfos", "tcpdump")
	for i, name := range fixtures.Names() {
		if i%6 != 0 || testing.Short() && i%48 != 0 { // each takes a second
			continue
		}
		t.Run(name, func(t *testing.T) {
			path, d := annotated(t, name, Options{})
			packets := uint64(0)
			for _, p := range d.Recording.Points {
				packets += p.Packets
			}
			run(t, "tshark", "-r", path, "-T", "fields", "-e", "frame.number")
			run(t, "capinfos", path)
			if lines := strings.Count(run(t, "tcpdump", "-nr", path), "\n"); uint64(lines) < packets {
				t.Errorf("tcpdump shows %d of %d packets", lines, packets)
			}
		})
	}
}

// TestWhatIsSavedAgainIsStillWhole: after a way through other tools, a file
// replays as before, and keeps its comments.
func TestWhatIsSavedAgainIsStillWhole(t *testing.T) {
	need(t, "tshark", "editcap", "mergecap")
	for _, name := range []string{"demo-forward-drop", "delivered", "demo-no-listener"} {
		path, d := annotated(t, name, Options{})
		for _, tc := range []struct {
			how string
			do  func(to string)
		}{
			{"editcap", func(to string) { run(t, "editcap", path, to) }},
			{"tshark", func(to string) { run(t, "tshark", "-r", path, "-w", to) }},
			{"mergecap", func(to string) { run(t, "mergecap", "-w", to, path) }},
		} {
			t.Run(name+" through "+tc.how, func(t *testing.T) {
				to := filepath.Join(t.TempDir(), "again.pcapng")
				tc.do(to)
				if diff := cmp.Diff(said(d), judged(t, to)); diff != "" {
					t.Error(diff)
				}
				if diff := cmp.Diff(tshark(t, path), tshark(t, to), cmp.AllowUnexported(packet{})); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestOnePointAlone(t *testing.T) {
	need(t, "tshark")
	path, _ := annotated(t, "delivered", Options{Point: "docker0"})
	packets := tshark(t, path)
	comments := ""
	for _, p := range packets {
		if p.point != "docker0" {
			t.Errorf("frame %s is of %s", p.number, p.point)
		}
		comments += p.comment
	}
	if len(packets) < 5 || !strings.Contains(comments, "tcp: delivered") {
		t.Errorf("%d packets, comments %q", len(packets), comments)
	}
	if out := run(t, "tshark", "-r", path, "-Y", "tcp.analysis.flags", "-T", "fields", "-e", "frame.number"); out != "" {
		t.Errorf("the analysis of TCP finds something: %s", out)
	}
}

func TestAPointThatIsNotThereIsRefusedWithThoseThatAre(t *testing.T) {
	c, err := fixtures.Load("delivered")
	if err != nil {
		t.Fatal(err)
	}
	src, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err = Write(t.Context(), src, &bytes.Buffer{}, Options{Point: "eth9"}); err == nil || !strings.Contains(err.Error(), "there are only") || !strings.Contains(err.Error(), "docker0") {
		t.Errorf("%v", err)
	}
}
