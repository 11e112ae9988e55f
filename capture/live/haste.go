package live

import (
	"sync"
	"time"
)

// Times of a haste.
const (
	behind = 150 * time.Millisecond // a ring that is read so late is filling up
	calm   = 10 * time.Second       // for so long nothing must be, to give way again
	arming = 2 * time.Second        // what waited for the first read says nothing
)

// haste has the process stop giving way while its rings are read late: what they
// have no room for is evidence that is gone, and a host that is busy now is the one
// that is asked about.
type haste struct {
	set func(hurry bool)

	mu    sync.Mutex
	from  int64 // Unix ns: what is read before says nothing; 0: nothing was read yet
	until int64 // Unix ns: hurrying up to then; 0: not
}

// read takes note that packets were read so long after they came. Any ring may tell.
func (h *haste) read(now int64, late time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.from == 0 {
		h.from = now + int64(arming)
	}
	switch {
	case now < h.from:
	case late >= behind:
		if h.until == 0 {
			h.set(true)
		}
		h.until = now + int64(calm)
	case h.until != 0 && now > h.until:
		h.until = 0
		h.set(false)
	}
}
