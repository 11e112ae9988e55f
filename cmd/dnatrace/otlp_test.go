package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// taken counts what is sent to a receiver, by path.
func taken(t *testing.T) (url string, got func(path string) int) {
	t.Helper()
	var mu sync.Mutex
	paths := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths[r.URL.Path]++
	}))
	t.Cleanup(s.Close)
	return s.URL, func(path string) int {
		mu.Lock()
		defer mu.Unlock()
		return paths[path]
	}
}

func TestWatchSendsFailuresAndChosenDeliveries(t *testing.T) {
	for _, c := range []struct {
		name, fixture string
		sample        string
		traces, logs  int
	}{
		{"a failure is a trace and a record", "demo-forward-drop", "0", 1, 1},
		{"a delivery is none", "delivered", "0", 0, 0},
		{"unless each is wanted", "delivered", "1", 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			url, got := taken(t)
			_, errs, _ := dnatrace("watch", "--replay", folder+c.fixture, "--speed", "0", "--otlp", url, "--trace-sample", c.sample)
			if got("/v1/traces") != c.traces || got("/v1/logs") != c.logs {
				t.Errorf("%d and %d were sent: %s", got("/v1/traces"), got("/v1/logs"), errs)
			}
			if !regexp.MustCompile(`(?m)^traces to http://127\.0\.0\.1:\d+, secret [0-9a-f]{8}$`).MatchString(errs) {
				t.Errorf("it says %s", errs)
			}
		})
	}
}

func TestTheSecretIsKnownByItsCheck(t *testing.T) {
	url, _ := taken(t)
	check := func(secret string) string {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		_, errs, code := dnatrace("watch", "--replay", folder+"delivered", "--speed", "0", "--otlp", url, "--trace-secret", path)
		if code != exitOK {
			return errs
		}
		return regexp.MustCompile(`secret [0-9a-f]{8}`).FindString(errs)
	}
	one, same, other := check("sixteen bytes and more"), check("sixteen bytes and more\n"), check("sixteen other bytes")
	if one == "" || one != same || one == other {
		t.Errorf("they are %q, %q and %q", one, same, other)
	}
	if short := check("short"); !strings.Contains(short, "less than 16 bytes") {
		t.Errorf("a short one is %q", short)
	}
}

func TestTracesAreRefusedWhereTheyHaveNoMeaning(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"watch --otlp collector:4318", "is no URL of a receiver"},
		{"watch --otlp http://me:word@h", "has no user or password"},
		{"diagnose --trace-secret x", "say with --otlp where traces go"},
		{"watch --trace-sample 5", "say with --otlp where traces go"},
		{"watch --otlp http://h --trace-sample -1", "must not be negative"},
		{"diagnose -r x --otlp http://h", "-r reads files"},
		{"watch --replay x --otlp http://h --trace-secret /nonexistent", "read secret for trace ids"},
	} {
		out, err, code := dnatrace(strings.Fields(c.args)...)
		if code != exitTrouble || out != "" || !strings.Contains(err, c.want) || strings.Contains(err, "me:word") {
			t.Errorf("%s: exit %d, %q, %q", c.args, code, out, err)
		}
	}
}
