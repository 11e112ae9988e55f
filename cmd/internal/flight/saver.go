package flight

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"dnatrace/capture/inputs"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/cut"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/correlate"
	"dnatrace/correlate/judge"
	"dnatrace/decode/excerpt"
)

// Times of a Saver. They are variables for tests.
var (
	// Around is how long before and after a failure belongs to it.
	Around = time.Minute
	// again is how long a kind of failure has to be quiet, or at least how long ago
	// its last recording has to be, to be saved once more.
	again = 10 * time.Minute
	// apart is the least time between two recordings, but for a few.
	apart = 10 * time.Second
)

// nearby is how far from its first and last packet a request has others: those of
// neighbours who are looked for, and what comes late.
const nearby = 5 * time.Second

// few recordings may be written at once, and mostWaiting failures wait for theirs.
const (
	few         = 6
	mostWaiting = 32
)

// Saved is a recording that was written.
type Saved struct {
	Path     string
	Incident correlate.Incident
}

// Saving says what is saved, where, and who is told.
type Saving struct {
	Folder  Folder
	Targets []string // of the run, by which recordings are judged again
	Window  time.Duration
	Options recording.Options

	Trouble func(error) // each kind of it is told once
	Saved   func(Saved) // may be nil; called on the saving side
}

// Saver writes a recording of each new kind of failure, cut from a ring. Failures
// come from the judging side, and are saved on a side of its own.
type Saver struct {
	saving Saving
	ring   *Ring

	mu      sync.Mutex
	waiting []*waits
	unheld  []*Held            // to be released
	kinds   map[kind]time.Time // when last saved, or taken to be
	allowed float64            // recordings, as of then
	counted time.Time
	stop    func()
	passed  int // failures that were not saved, as too many came

	telling sync.Mutex // never taken before another one
	told    []string   // sorts of trouble that were told
}

// waits is a failure that is not saved yet.
type waits struct {
	incident correlate.Incident
	kind     kind
	due      time.Time
	held     *Held // what there was when its beginning had to be let go of
}

// kind is what failures have in common.
type kind struct {
	verdict         correlate.Verdict
	cause           correlate.Cause
	protocol, asked string
	rule            string
}

func kindOf(i *correlate.Incident) kind {
	k := kind{verdict: i.Verdict, cause: i.Cause, protocol: i.Protocol, asked: i.Requested}
	if i.Rule != nil {
		k.rule = i.Rule.Table + " " + i.Rule.Chain + " " + i.Rule.Text
	}
	return k
}

// mostKinds bounds the kinds that are remembered.
const mostKinds = 4096

// NewSaver makes a saver with a ring of its own.
func NewSaver(s Saving, b Bounds) *Saver {
	v := &Saver{saving: s, kinds: map[kind]time.Time{}, allowed: few, counted: time.Now()}
	v.ring = NewRing(b, s.Folder.Path, s.Options, func(err error) {
		v.trouble("keep", fmt.Errorf("%w: what comes is not kept until it can be, which is tried every 10 s", err))
	}, v.leaving)
	return v
}

// Begin begins to save what is due, until Close.
func (v *Saver) Begin() {
	v.stop = pipeline.Every(250*time.Millisecond, func() { v.step(time.Now(), false) })
}

// Ring is what it cuts from.
func (v *Saver) Ring() *Ring { return v.ring }

// Take takes notice of a judgement.
func (v *Saver) Take(i *correlate.Incident) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := slices.IndexFunc(v.waiting, func(w *waits) bool { return w.incident.ID == i.ID })
	switch {
	case at >= 0 && failed(i):
		w := v.waiting[at]
		w.incident, w.kind = copied(i), kindOf(i)
		v.kinds[w.kind] = time.Now()
	case at >= 0: // it was none
		v.drop(at)
	case failed(i):
		v.add(i, time.Now())
	}
}

// failed reports whether a judgement is that of a failure.
func failed(i *correlate.Incident) bool {
	switch i.Verdict {
	case correlate.Delivered, correlate.Undetermined, correlate.Absent:
		return false
	case correlate.Misdelivered, correlate.Refused, correlate.Dropped, correlate.Unanswered, correlate.AnswerLost, correlate.Stalled:
	}
	return true
}

func copied(i *correlate.Incident) correlate.Incident {
	c := *i
	c.Hops, c.Between, c.Fix = slices.Clone(i.Hops), slices.Clone(i.Between), slices.Clone(i.Fix)
	return c
}

// add has a failure wait for its recording, if it is of a new kind.
func (v *Saver) add(i *correlate.Incident, now time.Time) {
	k := kindOf(i)
	if last, known := v.kinds[k]; known && now.Sub(last) < again {
		return
	}
	v.allowed = min(few, v.allowed+now.Sub(v.counted).Seconds()/apart.Seconds())
	v.counted = now
	if v.allowed < 1 || len(v.waiting) >= mostWaiting || len(v.kinds) >= mostKinds {
		v.passed++
		return
	}
	v.allowed--
	v.kinds[k] = now
	v.waiting = append(v.waiting, &waits{incident: copied(i), kind: k, due: now.Add(Around)})
}

