package main

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// arp is a frame that asks who has an address, or says that one is somewhere.
func arp(op byte, sender, target string) []byte {
	f := append([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9}, 0x08, 0x06)
	f = append(f, 0, 1, 8, 0, 6, 4, 0, op, 2, 0, 0, 0, 0, 9)
	f = append(f, netip.MustParseAddr(sender).AsSlice()...)
	f = append(f, 0, 0, 0, 0, 0, 0)
	return append(f, netip.MustParseAddr(target).AsSlice()...)
}

func TestARunWithoutARequestSaysWhereToLook(t *testing.T) {
	who, is := byte(1), byte(2)
	for _, row := range []struct {
		story  string
		target string
		frames [][]byte
		want   []string
		not    []string
	}{
		{"nothing arrived", "9999", [][]byte{arp(is, "198.51.100.1", "198.51.100.100")},
			[]string{"nothing for 9999 arrived at eth0 in 0.0 s: that is short: watch while the client asks"}, []string{"other requests", "asked for"}},
		{"something else did", "9999", [][]byte{syn()},
			[]string{"other requests were seen meanwhile: 1 to 198.51.100.1:8080/tcp at eth0; is one of them meant?"}, nil},
		{"another address was asked", "198.51.100.9:8080", [][]byte{syn()},
			[]string{"1 to 198.51.100.1:8080/tcp at eth0"}, nil},
		{"nobody answers for the address that the target names", "198.51.100.9:8080",
			[][]byte{arp(who, "198.51.100.100", "198.51.100.9"), arp(who, "198.51.100.100", "198.51.100.9"), arp(who, "198.51.100.100", "198.51.100.77")},
			[]string{"198.51.100.9 was asked for (ARP or ND) 2 times at eth0 and not answered: nobody on that network has it"}, []string{"198.51.100.77"}},
		{"or that its URL names", "http://198.51.100.9:8080/", [][]byte{arp(who, "198.51.100.100", "198.51.100.9")},
			[]string{"198.51.100.9 was asked for (ARP or ND) once at eth0 and not answered"}, nil},
		{"somebody answers", "198.51.100.9:8080", [][]byte{arp(who, "198.51.100.100", "198.51.100.9"), arp(is, "198.51.100.9", "198.51.100.100")},
			[]string{"nothing for 198.51.100.9:8080 arrived"}, []string{"asked for (ARP"}},
		{"a request was seen", "8080", [][]byte{syn()}, nil, []string{"arrived at", "next"}},
	} {
		t.Run(row.story, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "eth0.pcap")
			if err := os.WriteFile(file, pcap(row.frames...), 0o600); err != nil {
				t.Fatal(err)
			}
			out, errs, code := dnatrace("replay", file, "--target", row.target, "-o", "json")
			var d struct{ Next []string }
			if err := json.Unmarshal([]byte(out), &d); err != nil || code != exitNothing {
				t.Fatalf("exit %d, %v: %s", code, err, errs)
			}
			table, _, _ := dnatrace("replay", file, "--target", row.target)
			lines, _, _ := dnatrace("replay", file, "--target", row.target, "-o", "jsonl")
			said := strings.Join(d.Next, "\n")
			for _, want := range row.want {
				if !strings.Contains(said, want) || !strings.Contains(strings.Join(strings.Fields(table), " "), want) || !strings.Contains(lines, want) {
					t.Errorf("%q is missing in\n%s\n%s", want, said, table)
				}
			}
			for _, not := range row.not {
				if strings.Contains(said+table, not) {
					t.Errorf("%q is said in\n%s\n%s", not, said, table)
				}
			}
		})
	}
}

func TestACaptureOfAWhileSendsTheReaderBeforeTheHost(t *testing.T) {
	file := filepath.Join(t.TempDir(), "eth0.pcap")
	var frames [][]byte // a millisecond apart
	for range 12001 {
		frames = append(frames, syn())
	}
	if err := os.WriteFile(file, pcap(frames...), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := dnatrace("replay", file, "--target", "443")
	if want := "nothing for 443 arrived at eth0 in 12.0 s: look before this host, at the address and port"; code != exitNothing || !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
		t.Errorf("exit %d, want %q:\n%s%s", code, want, out, errs)
	}
}

func TestARecordingWithoutARequestSaysWhatWouldHaveBecomeOfIt(t *testing.T) {
	out, errs, code := dnatrace("replay", fixtureFile(t, "delivered"), "--target", "81,http://me:secret@192.0.2.7:82/?secret", "-o", "json")
	if code != exitNothing {
		t.Fatalf("exit %d: %s", code, errs)
	}
	for _, want := range []string{
		"other requests were seen meanwhile: 1 to 198.51.100.1:8080/tcp at eth0",
		"192.0.2.7, which http://192.0.2.7:82/ names, is none of this host's addresses",
		"had one come for 198.51.100.1:81/tcp, it would have been refused (not-published)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	if strings.Contains(out+errs, "secret") {
		t.Errorf("a password is shown:\n%s%s", out, errs)
	}
}
