package target

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"dnatrace/capture/engine"
)

// UnknownError says that no container has the name a target gives.
type UnknownError struct {
	Target Target
	Near   []string // names that look like it, the nearest first; else some that exist
	Close  bool     // whether Near looks like it
}

func (e *UnknownError) Error() string {
	what := "container"
	switch e.Target.Service {
	case "":
	case EveryService:
		what = "compose project"
	default:
		what = "compose service"
	}
	switch {
	case len(e.Near) == 0:
		return fmt.Sprintf("no %s %s: the engine has none", what, e.name())
	case e.Close:
		return fmt.Sprintf("no %s %s: did you mean %s?", what, e.name(), strings.Join(e.Near, ", "))
	}
	return fmt.Sprintf("no %s %s: there are %s", what, e.name(), strings.Join(e.Near, ", "))
}

func (e *UnknownError) name() string {
	switch e.Target.Service {
	case "":
		return fmt.Sprintf("%q", e.Target.Name)
	case EveryService:
		return fmt.Sprintf("%q", e.Target.Project)
	}
	return fmt.Sprintf("%q", e.Target.Project+"/"+e.Target.Service)
}

// maxNear is the number of names an UnknownError lists.
const maxNear = 5

func unknown(t Target, s *engine.Snapshot) error {
	want := t.Name
	if t.Service != "" {
		want = strings.TrimSuffix(t.Project+"/"+t.Service, "/"+EveryService)
	}
	names := candidates(s)
	near := Nearest(want, names)
	if len(near) > 0 {
		return &UnknownError{Target: t, Near: near, Close: true}
	}
	return &UnknownError{Target: t, Near: names[:min(maxNear, len(names))]}
}

// candidates are the names a target could have given, quoted where the engine
// or compose would not have allowed them.
func candidates(s *engine.Snapshot) []string {
	var names []string
	for _, c := range s.Containers {
		names = append(names, c.Name)
		if c.Service != "" {
			names = append(names, c.Project, c.Project+"/"+c.Service)
		}
	}
	for i, n := range names {
		if !nameForm.MatchString(strings.Replace(n, "/", "", 1)) {
			names[i] = fmt.Sprintf("%q", n)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Nearest orders the names that contain want, or that a few keystrokes turn
// into it.
func Nearest(want string, names []string) []string {
	type scored struct {
		name  string
		score int
	}
	var all []scored
	for _, n := range names {
		d := distance(strings.ToLower(want), strings.ToLower(n))
		switch {
		case d > 1 && hasWords(n, want):
			all = append(all, scored{n, 1})
		case d <= max(1, len(want)/3):
			all = append(all, scored{n, d})
		case strings.Contains(strings.ToLower(n), strings.ToLower(want)):
			all = append(all, scored{n, 100 + len(n)})
		}
	}
	slices.SortFunc(all, func(a, b scored) int {
		return cmp.Or(cmp.Compare(a.score, b.score), strings.Compare(a.name, b.name))
	})
	var near []string
	for _, s := range all[:min(maxNear, len(all))] {
		near = append(near, s.name)
	}
	return near
}

// hasWords reports whether all words of want, of which there are several with hyphens
// between them, are words of name: "wrong-port" of "wrong-container-port".
func hasWords(name, want string) bool {
	words := strings.Split(strings.ToLower(want), "-")
	have := strings.Split(strings.ToLower(name), "-")
	return len(words) > 1 && !slices.ContainsFunc(words, func(w string) bool { return !slices.Contains(have, w) })
}

// distance is the number of bytes to insert, delete, replace or swap with the
// next to turn a into b (optimal string alignment).
func distance(a, b string) int {
	var before []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			replace := row[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			next[j] = min(row[j]+1, next[j-1]+1, replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
