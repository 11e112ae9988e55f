package collector

import (
	"io"
	"sync"
)

// pipe holds what came and was not read yet: a collector's two outputs share one
// connection, and what it says of itself may come after the beginning of the stream.
// Who writes more than fits waits.
type pipe struct {
	mu    sync.Mutex
	moved *sync.Cond
	held  []byte
	err   error // of reads, once all that is held was read; nil while open
}

// pipeHolds is how much, in bytes.
const pipeHolds = 4 << 20

func newPipe() *pipe {
	p := &pipe{}
	p.moved = sync.NewCond(&p.mu)
	return p
}

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && len(p.held) >= pipeHolds {
		p.moved.Wait()
	}
	if p.err != nil {
		return 0, io.ErrClosedPipe
	}
	p.held = append(p.held, b...)
	p.moved.Broadcast()
	return len(b), nil
}

func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.err == nil && len(p.held) == 0 {
		p.moved.Wait()
	}
	if len(p.held) == 0 {
		return 0, p.err
	}
	n := copy(b, p.held)
	p.held = p.held[:copy(p.held, p.held[n:])]
	p.moved.Broadcast()
	return n, nil
}

// end has readers get err after what is held. The first end counts.
func (p *pipe) end(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	p.moved.Broadcast()
}
