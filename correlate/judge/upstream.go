package judge

import (
	"slices"
	"time"

	"dnatrace/capture"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

// upstream reports whether a run that saw no request shows that none arrived:
// everything was watched without loss for at least a window, and one from
// outside would have been delivered, as far as the host's state tells.
func (j *Judge) upstream(d *correlate.Document) bool {
	if d.Verdict != correlate.Absent || d.Summary.Open > 0 || len(j.wanted.targets) == 0 || !watchedAll(&d.Recording) {
		return false
	}
	state := j.tracker.State()
	for i := range j.wanted.targets {
		e, err := foresee.Explain(state, j.wanted.targets[i:i+1], foresee.Options{From: []string{foresee.Outside}})
		if err != nil || len(e.Paths) == 0 || len(e.Missing) > 0 {
			return false
		}
		if slices.ContainsFunc(e.Paths, func(p foresee.Path) bool { return p.Verdict != correlate.Delivered }) {
			return false
		}
	}
	return true
}

// watchedAll reports whether cards were watched without loss for a window, and
// every source that tells of the host's state gave evidence.
func watchedAll(r *correlate.Recording) bool {
	cards := slices.ContainsFunc(r.Points, func(p correlate.PointReport) bool {
		return p.Role == capture.RoleNIC.String() && p.Netns == capture.HostNetns
	})
	lost := slices.ContainsFunc(r.Rings, func(g correlate.RingReport) bool { return g.Lost > 0 })
	needed := []string{capture.OriginPackets, capture.OriginEngine, capture.OriginHost, capture.OriginRules}
	failed := slices.ContainsFunc(r.Sources, func(s correlate.SourceReport) bool {
		return slices.Contains(needed, s.Name) && s.State != capture.SourceOK
	})
	return cards && !lost && !failed && r.Ended.Sub(r.Started) >= correlate.DefaultWindow-100*time.Millisecond
}
