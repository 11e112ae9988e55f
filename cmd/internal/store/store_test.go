package store

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// fake is a store with a bucket, which the environment leads to.
func fake(t *testing.T, bucket string) *s3mem.Backend {
	t.Helper()
	mem := s3mem.New()
	if bucket != "" {
		if err := mem.CreateBucket(bucket); err != nil {
			t.Fatal(err)
		}
	}
	s := httptest.NewServer(gofakes3.New(mem, gofakes3.WithLogger(gofakes3.DiscardLog())).Server())
	t.Cleanup(s.Close)
	environment(t, s.URL)
	return mem
}

func environment(t *testing.T, url string) {
	t.Setenv("AWS_ENDPOINT_URL_S3", url)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "word")
	t.Setenv("AWS_REGION", "us-east-1")
}

func opened(t *testing.T, at string) (*Store, Place) {
	t.Helper()
	s, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	return s, p
}

// saved is a recording, as far as a store cares.
func saved(t *testing.T, name string) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte("what "+name+" holds"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sending is an uploader at work.
type sending struct {
	*Uploader
	mu    sync.Mutex
	said  []string
	where map[string]string
	stop  context.CancelFunc
	done  chan struct{}
}

func send(t *testing.T, at string) *sending {
	t.Helper()
	firstWait, mostWait, farewell = 10*time.Millisecond, 50*time.Millisecond, time.Second
	s, p := opened(t, at)
	u := &sending{where: map[string]string{}, done: make(chan struct{})}
	u.Uploader = NewUploader(s, p, func(s string) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.said = append(u.said, s)
	})
	ctx, cancel := context.WithCancel(context.Background())
	u.stop = cancel
	go func() { defer close(u.done); u.Run(ctx) }()
	t.Cleanup(u.end)
	return u
}

func (u *sending) end() { u.stop(); <-u.done }

func (u *sending) put(path string) {
	u.Put(path, func(where string) {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.where[filepath.Base(path)] = where
	})
}

func (u *sending) now() (where map[string]string, said []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	where = map[string]string{}
	for k, v := range u.where {
		where[k] = v
	}
	return where, append([]string{}, u.said...)
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: never", what)
		}
	}
}

func TestWhatIsSentIsFetched(t *testing.T) {
	fake(t, "failures")
	u := send(t, "s3://failures/alpha")
	u.put(saved(t, "one.pcapng"))
	u.put(saved(t, "two.pcapng"))
	until(t, "both are there", func() bool { w, _ := u.now(); return len(w) == 2 })
	where, said := u.now()
	if where["one.pcapng"] != "s3://failures/alpha/one.pcapng" || len(said) != 0 {
		t.Fatalf("they are at %v: %q", where, said)
	}
	s, p := opened(t, where["two.pcapng"])
	file, err := s.Fetch(t.Context(), p, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "what two.pcapng holds" || filepath.Base(file) != "two.pcapng" {
		t.Errorf("%s holds %q, %v", file, b, err)
	}
	for _, bad := range []string{"s3://failures/alpha/none.pcapng", "s3://failures/", "s3://failures", "s3://nothing/x", "s3://failures/a/.."} {
		s, p := opened(t, bad)
		if file, err := s.Fetch(t.Context(), p, t.TempDir()); err == nil || !strings.Contains(err.Error(), "fetch "+Scheme) {
			t.Errorf("%s is %s, %v", bad, file, err)
		}
	}
}

func TestAStoreThatIsMadeLaterGetsWhatWaited(t *testing.T) {
	mem := fake(t, "")
	u := send(t, "s3://failures")
	u.put(saved(t, "one.pcapng"))
	until(t, "it is told", func() bool { _, said := u.now(); return len(said) > 0 })
	if err := mem.CreateBucket("failures"); err != nil {
		t.Fatal(err)
	}
	until(t, "it is there", func() bool { w, _ := u.now(); return w["one.pcapng"] == "s3://failures/one.pcapng" })
	if _, said := u.now(); len(said) != 1 || !strings.Contains(said[0], "make the bucket") {
		t.Errorf("it says %q", said)
	}
}

func TestAStoreThatIsAwayLeavesFilesWhereTheyAre(t *testing.T) {
	environment(t, "http://127.0.0.1:1")
	u := send(t, "s3://failures")
	gone := saved(t, "gone.pcapng")
	u.put(saved(t, "one.pcapng"))
	u.put(gone)
	until(t, "it is told", func() bool { _, said := u.now(); return len(said) > 0 })
	u.end()
	where, said := u.now()
	if !filepath.IsAbs(where["one.pcapng"]) || where["gone.pcapng"] != gone {
		t.Errorf("they are at %v", where)
	}
	if len(said) != 2 || !strings.Contains(said[0], "tried again") || !strings.Contains(said[1], "2 recordings were not sent") {
		t.Errorf("it says %q", said)
	}
}

func TestAFileThatMadeRoomIsPassedOver(t *testing.T) {
	fake(t, "failures")
	u := send(t, "s3://failures")
	u.put(filepath.Join(t.TempDir(), "gone.pcapng"))
	u.put(saved(t, "one.pcapng"))
	until(t, "the next is there", func() bool { w, _ := u.now(); return w["one.pcapng"] == "s3://failures/one.pcapng" })
	if _, said := u.now(); len(said) != 1 || !strings.Contains(said[0], "--save-limit") {
		t.Errorf("it says %q", said)
	}
}

func TestPlaces(t *testing.T) {
	for in, want := range map[string]string{"s3://b": "s3://b/", "s3://b/": "s3://b/", "s3://b/p": "s3://b/p", "s3://b//p/": "s3://b/p/"} {
		if p, err := Parse(in); err != nil || p.String() != want {
			t.Errorf("%s is %s, %v", in, p, err)
		}
	}
	for _, in := range []string{"", "b", "s3://", "s3:///p", "http://b", "s3://me:word@b"} {
		if p, err := Parse(in); err == nil {
			t.Errorf("%q is taken, for %s", in, p)
		}
	}
	t.Setenv("AWS_ENDPOINT_URL_S3", "ftp://x")
	if _, err := Open(); err == nil {
		t.Error("a store is asked over FTP")
	}
}
