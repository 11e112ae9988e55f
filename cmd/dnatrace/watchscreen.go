package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/term"

	"dnatrace/capture/target"
	"dnatrace/cmd/internal/flight"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/cmd/internal/watch"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

// frame is how long a picture stands, unless a key is pressed.
const frame = 80 * time.Millisecond

// hasScreen reports whether a screen can be shown and somebody can press keys.
func (a *app) hasScreen() bool {
	return a.onTerminal && term.IsTerminal(int(os.Stdin.Fd())) && os.Getenv("TERM") != "dumb"
}

// watchScreen watches for who sits at a terminal.
func (a *app) watchScreen(ctx context.Context, f *watchFlags, w *watcher, src source) (d *correlate.Document, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	after := &afterwards{to: a.out}
	look := a.look
	look.Numeric, look.Zone, look.Apart = f.numeric, time.Local, true
	w.printer = render.New(after, render.FormatTable, look)
	s := &screen{w: w, view: watch.NewView(look), past: &src.past}
	trouble := func(text string) { w.with(func(*watch.Model) { s.view.Say(text) }) }
	if src.past.dir, err = os.Getwd(); err != nil {
		return nil, fmt.Errorf("find directory for recordings: %w", err)
	}
	src.past.beside(&src.options, src.saver, flight.Bounds{Age: f.keep.age, Bytes: f.keep.bytes}, func(err error) { trouble(err.Error()) })
	defer src.past.close()
	p := tea.NewProgram(s, tea.WithInput(os.Stdin), tea.WithOutput(os.Stdout), tea.WithoutSignalHandler(), tea.WithFPS(30))
	stop := context.AfterFunc(ctx, p.Quit)
	defer stop()
	ended := pipeline.Do(ctx, func(ctx context.Context) {
		d, err = w.run(ctx, src)
		p.Send(runEnded{stays: len(f.replay) > 0 && err == nil})
	})
	_, broken := p.Run()
	cancel()
	<-ended
	after.open = true
	if errors.Is(broken, tea.ErrProgramPanic) {
		return nil, fmt.Errorf("show the screen: %w", broken)
	}
	return d, err // a terminal that is gone ends the run as Ctrl-C does
}

// run feeds the model until the stream or ctx ends.
func (w *watcher) run(ctx context.Context, src source) (*correlate.Document, error) {
	stream, stop := w.tapped(src.Source)
	defer stop()
	o := src.options
	w.feed(&o)
	take := o.OnIncident
	o.OnIncident = func(i *correlate.Incident) {
		take(i)
		if i.Verdict != correlate.Delivered || i.Revised {
			w.printer.Incident(i) // counts, for the end
		}
	}
	o.OnStatus = func(s correlate.Status) { w.with(func(m *watch.Model) { m.Status(s) }) }
	src.beside(&o)
	d, err := pipeline.Run(ctx, stream, o)
	if d != nil {
		o.OnStatus(statusOf(d))
	}
	return d, err
}

// afterwards is output that is thrown away while the screen is shown.
type afterwards struct {
	to   io.Writer
	open bool
}

func (a *afterwards) Write(b []byte) (int, error) {
	if !a.open {
		return len(b), nil
	}
	return a.to.Write(b)
}

// screen joins a View with the terminal's keys and size. It is bubbletea's Model.
type screen struct {
	w    *watcher
	view *watch.View
	past *past
}

// Messages to the screen, beside bubbletea's own.
type (
	nextFrame struct{}
	runEnded  struct{ stays bool } // the screen, to be looked at
	explained struct {
		target string
		e      *foresee.Explanation
		err    error
	}
)

func next() tea.Cmd { return tea.Tick(frame, func(time.Time) tea.Msg { return nextFrame{} }) }

// Init asks for the first frame.
func (s *screen) Init() tea.Cmd { return next() }

// Update takes one message.
func (s *screen) Update(msg tea.Msg) (_ tea.Model, then tea.Cmd) {
	s.w.with(func(m *watch.Model) {
		switch msg := msg.(type) {
		case nextFrame:
			then = next()
		case tea.WindowSizeMsg:
			s.view.Resize(msg.Width, msg.Height)
		case tea.KeyPressMsg:
			then = s.act(m, s.view.Key(m, msg.String(), msg.Key().Text), msg.String())
		case tea.MouseClickMsg:
			if msg.Button == tea.MouseLeft {
				s.view.Click(m, msg.Y)
			}
		case tea.MouseWheelMsg:
			s.view.Wheel(wheeled(msg))
		case saved:
			s.tellSaved(msg)
		case explained:
			s.explain(msg)
		case runEnded:
			if s.view.End(); !msg.stays {
				then = tea.Quit
			}
		}
	})
	return s, then
}

func wheeled(msg tea.MouseWheelMsg) int {
	switch msg.Button {
	case tea.MouseWheelUp:
		return -3
	case tea.MouseWheelDown:
		return 3
	}
	return 0
}

// act does what a key asks for.
func (s *screen) act(m *watch.Model, a watch.Action, key string) tea.Cmd {
	switch {
	case a == watch.Quit:
		return tea.Quit
	case a == watch.Explain:
		return s.explaining(s.view.Selected(m))
	case a == watch.Save, a == watch.Report:
		return s.writes(m, a)
	case key == "ctrl+z":
		return tea.Suspend
	}
	return nil
}

// explaining has a port explained while the screen goes on.
func (s *screen) explaining(port string) tea.Cmd {
	if port == "" {
		s.view.Say("nothing to explain is selected")
		return nil
	}
	s.view.Say("explaining " + port)
	return func() tea.Msg {
		targets, err := target.ParseAll([]string{port})
		if err != nil {
			return explained{port, nil, err}
		}
		e, err := foresee.Explain(s.w.around.state(), targets, foresee.Options{})
		return explained{port, e, err}
	}
}

func (s *screen) explain(x explained) {
	if x.err != nil {
		s.view.Say("explain " + x.target + ": " + x.err.Error())
		return
	}
	s.view.Say("")
	s.view.Open("explain "+x.target, func(look render.Options) string {
		var b bytes.Buffer
		if err := render.WriteExplanation(&b, x.e, render.FormatTable, look); err != nil {
			return look.Text(err.Error())
		}
		return b.String()
	})
}

// View draws the frame.
func (s *screen) View() tea.View {
	var v tea.View
	s.w.with(func(m *watch.Model) { v.SetContent(s.view.Screen(m)) })
	v.AltScreen, v.MouseMode = true, tea.MouseModeCellMotion
	return v
}
