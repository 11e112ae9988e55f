package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// clocked is a capture of two SYNs, at these seconds of Unix.
func clocked(t *testing.T, first, second uint32) string {
	t.Helper()
	b := pcap(syn(), syn())
	at := 24
	binary.LittleEndian.PutUint32(b[at:], first)
	at += 16 + len(syn())
	binary.LittleEndian.PutUint32(b[at:], second)
	file := filepath.Join(t.TempDir(), "eth0.pcap")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAClockThatStartsAtZeroTellsTheTime(t *testing.T) {
	file := clocked(t, 0, 4)
	out, errs, code := dnatrace("replay", file, "-o", "json")
	var d struct {
		Recording struct{ Started, Ended time.Time }
		Requests  []struct {
			First time.Time
			Hops  []struct{ Time time.Time }
		}
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || len(d.Requests) != 1 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	zero, last := time.Unix(0, 0).UTC(), time.Unix(4, 1e6).UTC()
	r := d.Requests[0]
	if !d.Recording.Started.Equal(zero) || !d.Recording.Ended.Equal(last) || !r.First.Equal(zero) || len(r.Hops) == 0 || !r.Hops[0].Time.Equal(zero) {
		t.Errorf("got %+v", d)
	}
	page := filepath.Join(t.TempDir(), "a.html")
	if out, errs, code := dnatrace("report", file, "-o", page); code != exitOK {
		t.Errorf("report: exit %d: %s%s", code, out, errs)
	}
	if b, _ := os.ReadFile(page); strings.Contains(string(b), "0001-01-01") || !strings.Contains(string(b), "1970-01-01") {
		t.Error("the page does not say when")
	}
}

func TestAReportOfTimesThatAreFarApartIsWritten(t *testing.T) {
	for name, seconds := range map[string][2]uint32{
		"a century":           {0, 3_155_760_000},
		"and the other way":   {3_155_760_000, 0},
		"as far as pcap goes": {0, 1<<32 - 1},
	} {
		for _, format := range []string{"html", "markdown", "json"} {
			if out, errs, code := dnatrace("report", clocked(t, seconds[0], seconds[1]), "-o", "-", "--format", format); code != exitOK || out == "" {
				t.Errorf("%s, %s: exit %d: %s", name, format, code, errs)
			}
		}
	}
}
