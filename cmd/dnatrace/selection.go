package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture/target"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
)

// selectionFlags say which requests are printed.
type selectionFlags struct {
	verdicts verdictsFlag
	causes   causesFlag
	failed   bool
	since    sinceFlag
	last     int
}

func (f *selectionFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.Var(&f.verdicts, "verdict", "print only requests of these verdicts, such as dropped,refused")
	fl.Var(&f.causes, "cause", "print only requests of these causes, such as firewall-drop")
	fl.BoolVar(&f.failed, "not-delivered", false, "print only requests that were not delivered")
	fl.Var(&f.since, "since", "print only requests that began since then: a time (RFC 3339, or HH:MM[:SS] of the local clock), or a duration before the end")
	fl.IntVar(&f.last, "last", 0, "print only the last so many requests of those selected (0: all)")
}

// selection is what the flags of c select. It is said in the words of the command
// line.
func (f *selectionFlags) selection(c *cobra.Command) (render.Selection, error) {
	if f.last < 0 {
		return render.Selection{}, usagef(c, "--last %d: must not be negative", f.last)
	}
	s := render.Selection{Verdicts: f.verdicts, Causes: f.causes, NotDelivered: f.failed, Since: f.since.Since, Last: f.last}
	var words []string
	for _, name := range []string{"verdict", "cause", "not-delivered", "since", "last"} {
		flag := c.Flags().Lookup(name)
		switch {
		case flag == nil || !flag.Changed:
		case name == "not-delivered":
			if f.failed {
				words = append(words, "--"+name)
			}
		default:
			words = append(words, "--"+name+" "+flag.Value.String())
		}
	}
	s.Text = strings.Join(words, " ")
	return s, nil
}

// parseVerdict reads the verdict of a request, or of a run.
func parseVerdict(s string) (correlate.Verdict, error) {
	v, err := correlate.ParseVerdict(s)
	if err == nil {
		return v, nil
	}
	var names []string
	for v := correlate.Undetermined; v <= correlate.Absent; v++ {
		names = append(names, v.String())
	}
	if near := target.Nearest(s, names); len(near) > 0 && s != "" {
		return v, fmt.Errorf("parse verdict: there is no %q: did you mean %s?", s, strings.Join(near, ", "))
	}
	return v, err
}

// parseCause reads a cause.
func parseCause(s string) (correlate.Cause, error) {
	c, err := correlate.ParseCause(s)
	if err == nil {
		return c, nil
	}
	var names []string
	for _, c := range correlate.Causes() {
		names = append(names, string(c))
	}
	if near := target.Nearest(s, names); len(near) > 0 && s != "" {
		return c, fmt.Errorf("parse cause: there is no %q: did you mean %s?", s, strings.Join(near, ", "))
	}
	return c, err
}

// verdictsFlag is the value of --verdict, which may be given more than once.
type verdictsFlag []correlate.Verdict

func (*verdictsFlag) Type() string { return "VERDICT[,VERDICT]" }

func (f *verdictsFlag) String() string {
	var names []string
	for _, v := range *f {
		names = append(names, v.String())
	}
	return strings.Join(names, ",")
}

func (f *verdictsFlag) Set(s string) error {
	for _, name := range strings.Split(s, ",") {
		v, err := parseVerdict(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		if v == correlate.Absent {
			return errors.New("absent is the verdict of a run in which there was no request")
		}
		*f = append(*f, v)
	}
	return nil
}

// causesFlag is the value of --cause, which may be given more than once.
type causesFlag []correlate.Cause

func (*causesFlag) Type() string { return "CAUSE[,CAUSE]" }

func (f *causesFlag) String() string {
	var names []string
	for _, c := range *f {
		names = append(names, string(c))
	}
	return strings.Join(names, ",")
}

func (f *causesFlag) Set(s string) error {
	for _, name := range strings.Split(s, ",") {
		c, err := parseCause(strings.TrimSpace(name))
		if err != nil {
			return err
		}
		*f = append(*f, c)
	}
	return nil
}

// sinceFlag is the value of --since.
type sinceFlag struct {
	render.Since
	text string
}

func (*sinceFlag) Type() string     { return "time|duration" }
func (f *sinceFlag) String() string { return f.text }

// clocks are how times of day are written.
var clocks = []string{"15:04", "15:04:05"}

// dates are how times are written, the local zone's where they do not say.
var dates = []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"}

func (f *sinceFlag) Set(s string) error {
	f.text, f.Since = s, render.Since{}
	var d durationFlag
	if err := d.Set(s); err == nil {
		if d == 0 {
			return fmt.Errorf("%q is no time at all", s)
		}
		f.Before = time.Duration(d)
		return nil
	}
	for _, layout := range clocks {
		if t, err := time.Parse(layout, s); err == nil {
			f.Zone = time.Local
			f.Clock = time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())
			return nil
		}
	}
	for _, layout := range dates {
		if t, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			f.Time = t
			return nil
		}
	}
	return fmt.Errorf("%q is no time (such as 14:05, 14:05:30 or 2026-03-01T14:05:00Z) and no duration before the end (such as 10m)", s)
}

// settled is s for a run that begins now: a time of day is the last one there was.
func (f *sinceFlag) settled(now time.Time) {
	if f.Zone != nil {
		f.Since = render.Since{Time: f.From(now)}
	}
}
