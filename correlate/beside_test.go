package correlate_test

import (
	"testing"

	"dnatrace/correlate"
)

// TestOnlyWhoAnswersAtTheCardAnswersThere tells of a container's address that a client
// asks for at the card, and that the container announces on its bridge.
func TestOnlyWhoAnswersAtTheCardAnswersThere(t *testing.T) {
	for _, c := range []struct {
		name, story string
		want        int
	}{
		{"nobody answers", "0ms eth0 nd who-has fd00:17::2\n1s eth0 nd who-has fd00:17::2\n2s end", 2},
		{"the container announces itself on the bridge meanwhile", "0ms eth0 nd who-has fd00:17::2\n500ms docker0 nd is-at fd00:17::2\n1s eth0 nd who-has fd00:17::2\n1.5s docker0 nd is-at fd00:17::2\n2s end", 2},
		{"the host answers for it at the card", "0ms eth0 nd who-has fd00:17::2\n1s eth0 nd who-has fd00:17::2\n1.1s eth0 nd is-at fd00:17::2\n2s end", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			tracker := correlate.New(correlate.Config{Keep: -1})
			tell(dockerHost(), c.story).feed(tracker, feeding{batch: 256})
			got := 0
			for _, s := range tracker.Sought() {
				got += s.Count
			}
			if got != c.want {
				t.Errorf("asked for in vain %d times, want %d", got, c.want)
			}
		})
	}
}
