package archtest

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"dnatrace/fixtures"
)

// TestTheProgramHoldsNoPackageForTests: what is run as root holds nothing that only
// tests need.
func TestTheProgramHoldsNoPackageForTests(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", module+"/cmd/dnatrace").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range strings.Fields(string(out)) {
		for _, bad := range []string{"testing", "github.com/chromedp", "github.com/google/go-cmp", "go.uber.org/goleak", module + "/capture/netns/netnstest"} {
			if p == bad || strings.HasPrefix(p, bad+"/") {
				t.Errorf("the program imports %s", p)
			}
		}
	}
}

// TestTheReleaseIsTheSameWhereverItIsBuilt builds it twice, from another place and
// with another cache, as make build does, and looks into it.
func TestTheReleaseIsTheSameWhereverItIsBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program twice")
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	copyTree(t, root, elsewhere)
	here, there := built(t, root), built(t, elsewhere)
	if !bytes.Equal(here, there) {
		t.Errorf("two builds of %d and %d bytes differ", len(here), len(there))
	}
	t.Logf("%.1f MB", float64(len(here))/1e6)
	for name, want := range map[string]bool{"demo-none": true, "firewall-drop": false} {
		c, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(here, c.Recording); got != want {
			t.Errorf("the recording of %s is in the program: %t, want %t", name, got, want)
		}
	}
}

// copyTree copies a checkout without its history and what was built in it.
func copyTree(t *testing.T, from, to string) {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case name == ".git", name == "bin", name == "bench":
			if d.IsDir() {
				return filepath.SkipDir
			}
			return nil
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func built(t *testing.T, dir string) []byte {
	out := filepath.Join(t.TempDir(), "dnatrace")
	c := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=test", "-o", out, "./cmd/dnatrace")
	c.Dir = dir
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if said, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build in %s: %v: %s", dir, err, said)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
