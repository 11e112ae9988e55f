package correlate

// Slabs is how many records of requests and of legs were ever needed at once:
// what a Tracker holds on to.
func (t *Tracker) Slabs() (requests, legs int) { return int(t.requests.used), int(t.legs.slab.used) }
