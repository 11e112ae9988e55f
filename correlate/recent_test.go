package correlate

import "testing"

// What is remembered to a bound must not be forgotten all at once when the bound
// is reached: a sender who fills it would then have the rest misjudged.
func TestTheLatestOfWhatIsRememberedStays(t *testing.T) {
	const most = 1000
	r := recent[int, int]{most: most}
	for i := range 10 * most {
		if r.use(-1) == 0 {
			r.put(-1, 7)
			if i > 0 {
				t.Fatalf("what is used all the time was forgotten after %d others", i)
			}
		}
		r.put(i, i+1)
		if r.len() > most {
			t.Fatalf("%d entries are held after %d", r.len(), i)
		}
		for _, back := range []int{0, 1, most/2 - 2} {
			if k := i - back; k >= 0 && r.get(k) != k+1 {
				t.Fatalf("entry %d was forgotten %d later", k, back)
			}
		}
	}
	seen := map[int]bool{}
	for k, v := range r.all() {
		if seen[k] || r.get(k) != v {
			t.Errorf("entry %d comes twice, or as %d", k, v)
		}
		seen[k] = true
	}
	r.remove(-1)
	if len(seen) < most/2 || r.get(-1) != 0 {
		t.Errorf("%d entries are listed; one removed is %d", len(seen), r.get(-1))
	}
}

func TestAFullMemoryHoldsWhatIsPutAgain(t *testing.T) {
	r := recent[string, int]{most: 4}
	for i, k := range []string{"a", "b", "a", "c", "a", "d", "a", "e"} {
		r.put(k, i)
		if r.get(k) != i {
			t.Errorf("%s was put as %d and is %d", k, i, r.get(k))
		}
	}
	if r.get("a") != 6 {
		t.Errorf("a is %d: an older one of the same key came back", r.get("a"))
	}
}
