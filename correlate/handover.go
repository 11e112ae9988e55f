package correlate

// State is what the sources said of the host, for who asks what would have
// become of a request. The Tracker is spent.
func (t *Tracker) State() *State {
	s := NewState()
	s.t.world = t.world
	for _, r := range t.journal.sourceReports(len(t.points) > 0) {
		s.sources[r.Name] = r
	}
	return s
}
