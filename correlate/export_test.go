package correlate

// Slabs is how many records of requests and of legs were ever needed at once:
// what a Tracker holds on to.
func (t *Tracker) Slabs() (requests, legs int) { return int(t.requests.used), int(t.legs.slab.used) }

// LookedAfter is how many answers are looked after because they may be stuck.
func (t *Tracker) LookedAfter() (n int) {
	for _, x := range t.extras {
		if x.stall != nil {
			n++
		}
	}
	return n
}
