package main

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pcap is a classic capture of Ethernet frames, a millisecond apart.
func pcap(frames ...[]byte) []byte {
	le := binary.LittleEndian
	b := append(le.AppendUint32(nil, 0xa1b2c3d4), 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint32(le.AppendUint32(b, 65535), 1)
	for i, f := range frames {
		b = le.AppendUint32(le.AppendUint32(b, 1740830400), uint32(1000*i))
		b = append(le.AppendUint32(le.AppendUint32(b, uint32(len(f))), uint32(len(f))), f...)
	}
	return b
}

// syn is a SYN from 198.51.100.100:50110 to 198.51.100.1:8080.
func syn() []byte {
	f := append(make([]byte, 12), 0x08, 0x00)
	f = append(f, 0x45, 0, 0, 40, 0, 1, 0x40, 0, 64, 6, 0, 0, 198, 51, 100, 100, 198, 51, 100, 1)
	f = binary.BigEndian.AppendUint16(f, 50110)
	f = binary.BigEndian.AppendUint16(f, 8080)
	return append(f, 0, 0, 3, 232, 0, 0, 0, 0, 0x50, 2, 0xfa, 0xf0, 0, 0, 0, 0)
}

func TestPointsAreNamedOnTheCommandLine(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"eth0.pcap", "1.pcap", "2=.pcap"} {
		if err := os.WriteFile(filepath.Join(dir, name), pcap(syn()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for _, c := range []struct {
		name string
		args string
		want []string // NAME ROLE
	}{
		{"a point is named after its file", "eth0.pcap 1.pcap", []string{"eth0 nic", "1 other"}},
		{"unless it is named", "eth0.pcap 1.pcap --point docker0=1.pcap", []string{"eth0 nic", "docker0 bridge"}},
		{"whatever way leads to the file", "eth0.pcap ./1.pcap --point docker0=" + dir + "/1.pcap", []string{"eth0 nic", "docker0 bridge"}},
		{"a file that is named is read without being given again", "eth0.pcap --point web:eth0=1.pcap", []string{"eth0 nic", "web:eth0 container"}},
		{"or without any other", "--point docker0=1.pcap --point web:eth0=2=.pcap", []string{"docker0 bridge", "web:eth0 container"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, errs, code := dnatrace(append([]string{"replay", "-o", "json"}, strings.Fields(c.args)...)...)
			var d struct {
				Recording struct {
					Points []struct {
						Name, Role string
						Packets    int
					}
				}
			}
			if err := json.Unmarshal([]byte(out), &d); err != nil {
				t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
			}
			var got []string
			for _, p := range d.Recording.Points {
				if got = append(got, p.Name+" "+p.Role); p.Packets != 1 {
					t.Errorf("%d packets at %s, want 1", p.Packets, p.Name)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestAPointThatCannotBeNamedIsTrouble(t *testing.T) {
	file := filepath.Join(t.TempDir(), "1.pcap")
	if err := os.WriteFile(file, pcap(syn()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"--point eth0=" + file + " --point docker0=" + file, "is eth0 already"},
		{"--point eth0=/no/such/file", "no such file"},
		{"--point =" + file, "write NAME=FILE"},
	} {
		_, errs, code := dnatrace(append([]string{"replay"}, strings.Fields(c.args)...)...)
		if code != exitTrouble || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d with %q, want 2 and %q", c.args, code, errs, c.want)
		}
	}
}

func TestATargetThatNothingNamesIsTrouble(t *testing.T) {
	const fixture = "../../fixtures/testdata/firewall-drop/recording.pcapng.gz"
	foreign := filepath.Join(t.TempDir(), "eth0.pcap")
	if err := os.WriteFile(foreign, pcap(syn()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, file, target, want string }{
		{"a name that looks like another", fixture, "wob", `no container "wob": did you mean web?`},
		{"a name, where nothing lists containers", foreign, "web", "docker inspect"},
	} {
		out, err, code := dnatrace("replay", c.file, "--target", c.target)
		if code != exitTrouble || out != "" || !strings.Contains(err, c.want) {
			t.Errorf("%s: exit %d with %q and %q, want 2 and %q", c.name, code, out, err, c.want)
		}
	}
	if _, _, code := dnatrace("replay", fixture, "--target", "9999"); code != exitNothing {
		t.Errorf("a port is always a target: exit %d", code)
	}
}

func TestPacketsThatAreNotDecodedAreSaidToBe(t *testing.T) {
	b := pcap(syn(), syn(), syn())
	binary.LittleEndian.PutUint32(b[20:], 253)
	file := filepath.Join(t.TempDir(), "nlmon0.pcap")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	const want = "not decoded: 3 packets at nlmon0: link type 253 (NETLINK)"
	for _, format := range []string{"json", "markdown", "table"} {
		out, errs, code := dnatrace("replay", file, "-o", format)
		if code != exitNothing || !strings.Contains(strings.Join(strings.Fields(out), " "), want) || !strings.Contains(errs, want+"\n") {
			t.Errorf("%s: exit %d, %s%s", format, code, out, errs)
		}
	}
}

func TestADumpOfConnectionsNamesTheTranslation(t *testing.T) {
	file := clocked(t, 1740830400, 1740830405)
	dump := filepath.Join(filepath.Dir(file), "connections.txt")
	line := "tcp      6 100 SYN_SENT src=198.51.100.100 dst=198.51.100.1 sport=50110 dport=8080 [UNREPLIED] src=172.17.0.2 dst=198.51.100.100 sport=80 dport=50110 mark=0 use=1\n"
	if err := os.WriteFile(dump, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := dnatrace("replay", file, dump, "-o", "json")
	var d struct {
		Requests []struct {
			Translated, Proof string
			Evidence          []struct{ Source, Text string }
		}
	}
	if err := json.Unmarshal([]byte(out), &d); err != nil || len(d.Requests) == 0 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, errs)
	}
	r := d.Requests[0]
	if r.Translated != "172.17.0.2:80" || r.Proof != "inferred" || !strings.Contains(out, "198.51.100.100:50110 → 198.51.100.1:8080/tcp is translated to 172.17.0.2:80") {
		t.Errorf("got %+v", r)
	}
}
