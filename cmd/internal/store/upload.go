package store

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"dnatrace/cmd/internal/render"
)

// Uploader sends files to a place, one after the other, until each is there. Run is for
// one goroutine, Put for any.
type Uploader struct {
	store *Store
	to    Place
	say   func(string) // each sort of trouble once

	files chan file
	mu    sync.Mutex
	said  map[string]bool
	left  int // files that were not sent
}

type file struct {
	path string
	then func(where string)
}

// mostFiles wait at most.
const mostFiles = 256

// Times of Run. They are variables for tests.
var (
	firstWait = time.Second // before what failed is tried again; then twice as long each time
	mostWait  = time.Minute
	farewell  = 10 * time.Second // for what waits when the run is over
)

// NewUploader makes one.
func NewUploader(s *Store, to Place, say func(string)) *Uploader {
	return &Uploader{store: s, to: to, say: say, files: make(chan file, mostFiles), said: map[string]bool{}}
}

// Put has a file sent. Then is called with where it is: there, or still here if it could
// not be sent.
func (u *Uploader) Put(path string, then func(where string)) {
	select {
	case u.files <- file{path, then}:
	default:
		u.trouble("full", fmt.Sprintf("%d recordings wait to be sent to %s: %s stays here", mostFiles, u.to, path))
		u.stays(file{path, then})
	}
}

// Run sends files until ctx ends, and then, for a moment, what is left.
func (u *Uploader) Run(ctx context.Context) {
	for {
		select {
		case f := <-u.files:
			if !u.send(ctx, f) {
				u.finish(context.WithoutCancel(ctx), f)
				return
			}
		case <-ctx.Done():
			u.finish(context.WithoutCancel(ctx))
			return
		}
	}
}

// send tries until a file is there or never will be. It reports false if ctx ended
// before.
func (u *Uploader) send(ctx context.Context, f file) bool {
	for wait := firstWait; ; wait = min(2*wait, mostWait) {
		if ctx.Err() != nil {
			return false
		}
		settled := u.try(ctx, f)
		if settled {
			return true
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// try sends a file once, and reports whether that is settled.
func (u *Uploader) try(ctx context.Context, f file) bool {
	to := u.to.below(filepath.Base(f.path))
	err := u.store.put(ctx, f.path, to)
	if err == nil {
		f.then(to.String())
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	sort, hint := refused(err)
	words := err.Error() + ": it stays here, and is tried again"
	if sort == "gone" {
		words = err.Error()
	}
	if hint != "" {
		words += ": " + hint
	}
	if u.trouble(sort, words); sort == "gone" {
		u.stays(f)
		return true
	}
	return false
}

// finish sends what is left, as long as it may.
func (u *Uploader) finish(ctx context.Context, files ...file) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	for len(u.files) > 0 {
		files = append(files, <-u.files)
	}
	failed := false
	for _, f := range files {
		if failed = failed || !u.try(ctx, f); failed {
			u.stays(f)
		}
	}
	u.mu.Lock()
	left := u.left
	u.mu.Unlock()
	if left > 0 {
		u.trouble("left", fmt.Sprintf("%d recordings were not sent to %s: they are where they were saved", left, u.to))
	}
}

// stays tells that a file was not sent.
func (u *Uploader) stays(f file) {
	u.mu.Lock()
	u.left++
	u.mu.Unlock()
	f.then(f.path)
}

// trouble tells of each sort of it once.
func (u *Uploader) trouble(sort, words string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.said[sort] {
		u.said[sort] = true
		u.say(render.Clean(words))
	}
}
