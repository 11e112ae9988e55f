package inputs

import (
	"context"
	"os"
	"strings"
	"testing"

	"dnatrace/capture"
)

const (
	ask    = " IP 198.51.100.100.50110 > 198.51.100.1.8080: Flags [S], seq 7, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0\n"
	inside = " IP 198.51.100.100.50110 > 172.17.0.2.80: Flags [S], seq 7, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0\n"
)

// damaged is what a stream says of what could not be read.
func damaged(t *testing.T, o *Opened) string {
	t.Helper()
	var out []string
	for b, err := range o.Source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			if r.Kind == capture.KindDamage || r.Kind == capture.KindLoss {
				out = append(out, string(r.Data))
			}
		}
	}
	return strings.Join(out, "\n")
}

func pointsOf(points []capture.Point) string {
	var out []string
	for _, p := range points {
		out = append(out, p.Name+"@"+p.Netns)
	}
	return strings.Join(out, " ")
}

func TestTextOfTcpdumpIsACapture(t *testing.T) {
	const tt = "1740830400.000000"
	for _, c := range []struct {
		why, file, text string
		points          string
		packets         int
	}{
		{"its file names the point", "eth0.txt", tt + ask, "eth0@host", 1},
		{"its command does", "terminal.txt", "root@host:~# tcpdump -nni eth1 port 8080\n" + tt + ask, "eth1@host", 1},
		{"tcpdump itself does", "terminal.txt", "listening on ens3, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n" + tt + ask, "ens3@host", 1},
		{"each line does", "any.log", tt + " eth0  In " + ask + tt + " docker0 Out" + inside, "eth0@host docker0@host", 2},
		{"it ran in a container", "terminal.txt", "# docker exec -it web tcpdump -ni eth0\n" + tt + inside, "web:eth0@web", 1},
		{"it saw nothing", "terminal.txt", "$ sudo tcpdump -ni docker0\nlistening on docker0, link-type EN10MB (Ethernet), snapshot length 262144 bytes\n^C\n0 packets captured\n", "docker0@host", 0},
		{"it ran twice", "terminal.txt", "$ tcpdump -ni eth0\n" + tt + ask + "$ tcpdump -ni docker0\n" + tt + inside, "eth0@host docker0@host", 2},
	} {
		o, err := OpenFS(folder(map[string]string{c.file: c.text}), Input{Path: "case"})
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		points, _, seen := told(t, o)
		if got := pointsOf(points); got != c.points || len(seen) != c.packets {
			t.Errorf("%s: points %s, %d packets; want %s, %d", c.why, got, len(seen), c.points, c.packets)
		}
		if c.packets > 0 && !strings.Contains(damaged(t, o), "only what its lines say is in evidence") {
			t.Errorf("%s: that it is text is not said", c.why)
		}
	}
}

func TestATranscriptHoldsTextOfTcpdumpAmongDumps(t *testing.T) {
	text, err := os.ReadFile("../tcpdump/testdata/any.txt")
	if err != nil {
		t.Fatal(err)
	}
	o, err := OpenFS(folder(map[string]string{"terminal.txt": string(text) + "root@host:~# ss -lnt\n" + listens + "root@host:~# docker inspect web\n" + web + "\n"}), Input{Path: "case"})
	if err != nil {
		t.Fatal(err)
	}
	points, records, seen := told(t, o)
	if len(points) != 3 || len(seen) != 50 || len(o.Unknown) > 0 {
		t.Errorf("%d points, %d packets, passed over %q", len(points), len(seen), o.Unknown)
	}
	if all := strings.Join(records, "; "); !strings.Contains(all, "engine snapshot") || !strings.Contains(all, "host sample") {
		t.Errorf("the dumps beside it are not read: %s", all)
	}
}

// Times that cannot be put in order are not put in order.
func TestTextOfAnotherClockIsPassedOver(t *testing.T) {
	pcapped := string(pcap(1, frame{0, make([]byte, 60)}))
	for _, c := range []struct {
		why     string
		files   map[string]string
		passed  string
		packets int
	}{
		{"a capture has dates, the text has none", map[string]string{"eth0.pcap": pcapped, "docker0.txt": "12:00:00.000000" + inside}, "docker0.txt: text of tcpdump with times without a date, beside captures with seconds since 1970", 1},
		{"both have seconds", map[string]string{"eth0.pcap": pcapped, "docker0.txt": "1740830400.000100" + inside}, "", 2},
		{"two texts have times of the day", map[string]string{"eth0.txt": "12:00:00.000000" + ask, "docker0.txt": "12:00:00.000100" + inside}, "", 2},
		{"two have times since the packet before", map[string]string{"eth0.txt": " 00:00:00.000000" + ask, "docker0.txt": " 00:00:00.000000" + inside}, "only one such capture can be read", 1},
	} {
		o, err := OpenFS(folder(c.files), Input{Path: "case"})
		if err != nil {
			t.Errorf("%s: %v", c.why, err)
			continue
		}
		_, _, seen := told(t, o)
		if got := strings.Join(o.Unknown, "; "); len(seen) != c.packets || !strings.Contains(got, c.passed) || (got == "") != (c.passed == "") {
			t.Errorf("%s: %d packets, passed over %q", c.why, len(seen), got)
		}
	}
}

// A line that was not read may be what is missing elsewhere: it counts as lost where it
// was seen, and what to do about it is said.
func TestLinesThatAreNotReadAreLost(t *testing.T) {
	named := strings.Replace(ask, "198.51.100.100.", "client.example.", 1)
	o, err := OpenFS(folder(map[string]string{"any.txt": "12:00:00.000000 eth0  In " + named + "12:00:00.000100 docker0 Out" + inside}), Input{Path: "case"})
	if err != nil {
		t.Fatal(err)
	}
	said := damaged(t, o)
	if !strings.Contains(said, "client.example (tcpdump -n prints addresses)") || strings.Count(said, `"lost":1`) != 1 {
		t.Error(said)
	}
	for text, want := range map[string]string{
		"12:00:00.000000" + named: "with names of hosts instead of addresses: client.example",
		strings.TrimSpace(ask):    "they carry no time (leave out -t)",
	} {
		_, err := OpenFS(folder(map[string]string{"x.txt": text}), Input{Path: "case"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
