package render

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"dnatrace/correlate"
)

// inFile opens the files of a spool in a folder of the test.
func inFile(t *testing.T) func() (*os.File, error) {
	dir := t.TempDir()
	return func() (*os.File, error) { return os.CreateTemp(dir, "") }
}

func TestWhatIsHeldComesBackInOrderOfItsNumbers(t *testing.T) {
	for _, c := range []struct {
		name     string
		overflow func() (*os.File, error)
		room     int
	}{
		{"in memory", nil, 10},
		{"in memory, with room for all", inFile(t), 1 << 20},
		{"in a file", inFile(t), 100},
	} {
		s := newSpool(c.overflow)
		s.values.room, s.places.room = c.room, c.room
		const count = 1000
		for round := range 3 { // each is put again, the last counts
			for i := range count {
				number := uint64(i*7919%count) * window / 100 // over several windows, with gaps
				if err := s.put(number, fmt.Appendf(nil, "%d of round %d", number, round)); err != nil {
					t.Fatal(err)
				}
			}
		}
		next := uint64(0)
		err := s.each(func(value []byte) error {
			want := fmt.Sprintf("%d of round 2", next*window/100)
			if string(value) != want {
				return fmt.Errorf("got %q, want %q", value, want)
			}
			next++
			return nil
		})
		if err != nil || next != count {
			t.Errorf("%s: %d values, %v", c.name, next, err)
		}
		if inFile := s.values.file != nil; inFile != (c.name == "in a file") {
			t.Errorf("%s: in a file %v", c.name, inFile)
		}
		s.close()
	}
}

// A document is the same, byte for byte, whether its requests are in its list or
// were held as they came, in memory or in a file.
func TestADocumentIsTheSameHoweverItsRequestsWereHeld(t *testing.T) {
	d := correlate.Document{Schema: correlate.Schema, Target: "\n  \"requests\": []", Summary: correlate.Summary{Dropped: 300}}
	for i := range 300 {
		d.Requests = append(d.Requests, correlate.Incident{ID: strconv.Itoa(i + 1), Rev: 2, Final: true, Verdict: correlate.Dropped, Why: strings.Repeat("<because>", i)})
	}
	var want bytes.Buffer
	if err := New(&want, FormatJSON, Options{}).End(&d); err != nil {
		t.Fatal(err)
	}
	var back correlate.Document
	if err := json.Unmarshal(want.Bytes(), &back); err != nil || len(back.Requests) != 300 {
		t.Fatalf("%d requests, %v", len(back.Requests), err)
	}
	for _, room := range []int{1 << 20, 1000} {
		var got bytes.Buffer
		p := New(&got, FormatJSON, Options{Overflow: inFile(t)}).(*jsonPrinter)
		p.held.values.room, p.held.places.room = room, room
		for i := range d.Requests {
			told := d.Requests[len(d.Requests)-1-i]
			told.Rev, told.Final = 1, false
			p.Incident(&told)
		}
		for i := range d.Requests {
			p.Incident(&d.Requests[i])
		}
		rest := d
		rest.Requests = nil
		if err := p.End(&rest); err != nil || got.String() != want.String() {
			t.Errorf("with room for %d bytes the document is another: %v", room, err)
		}
	}
}

func TestADocumentWithoutRequestsSaysSo(t *testing.T) {
	var out bytes.Buffer
	if err := New(&out, FormatJSON, Options{}).End(&correlate.Document{}); err != nil || !strings.Contains(out.String(), "\n  \"requests\": [],\n") {
		t.Errorf("%s, %v", out.String(), err)
	}
}

// Where nothing can be held, that is told, and no part of a document is taken for
// a whole one.
func TestTroubleWithHoldingIsTold(t *testing.T) {
	broken := errors.New("no room")
	p := New(&bytes.Buffer{}, FormatJSON, Options{Overflow: func() (*os.File, error) { return nil, broken }}).(*jsonPrinter)
	p.held.values.room = 100
	for i := range 10 {
		p.Incident(&correlate.Incident{ID: strconv.Itoa(i)})
	}
	if err := p.End(&correlate.Document{}); !errors.Is(err, broken) {
		t.Errorf("told: %v", err)
	}
	closed := New(&bytes.Buffer{}, FormatJSON, Options{Overflow: func() (*os.File, error) {
		f, err := os.Create(filepath.Join(t.TempDir(), "x"))
		f.Close()
		return f, err
	}}).(*jsonPrinter)
	closed.held.values.room = 100
	for i := range 10 {
		closed.Incident(&correlate.Incident{ID: strconv.Itoa(i)})
	}
	if err := closed.End(&correlate.Document{}); !errors.Is(err, os.ErrClosed) {
		t.Errorf("told: %v", err)
	}
}
