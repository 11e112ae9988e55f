package live

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/conntrack"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/host/kernel"
	"dnatrace/capture/ring"
	"dnatrace/capture/rules"
	"dnatrace/capture/rules/netfilter"
	"dnatrace/capture/target"
)

// openConntrack listens first and dumps then: an entry made in between is in
// both, and none is in neither.
func (s *Session) openConntrack(resolved *target.Resolved) {
	f, err := s.config.Opener.Conntrack(s.config.Netns, !s.config.Unrecorded)
	if err != nil {
		s.state(capture.OriginConntrack, capture.SourceAbsent, err.Error())
		return
	}
	s.events = f
	s.filterEvents(resolved)
	s.merger.Add(capture.OriginConntrack, conntrack.Source(f, capture.HostNetns))
	s.state(capture.OriginConntrack, capture.SourceOK, "")
	want := ring.Want{All: true}
	if !s.config.Everything {
		want = s.want(resolved)
	}
	dump, err := s.config.Opener.ConntrackDump(s.config.Netns, want)
	if err != nil || len(dump) == 0 {
		return
	}
	s.before = append(s.before, capture.Record{Origin: capture.OriginConntrack, Kind: capture.KindDump, Netns: capture.HostNetns, Data: dump})
}

// filterEvents has the kernel keep to itself what is not the targets': on a busy
// host, most of it. Nil lets everything pass.
func (s *Session) filterEvents(resolved *target.Resolved) {
	if s.events == nil || s.config.Everything {
		return
	}
	var prog []ring.Instruction
	if resolved != nil {
		prog, _, _ = ring.BuildEvents(s.want(resolved)) // without a program everything passes
	}
	_ = conntrack.Filter(s.events, prog) // more than was wanted costs, but tells no lies
}

// sampleEvery bounds how often the host is looked at while target traffic
// flows.
const sampleEvery = time.Second

// watch looks at the host: at the start, whenever something says that it has
// changed, while target traffic flows, and at the end. It also follows the
// engine: new containers get rings, filters learn new addresses.
type watch struct {
	session   *Session
	feed      *feed
	samplers  map[uint64]*kernel.Sampler // by inode; 0 is the host
	history   rules.History
	legacy    map[string]int // bytes of a namespace's legacy tables
	snapshots chan *engine.Snapshot
	changed   chan string // what has changed: capture.OriginHost or capture.OriginRules
	resolved  *target.Resolved
	notes     string // what the rule trace left out from the start
	untraced  string // why it could not be changed the last time; "" if it could
	alone     bool   // the opener is gone: nothing is read of the host any more
}

func newWatch(s *Session) *watch {
	return &watch{session: s, feed: newFeed(), samplers: map[uint64]*kernel.Sampler{}, snapshots: make(chan *engine.Snapshot, 16), changed: make(chan string, 16), legacy: map[string]int{}}
}

// start takes the first look and begins to watch. What it finds is in the
// stream from the start.
func (w *watch) start(ctx context.Context, snapshot *engine.Snapshot, resolved *target.Resolved) {
	s := w.session
	w.resolved = resolved
	w.notes = s.why(capture.OriginRuleTrace)
	first := s.before
	if s.config.Fixed != nil {
		first = append(first, record(0, capture.OriginEngine, capture.KindSnapshot, "", s.config.Fixed))
	} else if snapshot != nil {
		first = append(first, record(0, capture.OriginEngine, capture.KindSnapshot, "", snapshot))
		s.merger.Add(capture.OriginEngine, w.overhear(s.config.Engine.Source()))
	}
	samples, err := w.sample()
	s.stated(capture.OriginHost, len(samples) > 0, err)
	first = append(first, samples...)
	rulesets, err := w.rulesets("start")
	s.stated(capture.OriginRules, err == nil, err)
	first = append(first, rulesets...)
	stamp(first) // before anything is announced as armed: what was there is known before what comes
	s.before = nil
	s.merger.Add("host", w.feed.source())
	s.merger.Add("watch", w.source(first))
}

func (s *Session) stated(source string, ok bool, err error) {
	switch {
	case ok:
		s.state(source, capture.SourceOK, "")
	case err != nil:
		s.state(source, capture.SourceAbsent, err.Error())
	default:
		s.state(source, capture.SourceAbsent, "nothing could be read")
	}
}

// source runs the watch as a source of the merger's, which gives it a goroutine
// and the context; what it finds goes out through the feed.
func (w *watch) source(first []capture.Record) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			defer close(w.feed.done)
			if !yield(&capture.Batch{Records: first, Until: 1<<63 - 1}, nil) {
				return
			}
			w.run(ctx)
		}
	}
}

