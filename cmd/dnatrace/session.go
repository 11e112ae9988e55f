package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/live"
	"dnatrace/capture/opener"
	"dnatrace/capture/recording"
	"dnatrace/capture/target"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
)

// watched is what a session watches: this host, or one that a collector watches.
type watched interface {
	Source() capture.Source
	Points() []capture.Point
	Sources() []capture.SourceState
	Stats() (packets, lost uint64)
	Late() uint64  // packets and records that could not be put in order, so far
	Paced() string // when the rule trace rested; "" for never
}

// session is a live host being watched by a command, and the file it is
// recorded to.
type session struct {
	watched                // nil until it is armed
	opener  *opener.Opener // nil where a collector has the privilege
	reached
	here   *live.Session // watched, where it is this host
	there  *collected    // the collector, where it is another
	flight flightRecorder
	notices
	file   *os.File
	record pipeline.Recorder // nil without a file
	err    io.Writer
	leave  bool   // the opener has something to take back still
	end    func() // says that the session ends, and the opener with it; nil where there is none
	lacks  []opener.Missing
}

// open arms every source, creates the file and then drops all privilege: what
// follows reads packets of strangers.
func (a *app) open(ctx context.Context, f *captureFlags, targets []string, keepExec bool) (*session, error) {
	wanted, err := target.ParseAll(targets)
	if err != nil {
		return nil, err
	}
	sparing()
	s := &session{err: a.err, notices: notices{to: a.err}}
	if err := s.arm(ctx, a, f, targets, wanted); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.drop(a, f, keepExec)
	if f.netns == "" && s.away == "" {
		a.elsewhere(wanted, ownAddresses())
	}
	a.listening(s)
	return s, nil
}

// sparing keeps to one core, as the host being watched has other things to do.
// One is enough for what its rings can take, and goroutines that hand over to
// each other there need not wake a thread each time, which is much of what
// watching costs.
func sparing() {
	if os.Getenv("GOMAXPROCS") == "" { // nobody has decided otherwise
		runtime.GOMAXPROCS(1)
	}
	if os.Getenv("GOGC") == "" { // a twelfth of the time for a few MiB
		debug.SetGCPercent(200)
	}
	saving(enoughLive)
}

// How much memory a run that holds its bounds needs, in bytes, with room for
// garbage. A live one has its rings besides, and another process.
const (
	enough       = 224 << 20
	enoughLive   = 160 << 20
	liveRequests = 96 << 20 // of it for requests
)

// saving has garbage collected sooner as the memory in use comes near to what is
// enough, instead of when it has doubled. Nearly all that is held then has no
// pointers, and costs the collector little.
func saving(enough int64) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(enough)
	}
}

// arm opens everything that takes privilege.
func (s *session) arm(ctx context.Context, a *app, f *captureFlags, names []string, targets []target.Target) (err error) {
	if s.reached, err = a.reach(ctx, &f.engineFlags); err != nil {
		return err
	}
	f.netns = s.netns
	if s.away == "" {
		if err := privileged(); err != nil {
			return err
		}
	}
	if err := s.flight.prepare(&s.notices, f, names); err != nil {
		return err
	}
	if f.sink != nil {
		s.into(ctx, f.sink)
	} else if f.turns != nil {
		if s.record, err = rotation(a, *f.turns); err != nil {
			return err
		}
	} else if err := s.create(ctx, f.file); err != nil {
		return err
	}
	if s.away != "" {
		if s.there, err = a.bring(ctx, &s.reached, &f.engineFlags, f.request(names)); err == nil {
			s.watched = s.there.Session
		}
		return err
	}
	if s.engine != nil {
		if err := s.engine.Apart(); err != nil { // this process asks on
			s.say("dnatrace: %s", render.Clean(err.Error()))
		}
	}
	s.lacks = opener.Check() // while this process has what the opener will
	if s.opener, err = opener.Start(netnsPaths(f.netns)...); err != nil {
		return err
	}
	c := live.Config{
		Targets: targets, Interfaces: f.interfaces, SnapLen: f.snap, Netns: f.netns, Window: time.Duration(f.window),
		Program: "dnatrace " + buildVersion(), Opener: s.opener, Trace: f.trace && !f.noTrace, NoDrops: f.noDrops, NoConntrack: f.noTracking,
		Unrecorded: f.file == "" && f.sink == nil && f.save == "" && f.savesTo == "", Filter: f.filter, Everything: f.filter != nil && f.unaimed,
	}
	c.Engine, c.NoEngine = s.intent(), s.why
	here, err := live.Open(ctx, c)
	if err != nil {
		return err
	}
	s.watched, s.here = here, here
	ctx, s.end = context.WithCancel(context.WithoutCancel(ctx))
	pipeline.Do(ctx, s.bereft)
	return nil
}

// bereft says that the opener has ended before the session did.
func (s *session) bereft(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-s.opener.Lost():
	}
	if ctx.Err() == nil {
		s.say("dnatrace: %v: from here on nothing is known of rules, host state and new containers", s.opener.Loss())
	}
}

// lateText tells of packets that could not be put in order.
func lateText(n uint64) string {
	return fmt.Sprintf("%d packets and records came too late to be put in order: this machine was too busy", n)
}

