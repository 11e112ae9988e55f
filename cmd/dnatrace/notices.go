package main

import (
	"fmt"
	"io"
	"sync"
)

// notices are what a live run says beside its results. Where a screen is shown they
// are held back until it is gone.
type notices struct {
	mu      sync.Mutex
	to      io.Writer
	holding bool
	held    []string
}

// mostNotices is how many are held back.
const mostNotices = 100

func (n *notices) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	line := fmt.Sprintf(format, args...)
	if !n.holding {
		fmt.Fprintln(n.to, line)
		return
	}
	if len(n.held) == mostNotices {
		n.held = n.held[1:]
	}
	n.held = append(n.held, line)
}

func (n *notices) hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.holding = true
}

// release says what was held back.
func (n *notices) release() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, line := range n.held {
		fmt.Fprintln(n.to, line)
	}
	n.holding, n.held = false, nil
}