// run is the watch itself.
func (w *watch) run(ctx context.Context) {
	stop := w.listen(ctx)
	defer stop()
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	pace := time.NewTimer(paceEvery)
	defer pace.Stop()
	if !w.session.config.Trace {
		pace.Stop()
	}
	seen, _ := w.session.Stats()
	packets, paced := seen, time.Now()
	lost := w.session.config.Opener.Lost()
	for {
		select {
		case <-ctx.Done():
			w.last()
			return
		case <-lost:
			lost = nil
			w.bereft()
		case s := <-w.snapshots:
			w.follow(s)
		case what := <-w.changed:
			w.look(what)
		case <-tick.C:
			if now, _ := w.session.Stats(); now != seen {
				seen = now
				w.look(capture.OriginHost)
				w.count()
			}
		case <-pace.C:
			now := time.Now() // the timer's time is when it was due: a look may have come between
			all, _ := w.session.Stats()
			w.pace(now, all-packets, now.Sub(paced))
			packets, paced = all, now
			pace.Reset(paceEvery + capture.ToPulse())
		}
	}
}

// pace has the rule trace rest in floods.
func (w *watch) pace(now time.Time, packets uint64, took time.Duration) {
	if changed, err := w.session.pace(now, packets, took, w.resolved); changed {
		w.retraced(err)
		w.tracing()
	}
}

// retraced notes whether the rule trace could be changed.
func (w *watch) retraced(err error) {
	w.untraced = ""
	if err != nil {
		w.untraced = "still as it was before: " + err.Error()
	}
}

// last ends the watch with a look at what holds now, to compare with what held
// before.
func (w *watch) last() {
	w.lastLook()
	if w.session.resting() {
		w.tracing()
	}
	w.session.rings.mu.Lock()
	defer w.session.rings.mu.Unlock()
	w.session.rings.leave()
}

// lastLook reads state and rules once more, if there still is somebody to read them.
func (w *watch) lastLook() {
	if w.session.bereft() {
		if !w.alone { // as late as this, too, it is told
			w.bereft()
		}
		return
	}
	samples, _ := w.sample()
	w.feed.put(samples)
	rulesets, _ := w.rulesets("end")
	w.feed.put(rulesets)
}

// tracing says what holds for the rule trace in the host's namespace from now on.
func (w *watch) tracing() {
	if w.alone || !w.session.hostTraced() {
		return
	}
	notes := slices.DeleteFunc([]string{w.notes, w.untraced, w.session.Paced()}, func(s string) bool { return s == "" })
	w.feed.put([]capture.Record{meta(0, capture.KindSource, capture.SourceState{Name: capture.OriginRuleTrace, State: capture.SourceOK, Why: strings.Join(notes, "; ")})})
}

func (w *watch) look(what string) {
	if w.alone {
		return
	}
	if w.session.traceLate(w.resolved) {
		w.notes = ""
		w.tracing()
	}
	if what == capture.OriginRules {
		rulesets, _ := w.rulesets("change")
		w.feed.put(rulesets)
	}
	samples, _ := w.sample()
	w.feed.put(samples)
}

// follow adapts to what the engine says now.
func (w *watch) follow(snapshot *engine.Snapshot) {
	resolved, err := target.ResolveAll(w.session.config.Targets, snapshot)
	if err != nil {
		// The container that was named is gone for the moment. What it was
		// keeps being watched; it may come back.
		w.look(capture.OriginHost)
		return
	}
	w.resolved = &resolved
	w.session.refilter(&resolved)
	err = w.session.retrace(&resolved)
	w.retraced(err)
	if err != nil {
		w.tracing()
	}
	if w.session.enter(&resolved) {
		w.feed.put([]capture.Record{meta(0, capture.KindSource, w.session.packetState())})
	}
	if err := w.session.redrop(&resolved); err != nil {
		w.feed.put([]capture.Record{meta(0, capture.KindSource, capture.SourceState{Name: capture.OriginDrops, State: capture.SourceFailed, Why: err.Error()})})
	}
	w.look(capture.OriginHost)
}

// overhear passes the engine's stream on and follows its snapshots.
func (w *watch) overhear(src capture.Source) capture.Source {
	return func(ctx context.Context) iter.Seq2[*capture.Batch, error] {
		return func(yield func(*capture.Batch, error) bool) {
			for b, err := range src(ctx) {
				if err == nil {
					w.hear(b.Records)
				}
				if !yield(b, err) {
					return
				}
			}
		}
	}
}

