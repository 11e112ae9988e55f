package pipeline

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"testing"
	"time"
)

func TestAReaderWhoHasStoppedDoesNotHoldUpTheEnd(t *testing.T) {
	Patience = 50 * time.Millisecond
	defer func() { Patience = 2 * time.Second }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(t.Context())
	u := Unstuck(ctx, w)
	time.AfterFunc(50*time.Millisecond, cancel)
	for n := 0; ; n++ {
		if _, err := u.Write(make([]byte, 100_000)); errors.Is(err, ErrStuck) {
			break
		} else if err != nil || n > 100 {
			t.Fatal(n, err)
		}
	}
	if _, err := u.Write([]byte("x")); !errors.Is(err, ErrStuck) {
		t.Errorf("written after that: %v", err)
	}
}

func TestASlowReaderGetsAllAfterTheEnd(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	u := Unstuck(ctx, w)
	var got bytes.Buffer
	read := make(chan error, 1)
	go func() {
		for {
			time.Sleep(2 * time.Millisecond)
			if _, err := io.CopyN(&got, r, 8<<10); err != nil {
				read <- err
				return
			}
		}
	}()
	want := bytes.Repeat([]byte("dnatrace"), 50_000)
	if n, err := u.Write(want); n != len(want) || err != nil {
		t.Errorf("%d of %d: %v", n, len(want), err)
	}
	w.Close()
	if <-read; !bytes.Equal(got.Bytes(), want) {
		t.Errorf("%d bytes came, not what was written", got.Len())
	}
}

func TestAFileOnADiskIsWrittenToDirectly(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if w := Unstuck(t.Context(), f); w != io.Writer(f) {
		t.Errorf("it is a %T", w)
	}
}
