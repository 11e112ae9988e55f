package probe

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net"
	"os"
	"sync"
	"time"

	"dnatrace/capture"
)

// Probe is a probe made by another process, or another goroutine. Its methods
// are for one goroutine at a time, but for Over and Told.
type Probe struct {
	file *os.File
	want Want
	over chan struct{}

	mu   sync.Mutex
	once sync.Once
	told []Event // Away, Lingering, Failed
	done chan struct{}
	news chan Event
}

// New takes a file from Open.
func New(f *os.File, w Want) *Probe {
	p := &Probe{file: f, want: w, over: make(chan struct{}), done: make(chan struct{}), news: make(chan Event, 256)}
	go p.read()
	return p
}

// read reads what the station says until it has taken all back.
func (p *Probe) read() {
	defer close(p.done)
	defer p.finish()
	buf := make([]byte, 8192)
	for {
		n, err := p.file.Read(buf)
		if n == 0 || err != nil {
			return
		}
		var e Event
		if json.Unmarshal(buf[:n], &e) != nil {
			continue
		}
		switch e.Kind {
		case Answer, Away:
			select {
			case p.news <- e:
			default: // nobody reads any more
			}
			if e.Kind == Answer {
				continue
			}
		case Over:
			p.finish()
			continue
		case Failed:
			p.finish()
		}
		p.mu.Lock()
		p.told = append(p.told, e)
		p.mu.Unlock()
	}
}

func (p *Probe) finish() { p.once.Do(func() { close(p.over) }) }

// Begin has the requests made.
func (p *Probe) Begin() error {
	_, err := p.file.Write([]byte(wordGo))
	return err
}

// Over is closed when every conversation is over, but for those that wait for an
// answer that may never come.
func (p *Probe) Over() <-chan struct{} { return p.over }

// Told are the events so far that are no packets.
func (p *Probe) Told() []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Event(nil), p.told...)
}

// errLeft says that a probe has not been taken back yet.
var errLeft = errors.New("the probe is not taken back yet")

// Close has the connections reset and the guard removed, and waits for that for
// some time. On an error it is not done yet, and goes on without us.
func (p *Probe) Close(patience time.Duration) error {
	_, _ = p.file.Write([]byte(wordEnd)) // what is gone has ended, too
	defer p.file.Close()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case <-p.done:
			return nil
		case <-late.C:
			return errLeft
		case <-time.After(20 * time.Millisecond):
			if p.Lingers() != "" {
				return errLeft
			}
		}
	}
}

// Lingers reports why the guard has to stay for longer than one waits, "" if it
// has not.
func (p *Probe) Lingers() string {
	for _, e := range p.Told() {
		if e.Kind == Lingering {
			return e.Why
		}
	}
	return ""
}

// lateness is how long a packet may be under way from the guard to here. It must
// be less than what the Merger waits for.
const lateness = 50 * time.Millisecond

// Source yields the packets that the guard stopped, answers and requests, as frames
// that leave by the interface they would have left by. Points gives the point of an interface, or
// nothing where it is not watched. Every batch promises, as those of other live
// sources.
func (p *Probe) Source(points func(link string) (capture.Point, bool)) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			f := framer{points: points, to: mac(p.want.From), from: mac(p.want.To)}
			pulse := time.NewTicker(20 * time.Millisecond)
			defer pulse.Stop()
			for {
				f.batch = capture.Batch{}
				ended := false
				select {
				case e := <-p.news:
					f.add(e)
				case <-pulse.C:
				case <-ctx.Done():
					ended = true
				}
				for more := true; more && len(f.batch.Packets) < capture.BatchSize; {
					select {
					case e := <-p.news:
						f.add(e)
					default:
						more = false
					}
				}
				f.batch.Until = time.Now().Add(-lateness).UnixNano()
				if !yield(&f.batch, nil) || ended {
					return
				}
			}
		}
	}
}

// framer makes frames of packets.
type framer struct {
	points   func(string) (capture.Point, bool)
	to, from [6]byte
	batch    capture.Batch
}

func (f *framer) add(e Event) {
	at, ok := f.points(e.Link)
	if !ok {
		return
	}
	frame := Frame(f.to, f.from, e.IP)
	f.batch.Packets = append(f.batch.Packets, capture.Packet{
		Time: e.Time, Off: uint32(len(f.batch.Arena)), Len: uint32(len(frame)), Orig: uint32(ethernetSize + max(e.Full, len(e.IP))), Point: at.ID, Dir: capture.DirOut,
	})
	f.batch.Arena = append(f.batch.Arena, frame...)
}

func mac(s string) (out [6]byte) {
	if m, err := net.ParseMAC(s); err == nil && len(m) == 6 {
		copy(out[:], m)
	}
	return out
}
