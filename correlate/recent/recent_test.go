package recent

import "testing"

// What is remembered to a bound must not be forgotten all at once when the bound
// is reached: a sender who fills it would then have the rest misjudged.
func TestTheLatestOfWhatIsRememberedStays(t *testing.T) {
	const most = 1000
	r := Map[int, int]{Most: most}
	for i := range 10 * most {
		if r.Use(-1) == 0 {
			r.Put(-1, 7)
			if i > 0 {
				t.Fatalf("what is used all the time was forgotten after %d others", i)
			}
		}
		r.Put(i, i+1)
		if r.Len() > most {
			t.Fatalf("%d entries are held after %d", r.Len(), i)
		}
		for _, back := range []int{0, 1, most/2 - 2} {
			if k := i - back; k >= 0 && r.Get(k) != k+1 {
				t.Fatalf("entry %d was forgotten %d later", k, back)
			}
		}
	}
	seen := map[int]bool{}
	for k, v := range r.All() {
		if seen[k] || r.Get(k) != v {
			t.Errorf("entry %d comes twice, or as %d", k, v)
		}
		seen[k] = true
	}
	r.Remove(-1)
	if len(seen) < most/2 || r.Get(-1) != 0 {
		t.Errorf("%d entries are listed; one removed is %d", len(seen), r.Get(-1))
	}
}

func TestAFullMemoryHoldsWhatIsPutAgain(t *testing.T) {
	r := Map[string, int]{Most: 4}
	for i, k := range []string{"a", "b", "a", "c", "a", "d", "a", "e"} {
		r.Put(k, i)
		if r.Get(k) != i {
			t.Errorf("%s was put as %d and is %d", k, i, r.Get(k))
		}
	}
	if r.Get("a") != 6 {
		t.Errorf("a is %d: an older one of the same key came back", r.Get("a"))
	}
}
