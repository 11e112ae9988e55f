package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"dnatrace/capture/inputs"
	"dnatrace/capture/recording"
	"dnatrace/cmd/internal/flight"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/watch"
)

// past is what a screen can save: the last minutes of what is watched.
type past struct {
	ring *flight.Ring
	own  bool   // the ring is nobody else's
	dir  string // where files go
}

// beside has a run's stream kept. A run that saves failures has a ring already.
func (p *past) beside(o *pipeline.Options, saver *flight.Saver, bounds flight.Bounds, trouble func(error)) {
	if saver != nil {
		p.ring = saver.Ring()
		return
	}
	p.ring, p.own = flight.NewRing(bounds, os.TempDir(), madeHere(), trouble, nil), true
	o.Record = p.ring.Beside(o.Record, o.OnTrouble)
}

func (p *past) close() {
	if p.own {
		p.ring.Close()
	}
}

// write writes what is kept to a new file, and says what it is.
func (p *past) write(ctx context.Context, now time.Time) (path, what string, err error) {
	held, ok := p.ring.Hold(0)
	if !ok {
		return "", "", errors.New("nothing was captured so far")
	}
	defer held.Release()
	path = filepath.Join(p.dir, now.Format("watch-20060102-150405.pcapng"))
	file, err := recording.Create(path)
	if err != nil {
		return "", "", err
	}
	w := recording.NewWriter(file, madeHere())
	n, err := pipeline.Copy(ctx, held.Source(), w, 0)
	if err = errors.Join(err, w.Close(), file.Close()); err != nil {
		os.Remove(path)
		return "", "", fmt.Errorf("write recording: %w", err)
	}
	return path, fmt.Sprintf("%s, %s since %s", filepath.Base(path), plural(int(n), "packet"), time.Unix(0, held.From).Format("15:04:05")), nil
}

// saved tells the screen what came of a key that writes files.
type saved struct {
	what string
	err  error
}

// saving writes what is kept while the screen goes on.
func (s *screen) saving() tea.Cmd {
	s.view.Say("saving what was seen")
	return func() tea.Msg {
		_, what, err := s.past.write(context.Background(), time.Now())
		return saved{"saved " + what, err}
	}
}

// reporting writes what is kept, and a report of the selected port from it.
func (s *screen) reporting(port string) tea.Cmd {
	s.view.Say(strings.TrimSpace("writing a report " + port))
	var targets []string
	if port != "" {
		targets = []string{port}
	}
	return func() tea.Msg {
		ctx := context.Background()
		path, _, err := s.past.write(ctx, time.Now())
		if err != nil {
			return saved{"", err}
		}
		quiet := &app{streams: streams{out: io.Discard, err: io.Discard}}
		f := reportFlags{files: []inputs.Input{{Path: path}}, targets: targets, out: strings.TrimSuffix(path, ".pcapng") + ".html", format: "html"}
		err = quiet.writeReport(ctx, &f)
		return saved{"saved " + filepath.Base(f.out) + " and " + filepath.Base(path), err}
	}
}

// tellSaved says what came of it.
func (s *screen) tellSaved(x saved) {
	if x.err != nil {
		s.view.Say(render.Clean(x.err.Error()))
		return
	}
	s.view.Say(x.what)
}

// writes does what a key asks for that writes files.
func (s *screen) writes(m *watch.Model, a watch.Action) tea.Cmd {
	if a == watch.Save {
		return s.saving()
	}
	return s.reporting(s.view.Selected(m))
}
