package recording

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dnatrace/capture"
)

func itoa(n int) string { return strconv.Itoa(n) }

func TestWriterRefusesWhatCouldNotBeRead(t *testing.T) {
	point := func(id uint16) *capture.Batch {
		return &capture.Batch{Records: []capture.Record{pointRecord(noon, capture.Point{ID: id, Name: "eth0"})}}
	}
	packet := func(p capture.Packet) *capture.Batch {
		return &capture.Batch{Arena: make([]byte, 10), Packets: []capture.Packet{p}}
	}
	for name, tc := range map[string]struct {
		batches []*capture.Batch
		want    string
	}{
		"a packet of a point not announced": {[]*capture.Batch{packet(capture.Packet{})}, "point 0 was not announced"},
		"points out of order":               {[]*capture.Batch{point(1)}, "its number is 1, the next is 0"},
		"a packet outside its arena":        {[]*capture.Batch{point(0), packet(capture.Packet{Off: 8, Len: 3})}, "bytes 8 to 11 of an arena of 10"},
	} {
		w := NewWriter(io.Discard, Options{})
		var err error
		for _, b := range tc.batches {
			err = w.Write(b)
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want %q", name, err, tc.want)
		}
		if again := w.Close(); again != err {
			t.Errorf("%s: the error does not stick: %v", name, again)
		}
	}
}

func TestAFullDiskSticks(t *testing.T) {
	w := NewWriter(full{}, Options{})
	if err := w.Flush(); !errors.Is(err, errFull) {
		t.Fatalf("flush: %v", err)
	}
	if err := w.Write(incident()[0]); !errors.Is(err, errFull) {
		t.Errorf("write after that: %v", err)
	}
}

var errFull = errors.New("no space left")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// What others see of a recording: the packets, the entries in words, who wrote
// it, and nothing to complain about.
func TestOtherToolsOpenARecording(t *testing.T) {
	path := filepath.Join(t.TempDir(), "r.pcapng")
	if err := os.WriteFile(path, write(t, incident()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		command string
		want    []string
	}{
		{"tshark -r FILE", []string{"dnatrace test starts to record 8080", "point 2 is web:eth0: container, namespace web", "ring 1 lost 3 packets within 6ns", "source drops: absent: no privilege"}},
		{"tshark -r FILE -T fields -e frame.interface_name -e frame.packet_flags_direction -Y frame.interface_name", []string{"web:eth0\t0x00000001", "docker0\t0x00000002"}},
		{"capinfos -M FILE", []string{"Number of packets:   4", "dnatrace recording, format 1", "Linux 6.18", "Name = web:eth0", "nanoseconds"}},
		{"tcpdump -nn -r FILE", nil},
	} {
		args := strings.Fields(strings.ReplaceAll(tc.command, "FILE", path))
		bin, err := exec.LookPath(args[0])
		if err != nil {
			t.Logf("%s is not installed: not tried (apt install tshark tcpdump)", args[0])
			continue
		}
		var stdout, stderr strings.Builder
		cmd := exec.Command(bin, args[1:]...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		if err := cmd.Run(); err != nil {
			t.Errorf("%s: %v\n%s", tc.command, err, stderr.String())
		}
		for _, want := range tc.want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%s: no %q in\n%s", tc.command, want, stdout.String())
			}
		}
		if complaint := complaints(stderr.String()); complaint != "" {
			t.Errorf("%s complains: %s", tc.command, complaint)
		}
		if args[0] == "tcpdump" && strings.Count(stdout.String(), "\n") < 4 {
			t.Errorf("tcpdump shows fewer than 4 packets:\n%s", stdout.String())
		}
	}
}

// complaints leaves out what the tools always say.
func complaints(stderr string) string {
	var out []string
	for _, line := range strings.Split(stderr, "\n") {
		if line != "" && !strings.HasPrefix(line, "Running as user") && !strings.HasPrefix(line, "reading from file") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

// People cut and convert captures before they pass them on.
func TestARecordingSavedAgainByOtherToolsTellsTheSame(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.pcapng"), filepath.Join(dir, "out.pcapng")
	if err := os.WriteFile(in, write(t, incident()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"editcap IN OUT", "tshark -r IN -w OUT", "mergecap -w OUT IN"} {
		args := strings.Fields(strings.NewReplacer("IN", in, "OUT", out).Replace(command))
		bin, err := exec.LookPath(args[0])
		if err != nil {
			t.Logf("%s is not installed: not tried (apt install tshark)", args[0])
			continue
		}
		if text, err := exec.Command(bin, args[1:]...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", command, err, text)
			continue
		}
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := mustTell(t, "again", b)
		if d := differ(told(incident()), got); d != "" {
			t.Errorf("%s: %s", command, d)
		}
	}
}

func TestWhatIsFlushedCanBeReadBeforeTheEnd(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, Options{})
	batches := incident()
	for i, b := range batches[:4] {
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		got, _ := mustTell(t, "growing", out.Bytes())
		if d := differ(told(batches[:i+1]), got[:len(got)-1]); d != "" {
			t.Fatalf("after batch %d: %s", i, d)
		}
		if d := got.damage(t); len(d) != 1 || !strings.Contains(d[0], "without an end marker") {
			t.Errorf("after batch %d: damage %q", i, d)
		}
	}
}
