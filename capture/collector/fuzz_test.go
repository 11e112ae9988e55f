package collector

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"

	"dnatrace/capture"
	"dnatrace/capture/recording"
)

// FuzzListen is what a collector is told: whatever it is, the collector ends when the
// other side does, and has at most as many records as there were lines.
func FuzzListen(f *testing.F) {
	f.Add([]byte("{\"target\":\"8080\"}\n{\"kind\":\"snapshot\",\"data\":{\"containers\":[{\"id\":\"a\"}]}}\n{}\n"))
	f.Add([]byte("{}\n{\"absent\":\"no engine\"}\n{\"kind\":\"source\",\"data\":{\"name\":\"engine\",\"state\":\"failed\"}}\n"))
	f.Add([]byte("{}\n{\"kind\":\"snapshot\",\"data\":[]}\n\n"))
	f.Fuzz(func(t *testing.T, said []byte) {
		ctx, _, relay, err := Listen(context.Background(), bytes.NewReader(said))
		if err != nil {
			return
		}
		<-ctx.Done()
		if b := relay.batch(); len(b.Records) > bytes.Count(said, []byte("\n")) {
			t.Errorf("%d records of %q", len(b.Records), said)
		}
		relay.Absent(ctx)
		if s, err := relay.Snapshot(ctx); s == nil && err == nil {
			t.Error("neither a snapshot nor why there is none")
		}
	})
}

// FuzzLines cuts what is said into pieces: what is heard does not depend on how.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"armed\":true}\n{\"note\":\"x\"}\nplain text\n{\"error\":\"it is over\"}\n"), uint8(3))
	f.Add([]byte(strings.Repeat("x", 100)+"\n\n"), uint8(1))
	f.Fuzz(func(t *testing.T, said []byte, size uint8) {
		heard := func(step int) (notes []string) {
			s := &Session{words: make(chan Word, 16), note: func(n string) { notes = append(notes, n) }}
			w := &talk{session: s}
			for rest := said; len(rest) > 0; {
				n := min(step, len(rest))
				if _, err := w.Write(rest[:n]); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			return notes
		}
		whole, pieces := heard(len(said)+1), heard(int(size)+1)
		if len(said) < longestWord && strings.Join(whole, "\n") != strings.Join(pieces, "\n") {
			t.Errorf("heard %q at once, and %q in pieces of %d", whole, pieces, size+1)
		}
		lines := bufio.NewReader(bytes.NewReader(said))
		for {
			b, err := readLine(lines)
			if err != nil {
				break
			}
			if len(b) == 0 || b[len(b)-1] != '\n' || bytes.Count(b, []byte("\n")) != 1 {
				t.Fatalf("%q is no line", b)
			}
		}
	})
}

// FuzzStream is what a collector sends: a stream that may be cut, or be no recording.
func FuzzStream(f *testing.F) {
	end := capture.Record{Time: 2, Origin: capture.OriginMeta, Kind: capture.KindEnd, Data: []byte(`{}`)}
	loss := capture.Record{Time: 1, Origin: capture.OriginPackets, Kind: capture.KindLoss, Data: []byte(`{"lost":3}`)}
	f.Add(sent(f, loss, end), false)
	f.Add(sent(f, loss), true)
	f.Add([]byte("no recording"), true)
	f.Fuzz(func(t *testing.T, data []byte, pack bool) {
		s := &Session{out: newPipe(), ended: make(chan struct{})}
		if pack {
			var b bytes.Buffer
			z := gzip.NewWriter(&b)
			z.Write(data)
			z.Close()
			data = b.Bytes()
		}
		if len(data) > pipeHolds {
			return
		}
		if _, err := s.out.Write(data); err != nil {
			t.Fatal(err)
		}
		s.out.end(io.EOF)
		var packets uint64
		for b, err := range s.recorded() {
			if err != nil {
				break
			}
			packets += uint64(len(b.Packets))
			s.count(b)
			for _, p := range b.Packets {
				_ = b.Arena[p.Off : p.Off+p.Len]
			}
		}
		if n, _ := s.Stats(); n != packets {
			t.Errorf("%d packets are counted of %d", n, packets)
		}
	})
}

// sent is what a collector sends, unpacked.
func sent(f *testing.F, records ...capture.Record) []byte {
	f.Helper()
	var b bytes.Buffer
	w := recording.NewWriter(&b, recording.Options{})
	if err := w.Write(&capture.Batch{Records: records}); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}
