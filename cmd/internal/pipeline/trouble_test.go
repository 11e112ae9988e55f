package pipeline

import (
	"errors"
	"testing"

	"dnatrace/capture/recording"
	"dnatrace/correlate"
	"dnatrace/fixtures"
)

// fullDisk takes so many bytes and no more.
type fullDisk struct{ room int }

var errFull = errors.New("no space left on device")

func (d *fullDisk) Write(b []byte) (int, error) {
	n := min(len(b), d.room)
	if d.room -= n; n < len(b) {
		return n, errFull
	}
	return n, nil
}

func TestAFullDiskEndsTheRecordingAndNotTheRun(t *testing.T) {
	c, err := fixtures.Load("demo-forward-drop")
	if err != nil {
		t.Fatal(err)
	}
	src, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	var told []error
	d, err := Run(t.Context(), src, Options{
		Record:    recording.NewWriter(&fullDisk{room: 1000}, recording.Options{}),
		OnTrouble: func(err error) { told = append(told, err) },
	})
	if err != nil || d.Verdict != correlate.Dropped || d.Cause != correlate.CauseFirewallDrop {
		t.Errorf("%v, judged %v:%v", err, d.Verdict, d.Cause)
	}
	if len(told) != 1 || !errors.Is(told[0], errFull) {
		t.Errorf("told %v, want once that the disk is full", told)
	}
}
