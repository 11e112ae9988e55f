// Package recent has a map that lets go of what was not used for the longest time,
// never of everything at once: for what a stream of any length may ask to be
// remembered.
//
// It must import nothing of ours.
package recent

import "iter"

// Map holds a bounded number of entries. When it is full, those go that were put
// in, or used, before the younger half of them was: never all at once, and never
// the latest. The bound is set before the first use.
type Map[K comparable, V any] struct {
	Most       int     // entries
	young, old map[K]V // no key is in both
}

// Get returns what was put in under k, or the zero value.
func (r *Map[K, V]) Get(k K) V {
	if v, ok := r.young[k]; ok {
		return v
	}
	return r.old[k]
}

// Use is Get, and makes the entry a young one.
func (r *Map[K, V]) Use(k K) V {
	v, ok := r.old[k]
	if ok {
		r.Put(k, v)
		return v
	}
	return r.young[k]
}

// Put puts v in under k.
func (r *Map[K, V]) Put(k K, v V) {
	if _, ok := r.young[k]; !ok && len(r.young) >= max(1, r.Most/2) {
		r.old, r.young = r.young, nil
	}
	if r.young == nil {
		r.young = map[K]V{}
	}
	delete(r.old, k)
	r.young[k] = v
}

// Remove takes out what is under k.
func (r *Map[K, V]) Remove(k K) {
	delete(r.young, k)
	delete(r.old, k)
}

// Len is the number of entries.
func (r *Map[K, V]) Len() int { return len(r.young) + len(r.old) }

// All are the entries, in no order.
func (r *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for _, half := range []map[K]V{r.young, r.old} {
			for k, v := range half {
				if !yield(k, v) {
					return
				}
			}
		}
	}
}
