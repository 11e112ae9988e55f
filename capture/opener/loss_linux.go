package opener

import (
	"fmt"
	"sync"
)

// loss is when and why an opener answers no more.
type loss struct {
	once sync.Once
	lost chan struct{}
	why  error // valid once lost is closed
}

func (l *loss) is(why error) {
	l.once.Do(func() {
		l.why = why
		if l.lost != nil { // nil of an opener that has no process to lose
			close(l.lost)
		}
	})
}

// wait notes how the process ended.
func (o *Opener) wait() {
	o.how = o.child.Wait()
	close(o.ended)
	why := "it ended by itself"
	if o.how != nil {
		why = o.how.Error()
	}
	o.loss.is(fmt.Errorf("the process that keeps the privilege is gone (%s)", why))
}

// Lost is closed once this opener answers no more, because its process has ended or
// did not answer in time. What it opened stays open; what it would have read from then
// on is not in evidence. Nil, which is never ready, for one in this process.
func (o *Opener) Lost() <-chan struct{} { return o.loss.lost }

// Loss says why, once Lost is closed.
func (o *Opener) Loss() error { return o.loss.why }
