package collector

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"

	"dnatrace/capture"
	"dnatrace/capture/engine/docker"
	"dnatrace/capture/recording"
)

// capabilities are what the collector holds: what the opener keeps, and no more.
var capabilities = []string{"NET_ADMIN", "NET_RAW", "SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"}

// memory bounds a collector, in bytes. Its rings are the kernel's.
const memory = 384 << 20

// How long a collector may take to arm its sources, and to end once it is told to.
const (
	armingLimit = 60 * time.Second
	endingLimit = 20 * time.Second
)

// Session is a host that is watched by a collector. Every source is armed when Open
// returns.
type Session struct {
	guest  *docker.Guest
	engine *docker.Engine
	mark   string

	words chan Word
	note  func(string)
	armed Word
	out   *pipe
	ended chan struct{} // closed when nothing more comes from the collector
	why   error         // valid then

	relay   sync.WaitGroup
	stopped context.CancelFunc // has the relay end
	mu      sync.Mutex         // one line at a time

	packets, lost atomic.Uint64
}

// Options of a session.
type Options struct {
	Request
	Given string       // the program or image to use; "" for this program, or the one beside it
	Mark  string       // tells the collector from others; see NewMark
	Note  func(string) // is told what the collector has to say, a line each
}

// NewMark makes up what tells a collector from others.
func NewMark() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Open brings a collector to the engine and has it begin.
func Open(ctx context.Context, e *docker.Engine, o Options) (*Session, error) {
	m, err := e.Machine(ctx)
	if err != nil {
		return nil, err
	}
	p, err := choose(m, o.Given)
	if err != nil {
		return nil, fmt.Errorf("bring a collector to %s: %w", e.Host(), err)
	}
	_ = e.Sweep(ctx) // of what others left: no reason not to go on
	archive := p.archive(ctx)
	if archive != nil {
		defer archive.Close()
	}
	g, err := e.Invite(ctx, docker.GuestSpec{Mark: o.Mark, Image: p.image, Archive: archive, Args: []string{"collector"}, Capabilities: capabilities, Memory: memory})
	if err != nil {
		return nil, fmt.Errorf("bring a collector to %s: %w", e.Host(), err)
	}
	s := &Session{guest: g, engine: e, mark: o.Mark, note: o.Note, words: make(chan Word, 16), ended: make(chan struct{})}
	if err := s.begin(ctx, o.Request); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// begin has the collector arm its sources.
func (s *Session) begin(ctx context.Context, r Request) error {
	s.out = newPipe()
	go s.receive()
	if err := s.say(r); err != nil {
		return fmt.Errorf("speak to the collector: %w", err)
	}
	passing, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stopped = stop
	s.relay.Go(func() { s.pass(passing) })
	s.relay.Go(func() { s.keepUp(passing) })
	limit := time.NewTimer(armingLimit)
	defer limit.Stop()
	for {
		select {
		case w := <-s.words:
			switch {
			case w.Error != "":
				return errors.New(w.Error)
			case w.Armed, w.Report != nil:
				s.armed = w
				return nil
			}
		case <-s.ended:
			return s.early()
		case <-limit.C:
			return fmt.Errorf("the collector has not begun within %s", armingLimit)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// early is why a collector ended before it began.
func (s *Session) early() error {
	for {
		select {
		case w := <-s.words:
			if w.Error != "" {
				return errors.New(w.Error)
			}
			continue
		default:
		}
		break
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	code, err := s.guest.Exit(ctx)
	switch {
	case code == 137:
		return errors.New("the collector was killed: the engine's host may be short of memory")
	case err == nil:
		return fmt.Errorf("the collector ended before it began (exit code %d)", code)
	}
	return fmt.Errorf("the collector ended before it began: %w", errors.Join(s.why, err))
}

// receive takes what the collector prints, until it ends.
func (s *Session) receive() {
	defer close(s.ended)
	s.why = s.guest.Copy(s.out, &talk{session: s})
	if s.why == nil {
		s.why = io.EOF
	}
	s.out.end(s.why)
}

// talk is the standard error of the collector: words, a line each.
type talk struct {
	session *Session
	rest    []byte
}

// longestWord bounds what is kept of a line that does not end.
const longestWord = 8 << 20

func (t *talk) Write(b []byte) (int, error) {
	t.rest = append(t.rest, b...)
	for {
		text, rest, whole := bytes.Cut(t.rest, []byte{'\n'})
		if !whole {
			break
		}
		t.rest = rest
		t.session.hear(text)
	}
	if len(t.rest) > longestWord {
		t.rest = nil
	}
	return len(b), nil
}

func (s *Session) hear(text []byte) {
	var w Word
	if json.Unmarshal(text, &w) != nil {
		w = Word{Note: string(text)}
	}
	if w.Note != "" && s.note != nil {
		s.note(w.Note)
	}
	select {
	case s.words <- w:
	default: // nobody waits for it
	}
}

// say writes one line to the collector.
func (s *Session) say(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	_, err = s.guest.Write(append(b, '\n'))
	return err
}

// pass hands on what the engine says, until ctx ends, and its last word then.
func (s *Session) pass(ctx context.Context) {
	for b, err := range s.engine.Source()(ctx) {
		if err != nil {
			return
		}
		for _, r := range b.Records {
			if s.say(line{Kind: r.Kind, Data: r.Data}) != nil {
				return
			}
		}
	}
}

// keepUp lets the collector know that somebody is there.
func (s *Session) keepUp(ctx context.Context) {
	tick := time.NewTicker(lineEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s.say(line{}) != nil {
				return
			}
		}
	}
}

// end has the collector finish: it looks at the host once more, sends what it has,
// and ends.
func (s *Session) end() {
	s.stopped()
	s.relay.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.guest.CloseWrite()
}

// Points are the points that are watched from the start.
func (s *Session) Points() []capture.Point { return s.armed.Points }

// Sources says what became of each source there.
func (s *Session) Sources() []capture.SourceState { return s.armed.Sources }

// Report is what a collector was asked to find out, as JSON.
func (s *Session) Report() []byte { return s.armed.Report }

// Stats returns how many packets came, and how many were lost there, so far.
func (s *Session) Stats() (packets, lost uint64) { return s.packets.Load(), s.lost.Load() }

// Late is how many packets came too late to be put in order: the collector tells.
func (s *Session) Late() uint64 { return 0 }

// Paced says when the rule trace rested: the stream tells.
func (s *Session) Paced() string { return "" }

// Source is the stream. It can be ranged over once. When ctx ends, so does the
// collector, in order. An error is that the collector ended by itself.
func (s *Session) Source() capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			done := context.AfterFunc(ctx, func() {
				go s.end() // who has stopped listening is not waited for
				select {
				case <-s.ended:
				case <-time.After(endingLimit):
					s.out.end(errors.New("the collector does not end"))
				}
			})
			defer done()
			whole := false
			for b, err := range s.recorded() {
				if err == nil {
					whole = s.count(b) || whole
				}
				if !yield(b, err) {
					return
				}
			}
			if !whole && ctx.Err() == nil {
				yield(nil, s.broken())
			}
		}
	}
}

// recorded is the recording as it comes.
func (s *Session) recorded() iter.Seq2[*capture.Batch, error] {
	return func(yield func(*capture.Batch, error) bool) {
		packed, err := gzip.NewReader(bufio.NewReaderSize(s.out, 64<<10))
		if err != nil {
			return // it ended before it said anything
		}
		src, _, err := recording.OpenReader(packed, "what the collector sends")
		if err != nil {
			yield(nil, err)
			return
		}
		for b, err := range src(context.Background()) {
			if err == nil {
				b.Records = withoutPulse(b.Records)
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// withoutPulse leaves out what only says that time passes.
func withoutPulse(records []capture.Record) []capture.Record {
	kept := records[:0]
	for _, r := range records {
		if r.Origin != capture.OriginMeta || r.Kind != capture.KindPulse {
			kept = append(kept, r)
		}
	}
	return kept
}

// count counts what is in a batch, and reports whether it ends the stream in order.
func (s *Session) count(b *capture.Batch) (last bool) {
	s.packets.Add(uint64(len(b.Packets)))
	for _, r := range b.Records {
		switch r.Kind {
		case capture.KindLoss:
			var l capture.Loss
			if json.Unmarshal(r.Data, &l) == nil {
				s.lost.Add(l.Lost)
			}
		case capture.KindEnd:
			last = r.Origin == capture.OriginMeta
		}
	}
	return last
}

// broken is why the stream ended that was not to.
func (s *Session) broken() error {
	select {
	case <-s.ended:
	case <-time.After(time.Second):
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	if code, err := s.guest.Exit(ctx); err == nil && code != 0 {
		return fmt.Errorf("the collector has ended (exit code %d): what it saw until then is judged", code)
	}
	return errors.New("the connection to the collector has ended: what it saw until then is judged")
}

// Close ends the collector and takes it away.
func (s *Session) Close() error {
	if s.stopped != nil {
		s.stopped()
	}
	if s.out != nil {
		s.out.end(io.ErrClosedPipe)
	}
	err := s.guest.Remove()
	if s.stopped != nil {
		s.relay.Wait()
	}
	return err
}
