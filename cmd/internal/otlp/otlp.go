// Package otlp tells an OpenTelemetry receiver of requests: each as a trace, with a
// span for every hop, and of those that did not get through a log record besides. It
// keeps what it has to tell in a queue of bounded size until the receiver has taken it.
//
// It decides nothing about a request, starts no goroutine (Run is its caller's to call
// beside a run), and must not import capture or decode's readers of rules.
package otlp

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/traceid"
	"dnatrace/correlate"
	"dnatrace/correlate/recent"
)

// Config says whom to tell, and of what.
type Config struct {
	Endpoint string       // as ParseEndpoint takes it
	Key      *traceid.Key // names traces; hosts that share its secret name them alike
	OneIn    int          // of requests that were delivered, one in so many; 0 none. All others are told
	Host     string       // this one's name
	Version  string       // of dnatrace
	Waits    bool         // a queue that is full has the stream wait for a receiver that takes: files do not run away
	Say      func(string) // each sort of trouble once; never nil
}

// Exporter tells of the requests of one run. Take and Wants are for one goroutine,
// Saved for any.
type Exporter struct {
	config   Config
	endpoint Endpoint
	to       receiver
	writer   *writer
	queue    *queue
	counts   counts
	instance [16]byte // of this run

	naming sync.Mutex // Key is not safe for concurrent use

	pending recent.Map[string, *correlate.Incident] // told, and not final
	told    recent.Map[string, sentAs]
	parents parents

	telling sync.Mutex
	said    map[string]bool // sorts of trouble
}

// Bounds of what is remembered of requests, by id.
const (
	mostPending = 4096
	mostTold    = 1 << 16
)

// New makes an exporter. It opens no connection, and reads what files the environment
// names: it is for while there is privilege.
func New(ctx context.Context, c Config) (*Exporter, error) {
	p, err := ParseEndpoint(c.Endpoint)
	if err != nil {
		return nil, err
	}
	e := &Exporter{config: c, endpoint: p, queue: newQueue(), said: map[string]bool{}}
	e.pending.Most, e.told.Most, e.parents.known.Most = mostPending, mostTold, mostParents
	if _, err := rand.Read(e.instance[:]); err != nil {
		return nil, fmt.Errorf("name this run: %w", err)
	}
	if e.to, err = connect(ctx, p); err != nil {
		return nil, fmt.Errorf("prepare to send traces to %s: %w", p, err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(
		attribute.String("service.name", "dnatrace"), attribute.String("service.version", c.Version),
		attribute.String("host.name", text(c.Host)), attribute.String("dnatrace.secret", c.Key.Check()),
	), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("read OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	e.writer = newWriter(about, c.Version)
	return e, nil
}

// Endpoint is whom it tells.
func (e *Exporter) Endpoint() string { return e.endpoint.String() }

// Wants reports whether a delivered request is told, by what it began with: alike on
// all hosts.
func (e *Exporter) Wants(o correlate.Opening) bool {
	if e.config.OneIn < 1 || !o.Known {
		return false
	}
	id, _ := e.name(o)
	return sampled(id, e.config.OneIn)
}

// Sends reports whether a request is told, as it is judged.
func (e *Exporter) Sends(i *correlate.Incident) bool {
	return i.Verdict != correlate.Delivered || e.Wants(openingOf(i))
}

// Take takes a judgement: of each request the first that is final, and each later one
// that says something else.
func (e *Exporter) Take(i *correlate.Incident) {
	if !i.Final {
		e.pending.Put(i.ID, i)
		return
	}
	e.pending.Remove(i.ID)
	e.settle(i)
}

// settle tells of a request.
func (e *Exporter) settle(i *correlate.Incident) {
	was := e.told.Get(i.ID)
	switch {
	case was.sent && was.verdict == i.Verdict:
		return
	case !was.sent && !e.Sends(i):
		return
	}
	e.told.Put(i.ID, sentAs{i.Verdict, true})
	e.put(&item{incident: i, parent: e.parents.of(i), revised: was.sent, was: was.verdict})
}

// sentAs is how a request was told last; the zero value was not.
type sentAs struct {
	verdict correlate.Verdict
	sent    bool
}

// Saved tells where the recording of a failure is.
func (e *Exporter) Saved(where string, i *correlate.Incident) {
	e.put(&item{incident: i, recording: where})
}

// End tells of what was never final. It is for when the stream has ended.
func (e *Exporter) End() {
	for _, i := range e.pending.All() {
		e.settle(i)
	}
}

// put has something told, if there is room for it.
func (e *Exporter) put(it *item) {
	it.size = it.weigh()
	if !e.queue.put(it, e.config.Waits) {
		e.counts.full.Add(1)
		e.trouble("full", fmt.Sprintf("traces: %d requests wait to be sent to %s, which is as many as are kept: further ones are counted, and not sent", e.queue.len(), e.endpoint))
	}
}

// trouble tells of each sort of it once.
func (e *Exporter) trouble(sort, words string) {
	e.telling.Lock()
	defer e.telling.Unlock()
	if !e.said[sort] {
		e.said[sort] = true
		e.config.Say(render.Clean(words))
	}
}

// failed reports whether a verdict is that of a failure.
func failed(v correlate.Verdict) bool {
	switch v {
	case correlate.Delivered, correlate.Undetermined, correlate.Absent:
		return false
	case correlate.Misdelivered, correlate.Refused, correlate.Dropped, correlate.Unanswered, correlate.AnswerLost, correlate.Stalled:
	}
	return true
}

// Secret reads what names are keyed with: a file that all hosts have alike, without
// the white space around it.
func Secret(path string) ([]byte, error) {
	const most = 4096
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read secret for trace ids: %w", err)
	}
	defer f.Close()
	return readSecret(f, most)
}

// Times of Run. They are variables for tests.
var (
	gather    = time.Second // what comes within is sent together
	firstWait = time.Second // before what failed is tried again; then twice as long each time
	mostWait  = 30 * time.Second
	farewell  = 5 * time.Second // for what waits when the run is over
)
