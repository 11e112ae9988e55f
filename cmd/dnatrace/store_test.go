package main

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
	"github.com/spf13/cobra"

	"dnatrace/cmd/internal/flight"
	"dnatrace/fixtures"
)

// aStore is one with a bucket, which the environment leads to.
func aStore(t *testing.T, bucket string) {
	t.Helper()
	mem := s3mem.New()
	if err := mem.CreateBucket(bucket); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(gofakes3.New(mem, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(s.Close)
	for name, v := range map[string]string{"AWS_ENDPOINT_URL_S3": s.URL, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_REGION": "us-east-1"} {
		t.Setenv(name, v)
	}
}

func TestWhatIsSavedAndSentIsReplayedFromTheStore(t *testing.T) {
	aStore(t, "failures")
	c, err := fixtures.Load("demo-forward-drop")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder+c.Name, "*.pcapng*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %v", files, err)
	}
	var errs strings.Builder
	a := &app{streams: streams{err: &errs}}
	f := captureFlags{keepFlags: keepFlags{uploadTo: "s3://failures/alpha"}}
	var where string
	up, err := a.upload(t.Context(), &f, func(s flight.Saved) { where = s.Path })
	if err != nil {
		t.Fatal(err)
	}
	f.onSaved(flight.Saved{Path: files[0]})
	up.close()
	if where != "s3://failures/alpha/"+filepath.Base(files[0]) || !strings.Contains(errs.String(), "sent to s3://failures/alpha/") {
		t.Fatalf("it is at %q: %s", where, errs.String())
	}
	before, _ := filepath.Glob(filepath.Join(os.TempDir(), "dnatrace-fetched-*"))
	for _, c := range []struct {
		args []string
		code int
	}{
		{[]string{"replay", where}, exitFailed}, {[]string{"watch", "--replay", where, "--speed", "0"}, exitFailed}, {[]string{"diagnose", "8080", "-r", where}, exitFailed},
		{[]string{"report", where, "-o", filepath.Join(t.TempDir(), "x.md")}, exitOK},
	} {
		args := c.args
		out, errs, code := dnatrace(args...)
		if code != c.code || args[0] == "replay" && !strings.Contains(out, "DROPPED") {
			t.Errorf("%v: exit %d: %s%s", args, code, out, errs)
		}
	}
	if after, _ := filepath.Glob(filepath.Join(os.TempDir(), "dnatrace-fetched-*")); len(after) > len(before) {
		t.Errorf("it leaves %v", after)
	}
	if _, errs, code := dnatrace("replay", "s3://failures/none.pcapng"); code != exitTrouble || !strings.Contains(errs, "fetch s3://failures/none.pcapng") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// A command that reads files and is not among readers would take an address for a name.
func TestEveryCommandThatReadsFilesFetchesThem(t *testing.T) {
	a := &app{}
	for _, c := range a.root().Commands() {
		if takesFiles(c) && c.Flags().Lookup("read") == nil && !strings.Contains(strings.Join(readers, " "), c.Name()) {
			t.Errorf("%s takes files, and fetches none", c.Use)
		}
	}
}

func takesFiles(c *cobra.Command) bool { return strings.Contains(c.Use, " FILE…") && !c.Hidden }

func TestPlacesThatAreNoneAreRefused(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"watch --upload s3://b", "say with --save where recordings go"},
		{"watch --save x --upload /tmp", "is no place in a store"},
		{"replay s3://", "is no place in a store"},
	} {
		out, err, code := dnatrace(strings.Fields(c.args)...)
		if code != exitTrouble || out != "" || !strings.Contains(err, c.want) {
			t.Errorf("%s: exit %d, %q, %q", c.args, code, out, err)
		}
	}
}
