package correlate

import "iter"

// recent is a map that holds a bounded number of entries. When it is full, those
// go that were put in, or used, before the younger half of them was: never all
// at once, and never the latest. The bound is set before the first use.
type recent[K comparable, V any] struct {
	most       int
	young, old map[K]V // no key is in both
}

// get returns what was put in under k, or the zero value.
func (r *recent[K, V]) get(k K) V {
	if v, ok := r.young[k]; ok {
		return v
	}
	return r.old[k]
}

// use is get, and makes the entry a young one.
func (r *recent[K, V]) use(k K) V {
	v, ok := r.old[k]
	if ok {
		r.put(k, v)
		return v
	}
	return r.young[k]
}

func (r *recent[K, V]) put(k K, v V) {
	if _, ok := r.young[k]; !ok && len(r.young) >= max(1, r.most/2) {
		r.old, r.young = r.young, nil
	}
	if r.young == nil {
		r.young = map[K]V{}
	}
	delete(r.old, k)
	r.young[k] = v
}

func (r *recent[K, V]) remove(k K) {
	delete(r.young, k)
	delete(r.old, k)
}

func (r *recent[K, V]) len() int { return len(r.young) + len(r.old) }

// all are the entries, in no order.
func (r *recent[K, V]) all() iter.Seq2[K, V] {
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
