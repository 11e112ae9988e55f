package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"dnatrace/fixtures"
)

// fixtureFile writes a fixture's recording to a file.
func fixtureFile(t *testing.T, name string) string {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name+".pcapng.gz")
	if err := os.WriteFile(path, c.Recording, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestARedactedRecordingIsJudgedTheSame(t *testing.T) {
	in := fixtureFile(t, "firewall-drop")
	out := filepath.Join(t.TempDir(), "shared.pcapng")
	if _, said, code := dnatrace("redact", in, "-w", out); code != exitOK || !strings.Contains(said, "judged dropped:firewall-drop as before") {
		t.Fatalf("exit %d: %s", code, said)
	}
	if _, said, code := dnatrace("replay", out, "--expect", "dropped:firewall-drop"); code != exitOK {
		t.Errorf("replay exits with %d: %s", code, said)
	}
	st, err := os.Stat(out)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && st.Mode().Perm() != 0o600 {
		t.Errorf("it has mode %v", st.Mode())
	}
	b, _ := os.ReadFile(out)
	for _, secret := range []string{"198.51.100.1", "vethc320d79"} {
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s is still in it", secret)
		}
	}
	if !bytes.Contains(b, []byte(`"redacted":true`)) {
		t.Error("it does not say that it is redacted")
	}
}

func TestTheSameKeyGivesTheSamePseudonyms(t *testing.T) {
	in, dir := fixtureFile(t, "delivered-user-network"), t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("sixteen bytes or more"), 0o600); err != nil {
		t.Fatal(err)
	}
	var got [3][]byte
	for i, args := range [][]string{{"--key", key}, {"--key", key}, nil} {
		out := filepath.Join(dir, "out")
		if _, said, code := dnatrace(append([]string{"redact", in, "-w", out}, args...)...); code != exitOK {
			t.Fatal(said)
		}
		got[i], _ = os.ReadFile(out)
	}
	if !bytes.Equal(got[0], got[1]) {
		t.Error("two runs with one key differ")
	}
	if bytes.Equal(got[0], got[2]) {
		t.Error("a random key gives the same as that of the file")
	}
}

func TestSeveralRecordingsBecomeOne(t *testing.T) {
	out := filepath.Join(t.TempDir(), "both.pcapng")
	a, b := fixtureFile(t, "delivered"), fixtureFile(t, "host-loopback")
	if _, said, code := dnatrace("redact", a, b, "-w", out); code != exitOK {
		t.Fatalf("exit %d: %s", code, said)
	}
	if _, said, code := dnatrace("replay", out, "--expect", "delivered"); code != exitOK {
		t.Errorf("replay exits with %d: %s", code, said)
	}
}

func TestNothingIsWrittenInTrouble(t *testing.T) {
	in, dir := fixtureFile(t, "delivered"), t.TempDir()
	short := filepath.Join(dir, "short.key")
	link := filepath.Join(dir, "link")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(short, link); err != nil {
		t.Skip("no symbolic links here")
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no file", []string{"redact"}, "no file to redact"},
		{"no output", []string{"redact", in}, "name one with -w"},
		{"a key that can be guessed", []string{"redact", in, "-w", filepath.Join(dir, "out"), "--key", short}, "a key has 16 to"},
		{"a key that is not there", []string{"redact", in, "-w", filepath.Join(dir, "out"), "--key", filepath.Join(dir, "none")}, "read key"},
		{"output through a link", []string{"redact", in, "-w", link}, "symbolic link"},
		{"no recording", []string{"redact", short, "-w", filepath.Join(dir, "out")}, "read "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, said, code := dnatrace(c.args...)
			if code != exitTrouble || !strings.Contains(said, c.want) {
				t.Errorf("exit %d: %s", code, said)
			}
		})
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".dnatrace*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestAReportSaysThatWhatItIsMadeFromIsRedacted(t *testing.T) {
	for _, c := range []struct{ name, from string }{
		{"a recording", "../../fixtures/testdata/firewall-drop/recording.pcapng.gz"},
		{"a folder of others' captures", "../../fixtures/testdata/foreign-drop-each/input"},
	} {
		shared, page := filepath.Join(t.TempDir(), "shared.pcapng"), filepath.Join(t.TempDir(), "page.md")
		if _, err, code := dnatrace("redact", c.from, "-w", shared); code != exitOK {
			t.Fatalf("%s: exit %d, %s", c.name, code, err)
		}
		if _, err, code := dnatrace("report", shared, "-o", page); code != exitOK {
			t.Fatalf("%s: exit %d, %s", c.name, code, err)
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "Redacted: addresses and names are pseudonyms") {
			t.Errorf("%s: the report does not say that it is redacted", c.name)
		}
	}
}
