package accuse

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"dnatrace/capture"
	"dnatrace/capture/live"
	"dnatrace/capture/opener"
	"dnatrace/capture/recording"
	"dnatrace/capture/target"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/correlate"
	"dnatrace/fixtures/lab"
)

var requests = flag.Int("requests", 2000, "clean requests in each run; make accuse sends 100,000")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run is one way to watch clean requests.
type run struct {
	name      string
	traffic   func(context.Context, *lab.Lab, int) error
	scenarios []string // what is set up besides
	blocks    int      // of 64 KiB: rings much too small, and a reader that dawdles; 0: neither
	flood     *flood   // beside the requests; nil: none
}

func TestNoFalseAccusation(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("builds network namespaces: run as root, as in: sudo make accuse")
	}
	for _, r := range []run{
		{name: "TCP", traffic: load},
		{name: "TCP, the ring much too small", traffic: load, blocks: 16},
		{name: "TCP, UDP and IPv6", traffic: mixture, scenarios: []string{"udp", "ipv6"}},
		{name: "TCP, UDP and IPv6, the ring much too small", traffic: mixture, scenarios: []string{"udp", "ipv6"}, blocks: 4},
	} {
		t.Run(r.name, func(t *testing.T) { r.test(t) })
	}
	for i := range floods {
		if testing.Short() && i > 0 { // nothing runs beside the others that does not beside the first
			break
		}
		f := &floods[i]
		r := run{name: "beside a flood of " + f.name, traffic: f.beside(f.load), flood: f, blocks: f.blocks}
		if f.udp {
			r.traffic, r.scenarios = f.beside(f.some), []string{"udp"}
		}
		t.Run(r.name, func(t *testing.T) { r.test(t) })
	}
}