// drop forgets a failure that waits.
func (v *Saver) drop(at int) {
	w := v.waiting[at]
	delete(v.kinds, w.kind)
	if w.held != nil {
		v.unheld = append(v.unheld, w.held) // not here: the ring may be waiting for us
	}
	v.waiting = slices.Delete(v.waiting, at, at+1)
}

// leaving has failures saved whose beginning the ring is about to let go of.
func (v *Saver) leaving(oldest int64) {
	v.mu.Lock()
	concerned := slices.DeleteFunc(slices.Clone(v.waiting), func(w *waits) bool { return w.held != nil || w.incident.First.UnixNano() > oldest })
	v.mu.Unlock()
	for _, w := range concerned {
		h, ok := v.ring.Hold(w.incident.First.UnixNano() - int64(Around))
		v.mu.Lock()
		switch {
		case ok && slices.Contains(v.waiting, w):
			w.held, w.due = h, time.Now()
		case ok: // it is being saved
			h.Release()
		}
		v.mu.Unlock()
	}
}

// step saves what is due; at the end, everything.
func (v *Saver) step(now time.Time, end bool) {
	v.mu.Lock()
	unheld := v.unheld
	v.unheld = nil
	v.mu.Unlock()
	for _, h := range unheld {
		h.Release()
	}
	for {
		v.mu.Lock()
		at := slices.IndexFunc(v.waiting, func(w *waits) bool { return end || !now.Before(w.due) })
		if at < 0 {
			v.mu.Unlock()
			return
		}
		w := v.waiting[at]
		v.waiting = slices.Delete(v.waiting, at, at+1)
		v.mu.Unlock()
		v.save(w)
	}
}

// save writes the recording of a failure.
func (v *Saver) save(w *waits) {
	held, ok := w.held, w.held != nil
	if !ok {
		held, ok = v.ring.Hold(w.incident.First.Add(-Around).UnixNano())
	}
	if !ok || held.From > w.incident.First.UnixNano() {
		if ok {
			held.Release()
		}
		v.trouble("gone", fmt.Errorf("save %s: its beginning is not kept any more: --keep more", words(&w.incident)))
		return
	}
	defer held.Release()
	path, err := v.write(&w.incident, held)
	if err != nil {
		v.mu.Lock()
		delete(v.kinds, w.kind) // the next of the kind may have better luck
		v.mu.Unlock()
		v.trouble(cmp.Or(sortOf(err), "save"), err)
		return
	}
	if v.saving.Saved != nil {
		v.saving.Saved(Saved{Path: path, Incident: w.incident})
	}
}

// words name a failure.
func words(i *correlate.Incident) string {
	return fmt.Sprintf("%s:%s of %s", i.Verdict, i.Cause, i.Requested)
}

// errOtherwise is wrapped by the error about a recording that would not be told
// as the run has told it.
var errOtherwise = errors.New("a recording of it would be told otherwise")

func sortOf(err error) string {
	if errors.Is(err, errOtherwise) {
		return "otherwise"
	}
	return ""
}

// write cuts the recording, as little as is judged the same, and gives it its name.
func (v *Saver) write(i *correlate.Incident, held *Held) (path string, err error) {
	file, err := v.saving.Folder.begin()
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			file.discard()
		}
	}()
	chosen := []*correlate.Incident{i}
	want := cut.Wanted(chosen)
	want.First, want.Last = want.First-int64(Around), want.Last+int64(Around)
	why := ""
	for extent := excerpt.Concerned; extent <= excerpt.Everything; extent++ {
		src := held.Source()
		if extent <= excerpt.AllChanges { // of packets only those of the request
			src = held.about(i.First.Add(-nearby).UnixNano(), i.Last.Add(nearby).UnixNano())
		}
		if err := file.empty(); err != nil {
			return "", err
		}
		if _, err := cut.Write(context.Background(), file, v.saving.Options, src, want, extent); err != nil {
			return "", fmt.Errorf("save %s: %w", words(i), err)
		}
		is, err := v.rejudge(file.Name())
		if err != nil {
			return "", fmt.Errorf("save %s: %w", words(i), err)
		}
		if why = cut.Changed(chosen, is); why == "" {
			return v.saving.Folder.keep(file, i)
		}
	}
	return "", fmt.Errorf("save %s: %w: %s", words(i), errOtherwise, why)
}

// rejudge judges what was written, as replay does.
func (v *Saver) rejudge(path string) (*correlate.Document, error) {
	in, err := inputs.Open(inputs.Input{Path: path})
	if err != nil {
		return nil, err
	}
	return pipeline.Run(context.Background(), in.Source, pipeline.Options{Options: judge.Options{Targets: v.saving.Targets, Window: v.saving.Window, Keep: -1}})
}

// trouble tells of it, of each kind once.
func (v *Saver) trouble(sort string, err error) {
	v.telling.Lock()
	defer v.telling.Unlock()
	if !slices.Contains(v.told, sort) {
		v.told = append(v.told, sort)
		v.saving.Trouble(err)
	}
}

// Close saves what waits, and lets go of the ring. The run has to be over.
func (v *Saver) Close() {
	if v.stop != nil {
		v.stop()
	}
	v.step(time.Now(), true)
	v.ring.Close()
	if v.passed > 0 {
		v.trouble("passed", fmt.Errorf("%d failures of further kinds were not saved: too many came at once", v.passed))
	}
}