func netnsPaths(path string) []string {
	if path == "" {
		return nil
	}
	return []string{path}
}

// privileged says what is missing before anything is opened.
func privileged() error {
	if runtime.GOOS != "linux" {
		return remedied{errors.New("watch live traffic: needs Linux"), "dnatrace replay FILE works on any system"}
	}
	if why, remedy := opener.Exposed(); why != "" {
		return remedied{fmt.Errorf("watch live traffic: %s", why), remedy}
	}
	missing := opener.Check()
	if len(missing) == 0 || missing[0].Privilege != "CAP_NET_RAW" && runtime.GOOS == "linux" {
		return nil // what is missing costs its own sources, and is said once all are armed
	}
	m := missing[0]
	var names []string
	for _, o := range missing {
		names = append(names, o.Privilege)
	}
	return remedied{fmt.Errorf("watch live traffic: missing %s: %s", strings.Join(names, ", "), m.Cost), m.Remedy + "; dnatrace replay FILE and demo work without it"}
}

// create makes the recording's file, while there is privilege to.
func (s *session) create(ctx context.Context, path string) (err error) {
	if path == "" {
		return nil
	}
	file := os.Stdout
	if path != "-" {
		if file, err = recording.Create(path); err != nil {
			return err
		}
	}
	s.into(ctx, file)
	return nil
}

// into has everything recorded to a file, which is the session's from here on.
func (s *session) into(ctx context.Context, file *os.File) {
	s.file = file
	s.record = recording.NewWriter(pipeline.Unstuck(ctx, file), madeHere())
}

// unwritten tells that the recording cannot be written on, and lets go of it: what
// happens to requests is still told.
func (s *session) unwritten(a *app) func(error) {
	return func(err error) {
		s.record, a.unwritten = nil, true
		s.say("dnatrace: %s: the recording ends here, the run goes on", render.Clean(err.Error()))
	}
}

// madeHere is what recordings made here say of where that was.
func madeHere() recording.Options {
	return recording.Options{Program: "dnatrace " + buildVersion(), OS: runtime.GOOS, Hardware: runtime.GOARCH}
}

// drop gives up what is not needed once everything is armed. What runs a command of the
// user's leaves to that what its user may do; what has brought a collector has to take it
// away again.
func (s *session) drop(a *app, f *captureFlags, keepExec bool) {
	if a.alone && !keepExec && s.there == nil {
		a.within(s.limits(f))
		return
	}
	keepFiles := f.creates()
	var options []opener.DropOption
	if keepExec {
		options = append(options, opener.KeepExec)
	}
	if keepFiles {
		options = append(options, opener.KeepFiles)
	}
	if err := opener.Drop(options...); err != nil {
		fmt.Fprintf(a.err, "dnatrace: %s\n", render.Clean(err.Error()))
	}
}

// listening says that everything is armed, and what is not there.
func (a *app) listening(s *session) {
	const most = 16
	var names []string
	for _, p := range s.Points() {
		if p.Role == capture.RoleLoopback && p.Netns != capture.HostNetns {
			continue
		}
		names = append(names, render.Clean(p.Name))
	}
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("and %d more", n-most))
	}
	for _, m := range s.lacks {
		fmt.Fprintf(a.err, "without %s: %s\n", m.Privilege, m.Cost)
	}
	for _, st := range s.Sources() {
		if st.State != capture.SourceOK {
			fmt.Fprintf(a.err, "without %s: %s\n", st.Name, render.Clean(st.Why))
		} else if len(st.Outside) > 0 {
			fmt.Fprintln(a.err, render.Clean(st.Why))
		}
	}
	fmt.Fprintf(a.err, "listening on %s\n", strings.Join(names, ", "))
	a.traced(s.Sources())
}

// traced says that the ruleset has something in it that was not there before.
func (a *app) traced(sources []capture.SourceState) {
	for _, st := range sources {
		if st.Name != capture.OriginRuleTrace || st.State != capture.SourceOK {
			continue
		}
		fmt.Fprintln(a.err, "rule trace on (temporary table, gone with this process)")
		if st.Why != "" {
			fmt.Fprintf(a.err, "rule trace %s\n", render.Clean(st.Why))
		}
	}
}

func (s *session) close() error {
	var err error
	if s.end != nil {
		s.end()
	}
	if s.watched != nil && s.Late() > 0 {
		fmt.Fprintf(s.err, "dnatrace: %s\n", lateText(s.Late()))
	}
	if s.watched != nil && s.Paced() != "" {
		fmt.Fprintf(s.err, "rule trace %s\n", s.Paced())
	}
	s.release()
	s.flight.close()
	if s.record != nil {
		err = s.record.Close()
	}
	if s.file != nil && s.file != os.Stdout {
		err = errors.Join(err, s.file.Close())
	}
	if s.there != nil {
		err = errors.Join(err, s.there.close())
	}
	s.reached.close()
	if s.opener != nil && s.leave {
		s.opener.Leave()
	} else if s.opener != nil {
		s.opener.Close()
	}
	return err
}

// bounded ends ctx after a duration, if one was given.
func bounded(ctx context.Context, d durationFlag) (context.Context, context.CancelFunc) {
	if d == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Duration(d))
}