// test watches the requests live, and judges the recording once more with its
// records shuffled.
func (r *run) test(t *testing.T) {
	dir, err := os.MkdirTemp("", "dnatrace-accuse-")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "run.pcapng")
	r.check(t, "live", file, r.watch(t, file))
	src, _, err := recording.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	d, err := pipeline.Run(t.Context(), shuffled(src, 1), worst(pipeline.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	r.check(t, "replayed, shuffled by up to 50 ms", file, d)
	if t.Failed() {
		t.Logf("the recording is kept: %s", file)
		return
	}
	os.RemoveAll(dir)
}

// worst has the document list the worst requests.
func worst(o pipeline.Options) pipeline.Options {
	o.Keep = 100
	return o
}

// check reads a document: whatever is not delivered or undetermined accuses
// someone who did nothing.
func (r *run) check(t *testing.T, how, file string, d *correlate.Document) {
	t.Helper()
	s := d.Summary
	lost := uint64(0)
	for _, g := range d.Recording.Rings {
		lost += g.Lost
	}
	accused := s.Misdelivered + s.Refused + s.Dropped + s.Unanswered + s.AnswerLost + s.Stalled
	t.Logf("%s: %d requests sent: %d delivered, %d accusations, %d undetermined, %d open, %d evicted; %d packets lost",
		how, *requests, s.Delivered, accused, s.Undetermined, s.Open, s.Evicted, lost)
	all, more, failed := len(r.scenarios) == 0, 0, 0
	if r.flood != nil {
		failed = int(r.flood.failed.Load())
		t.Logf("%s: %d requests failed beside the flood", how, failed)
	}
	shown := 0
	for i := range d.Requests {
		q := &d.Requests[i]
		if q.Verdict == correlate.Delivered || q.Verdict == correlate.Undetermined || shown == 3 || accused <= failed && !stranger(q.Client) {
			continue
		}
		shown++
		text, _ := json.MarshalIndent(q, "", "  ")
		t.Errorf("%s: false accusation:\n%s", how, text)
	}
	if accused > failed && shown == 0 {
		t.Errorf("%s: %d false accusations", how, accused)
	}
	if r.blocks > 0 && lost == 0 {
		t.Errorf("%s: nothing was lost with rings of %d blocks: nothing was tested", how, r.blocks)
	}
	// Datagrams from a port that was used before belong to the same exchange.
	if r.flood != nil {
		more = r.flood.told(t, how, d, lost)
	}
	if lost == 0 && (s.Undetermined > more+failed || s.Open > failed || all && (s.Delivered < *requests-failed || s.Delivered > *requests+more)) {
		t.Errorf("%s: not all of %d were delivered although nothing was lost", how, *requests)
	}
	if s.Delivered == 0 {
		t.Errorf("%s: nothing was delivered: nothing was tested", how)
	}
}

// watch records and judges clean requests while other containers come and go.
func (r *run) watch(t *testing.T, file string) *correlate.Document {
	l, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, s := range lab.Scenarios() {
		for _, name := range r.scenarios {
			if s.Name == name {
				if err := s.Setup(l); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if r.flood != nil {
		if err := l.Abroad(abroad); err != nil {
			t.Fatal(err)
		}
	}
	f, err := recording.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := recording.NewWriter(f, recording.Options{Program: "accuse"})
	s := r.open(t, l)
	news := make(chan capture.Record, 64)
	var traffic error
	drain := pipeline.Do(t.Context(), func(ctx context.Context) {
		stop := comeAndGo(ctx, l, news)
		traffic = r.traffic(ctx, l, *requests)
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	src := overhear(s.Source(), news)
	if r.blocks > 0 {
		src = dawdling(src, s)
	}
	d, err := pipeline.Run(t.Context(), src, worst(pipeline.Options{Record: w, Drain: drain}))
	if err != nil || traffic != nil {
		t.Fatal(err, traffic)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (r *run) open(t *testing.T, l *lab.Lab) *live.Session {
	targets, err := target.ParseAll([]string{"8080"})
	if err != nil {
		t.Fatal(err)
	}
	o := opener.Local()
	t.Cleanup(func() { o.Close() })
	snapshot := l.Snapshot()
	c := live.Config{
		Targets: targets, SnapLen: 128, Netns: l.HostNetns(), Program: "accuse", Fixed: &snapshot,
		FixedNetns: map[string]string{lab.Web: l.ContainerNetns(lab.Web)}, Opener: o,
	}
	if r.blocks > 0 {
		c.BlockSize, c.Blocks = 64<<10, r.blocks
	}
	s, err := live.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// comeAndGo starts and removes other containers until it is stopped, and has
// the engine tell of each.
func comeAndGo(ctx context.Context, l *lab.Lab, news chan<- capture.Record) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	var failed error
	wg.Go(func() {
		for i := 0; ctx.Err() == nil && failed == nil; i++ {
			name := fmt.Sprintf("other-%d", i)
			if _, failed = l.AddContainer(name); failed != nil {
				return
			}
			told(l, news)
			time.Sleep(20 * time.Millisecond)
			failed = l.RemoveContainer(name)
			told(l, news)
		}
	})
	return func() error {
		cancel()
		wg.Wait()
		return failed
	}
}

func told(l *lab.Lab, news chan<- capture.Record) {
	data, err := json.Marshal(l.Snapshot())
	if err != nil {
		panic(err)
	}
	select {
	case news <- capture.Record{Time: time.Now().UnixNano(), Origin: capture.OriginEngine, Kind: capture.KindSnapshot, Data: data}:
	default: // the next one says it all
	}
}

// overhear puts the engine's news into a stream.
func overhear(src capture.Source, news <-chan capture.Record) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			for b, err := range src(ctx) {
				if !yield(b, err) {
					return
				}
				select {
				case r := <-news:
					if !yield(&capture.Batch{Records: []capture.Record{r}}, nil) {
						return
					}
				default:
				}
			}
		}
	}
}

// dawdling makes a reader stop now and then for longer than its rings can hold.
func dawdling(src capture.Source, s *live.Session) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			n := 0
			for b, err := range src(ctx) {
				if n++; n%100 == 50 {
					dawdle(ctx, s, time.Duration(n/100%5)*20*time.Millisecond)
				}
				if !yield(b, err) {
					return
				}
			}
		}
	}
}

// dawdle stops for a while; before anything was lost, until something is.
func dawdle(ctx context.Context, s *live.Session, d time.Duration) {
	if _, lost := s.Stats(); lost > 0 {
		time.Sleep(d)
		return
	}
	for end := time.Now().Add(300 * time.Millisecond); ctx.Err() == nil && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
		if _, lost := s.Stats(); lost > 0 {
			return
		}
	}
}

// load is clean TCP requests, a new connection each.
func load(ctx context.Context, l *lab.Lab, n int) error {
	r, err := l.Load(ctx, n, 16, false)
	if err == nil && r.Failed > 0 {
		err = fmt.Errorf("%d requests failed, the first: %w", r.Failed, r.Err)
	}
	return err
}

// mixture is clean requests over TCP, UDP and IPv6 in turn.
func mixture(ctx context.Context, l *lab.Lab, n int) error {
	kinds := []func() error{
		func() error { return l.Get(ctx, lab.Published) },
		func() error { return l.Ask(ctx, lab.Published) },
		func() error { return l.Get(ctx, lab.Published6) },
	}
	var wg sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, 8)
	for range cap(errs) {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(n); i = next.Add(1) {
				if err := kinds[i%int64(len(kinds))](); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}
