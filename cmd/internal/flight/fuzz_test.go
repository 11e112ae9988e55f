package flight

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"

	"dnatrace/capture/recording"
	"dnatrace/fixtures"
)

// memory is a file that is not on disk.
type memory struct{ bytes.Buffer }

func (*memory) Close() error { return nil }

// FuzzRotation writes whatever stream a recording tells to small files that take turns:
// each is a recording, and no packet is lost between them.
func FuzzRotation(f *testing.F) {
	for _, name := range []string{"demo-none", "without-iptables"} {
		c, err := fixtures.Load(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(unzipped(f, c.Recording), uint16(4))
	}
	f.Fuzz(func(t *testing.T, file []byte, size uint16) {
		src, _, err := recording.OpenReader(bytes.NewReader(file), "fuzzed.pcapng")
		if err != nil || len(file) > 1<<20 {
			return
		}
		var files []*memory
		r, err := NewRotation(Turns{Name: "x", Size: 4096 + int64(size)}, time.Unix(0, 0), recording.Options{},
			func(string) (io.WriteCloser, error) { m := &memory{}; files = append(files, m); return m, nil },
			func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		var want uint64
		for b, err := range src(t.Context()) {
			if err != nil {
				break
			}
			want += uint64(len(b.Packets))
			if err := r.Write(b); err != nil {
				t.Fatal(err)
			}
			if len(files) > 1000 {
				return
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		var got uint64
		for i, m := range files {
			part, _, err := recording.OpenReader(&m.Buffer, "part.pcapng")
			if err != nil {
				t.Fatalf("part %d: %v", i, err)
			}
			for b, err := range part(t.Context()) {
				if err != nil {
					t.Fatalf("part %d: %v", i, err)
				}
				got += uint64(len(b.Packets))
			}
		}
		if got != want || r.Packets() != want {
			t.Errorf("%d packets in %d files, %d counted, of %d", got, len(files), r.Packets(), want)
		}
	})
}

func unzipped(f *testing.F, packed []byte) []byte {
	f.Helper()
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		f.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		f.Fatal(err)
	}
	return b
}
