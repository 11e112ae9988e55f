package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/fixtures"
)

// TestEveryFixtureMinimisedIsJudgedTheSame takes one fixture of four, or all of
// them with DNATRACE_ALL_FIXTURES.
func TestEveryFixtureMinimisedIsJudgedTheSame(t *testing.T) {
	var was, is int64
	more := 0
	for i, name := range fixtures.Names() {
		if i%4 != 0 && os.Getenv("DNATRACE_ALL_FIXTURES") == "" {
			continue
		}
		in := fixtureFile(t, name)
		out := filepath.Join(t.TempDir(), "small.pcapng.gz")
		_, said, code := dnatrace("minimise", in, "-w", out)
		if code == exitNothing {
			continue // nobody asked anything
		}
		if code != exitOK || !strings.Contains(said, "judged as before") {
			t.Errorf("%s: exit %d: %s", name, code, said)
			continue
		}
		if strings.Contains(said, "keeping") {
			t.Logf("%s: more had to be kept: %s", name, said)
			more++
		}
		d := fixtures.Check(t, in, verdictOf(t, in))
		fixtures.Check(t, out, d.Verdict.String()+":"+string(d.Cause))
		was, is = was+sizeOf(t, in), is+sizeOf(t, out)
	}
	t.Logf("%d bytes were minimised to %d", was, is)
	if n := len(fixtures.Names()); more > n/10 {
		t.Errorf("more than the least had to be kept of %d of %d", more, n)
	}
}

// verdictOf is the verdict of a recording of which nothing is expected.
func verdictOf(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := fixtures.Case{Name: path, Recording: b}.Replay()
	if err != nil {
		t.Fatal(err)
	}
	return d.Verdict.String()
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// TestFewPacketsTakeLittleRoom: what a request of at most five packets rests on,
// uncompressed.
func TestFewPacketsTakeLittleRoom(t *testing.T) {
	const most = 20_000
	for _, name := range []string{"demo-forward-drop", "container-paused", "firewall-drop-nft", "firewall-drop-policy", "forwarding-disabled"} {
		out := filepath.Join(t.TempDir(), "small.pcapng")
		_, said, code := dnatrace("minimise", fixtureFile(t, name), "-w", out)
		if code != exitOK || strings.Contains(said, "keeping") {
			t.Errorf("%s: exit %d: %s", name, code, said)
			continue
		}
		if size := sizeOf(t, out); size > most {
			t.Errorf("%s: %d bytes: %s", name, size, said)
		}
	}
}

func TestOneRequestOfManyIsKept(t *testing.T) {
	good, bad := fixtureFile(t, "delivered"), fixtureFile(t, "no-listener")
	out := filepath.Join(t.TempDir(), "one.pcapng")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"the one that the verdict is about", nil, "refused:no-listener"},
		{"one that was delivered", []string{"--request", "1"}, "delivered"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, said, code := dnatrace(append([]string{"minimise", good, bad, "-w", out}, c.args...)...); code != exitOK {
				t.Fatalf("exit %d: %s", code, said)
			}
			if got := fixtures.Check(t, out, c.want); len(got.Requests) != 1 {
				t.Errorf("%d requests are left of it", len(got.Requests))
			}
		})
	}
}

func TestMinimiseSaysWhatItCannotDo(t *testing.T) {
	in, dir := fixtureFile(t, "delivered"), t.TempDir()
	for _, c := range []struct {
		args string
		want string
		code int
	}{
		{in, "name one with -w", exitTrouble},
		{in + " -w " + dir + "/out --request 4711", `there is none with this id`, exitTrouble},
		{in + " -w " + dir + "/out --request 1 --all", "give one of them", exitTrouble},
		{in + " -w " + dir + "/out --target 9999", "no request was judged", exitNothing},
	} {
		_, said, code := dnatrace(append([]string{"minimise"}, strings.Fields(c.args)...)...)
		if code != c.code || !strings.Contains(said, c.want) {
			t.Errorf("%s: exit %d: %s", c.args, code, said)
		}
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
