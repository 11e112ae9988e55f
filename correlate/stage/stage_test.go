package stage_test

import (
	"slices"
	"strings"
	"testing"

	"dnatrace/correlate/stage"
)

func TestTheWayBackHasTheWordsOfTheWayIn(t *testing.T) {
	way := stage.All()
	for _, s := range way {
		back := s.Reply()
		switch {
		case back == stage.None:
			continue
		case !slices.Contains(way, back):
			t.Errorf("the answer meets %q at %q, which is none of the stages", s, back)
		case !strings.HasPrefix(string(back), "reply-"):
			t.Errorf("the answer meets %q at %q", s, back)
		case back.Reply() != back:
			t.Errorf("the way back of the way back of %q is %q", s, back.Reply())
		case !strings.HasPrefix(string(s), "reply-") && s.Order() >= back.Order():
			t.Errorf("%q comes behind %q", s, back)
		}
	}
	for i, s := range way {
		if s == "" || slices.Index(way, s) != i {
			t.Errorf("stage %d, %q, is none or there twice", i, s)
		}
	}
	if stage.None.Order() != -1 {
		t.Error("no stage has a place on the way")
	}
}