func (w *watch) hear(records []capture.Record) {
	for _, r := range records {
		if r.Kind != capture.KindSnapshot {
			continue
		}
		var s engine.Snapshot
		if json.Unmarshal(r.Data, &s) != nil {
			continue
		}
		select {
		case w.snapshots <- &s:
		default: // the next one says it all
		}
	}
}

// listen hears of changes to the host's links, routes and rules.
func (w *watch) listen(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var ends []chan struct{}
	hear := func(what string, f *os.File, err error, changes func(context.Context, *os.File) iter.Seq[time.Time]) {
		if err != nil {
			return // the look once a second remains
		}
		end := make(chan struct{})
		ends = append(ends, end)
		go func() {
			defer close(end)
			for range changes(ctx, f) {
				select {
				case w.changed <- what:
				case <-ctx.Done():
				}
			}
		}()
	}
	o, netns := w.session.config.Opener, w.session.config.Netns
	f, err := o.HostWatch(netns)
	hear(capture.OriginHost, f, err, kernel.Changes)
	f, err = o.RulesWatch(netns)
	hear(capture.OriginRules, f, err, netfilter.Changes)
	return func() {
		cancel()
		for _, end := range ends {
			<-end
		}
	}
}

// place is a namespace that is looked at.
type place struct {
	inode     uint64 // 0: the host
	netns     string
	path      string
	container string // id
}

// places are the host and the containers concerned.
func (w *watch) places() []place {
	out := []place{{netns: capture.HostNetns, path: w.session.config.Netns}}
	r := &w.session.rings
	r.mu.Lock()
	defer r.mu.Unlock()
	for inode, in := range r.inside {
		out = append(out, place{inode: inode, netns: in.container.Name, path: in.path, container: in.container.ID})
	}
	slices.SortFunc(out[1:], func(a, b place) int { return cmp.Compare(a.netns, b.netns) })
	return out
}

// sample looks at every place.
func (w *watch) sample() ([]capture.Record, error) {
	places := w.places()
	var peers []string
	for _, p := range places[1:] {
		peers = append(peers, p.path)
	}
	var out []capture.Record
	var failed error
	for _, p := range places {
		sampler := w.samplers[p.inode]
		if sampler == nil {
			sampler = &kernel.Sampler{Netns: p.netns}
			w.samplers[p.inode] = sampler
		}
		o := host.Options{Container: p.container, Peers: peers}
		sampler.Take = func() (*host.Sample, error) { return w.session.config.Opener.Sample(p.path, o) }
		r, err := sampler.Next()
		if err != nil {
			failed = cmp.Or(failed, fmt.Errorf("sample %s: %w", p.netns, err))
			continue
		}
		out = append(out, r)
	}
	return out, failed
}

// rulesets reads the rules of every place.
func (w *watch) rulesets(why string) ([]capture.Record, error) {
	var out []capture.Record
	var failed error
	for _, p := range w.places() {
		sets, err := w.session.config.Opener.Rules(p.path)
		if err == nil {
			var records []capture.Record
			records, err = w.history.Records(p.netns, time.Now().UnixNano(), why, sets)
			out = append(out, records...)
			w.legacy[p.netns] = legacySize(sets)
		}
		if err != nil && failed == nil {
			failed = fmt.Errorf("read the rules of %s: %w", p.netns, err)
		}
	}
	return out, failed
}

// mostCounted bounds the legacy tables, in bytes, that are read again and again:
// some two hundred rules. A recording grows by as much a second.
const mostCounted = 64 << 10

// legacySize is how large the legacy tables are, in bytes.
func legacySize(sets []rules.Ruleset) (size int) {
	for _, s := range sets {
		if s.Backend == rules.Legacy || s.Backend == rules.Legacy6 {
			size += len(s.Data)
		}
	}
	return size
}

// count reads legacy tables again, as they announce nothing. While the target's
// traffic flows it is done once a second, so that what a rule counted before a
// request and what after it are both known when the request is judged.
func (w *watch) count() {
	if w.alone {
		return
	}
	for _, p := range w.places() {
		size := w.legacy[p.netns]
		if size > mostCounted {
			continue
		}
		sets, err := w.session.config.Opener.LegacyRules(p.path)
		if err != nil {
			continue // the namespace is gone
		}
		if legacySize(sets) != size { // other rules, of which there may be a text as well
			w.look(capture.OriginRules)
			return
		}
		records, err := w.history.Changed(p.netns, time.Now().UnixNano(), "change", sets)
		if err == nil {
			w.feed.put(records)
		}
	}
}
