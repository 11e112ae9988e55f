package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/correlate"
)

// fixture is the folder of a fixture that was made with other tools.
func fixture(name string) string {
	return filepath.Join("..", "..", "fixtures", "testdata", name, "input")
}

func TestAFolderStandsForItsFiles(t *testing.T) {
	out, errs, code := dnatrace("replay", fixture("foreign-drop-any"), "-o", "json", "--target", "web")
	var d correlate.Document
	if err := json.Unmarshal([]byte(out), &d); err != nil {
		t.Fatalf("%v: %s", err, errs)
	}
	if code != 1 || d.Verdict != correlate.Dropped || d.Cause != correlate.CauseFirewallDrop || d.Requests[0].Rule == nil {
		t.Errorf("exit %d, %s:%s\n%s", code, d.Verdict, d.Cause, errs)
	}
	if d.Requests[0].Proof != correlate.Inferred {
		t.Error("a rule that was dumped at an unknown time proves nothing")
	}
}

func TestStrangersInAFolderAreNamed(t *testing.T) {
	dir := t.TempDir()
	capture, err := os.ReadFile(filepath.Join(fixture("foreign-drop-each"), "eth0.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"eth0.pcap": string(capture), "notes\x1b[2J.txt": "it does not work", "addr.json": `[{"ifindex":2,"ifname":"eth0","addr_info":[{"local":"198.51.100.1","prefixlen":24}]},{"if`,
		"1": "x", "2": "x", "3": "x", "4": "x", "5": "x",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, errs, code := dnatrace("replay", dir)
	if code == 2 || strings.Count(errs, "passed over: ") != 5 || !strings.Contains(errs, "and 1 more") || !strings.Contains(errs, "read in part: ") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if strings.Contains(errs, "\x1b") {
		t.Errorf("a name steers the terminal: %q", errs)
	}
}

func TestAFolderOfNothingKnownIsTrouble(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "notes.txt"), []byte("it does not work"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs, code := dnatrace("replay", dir)
	if code != 2 || out != "" || strings.Count(errs, "\n") != 1 {
		t.Errorf("exit %d, %q: %s", code, out, errs)
	}
}
