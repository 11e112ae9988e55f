package correlate_test

import (
	"net/netip"
	"testing"

	"dnatrace/capture/engine"
	"dnatrace/correlate"
	"dnatrace/decode"
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

// TestWhatATranslationMakesOfAnotherRequestIsNoneOfItsOwn asks about port 80 of a host
// that translates its port 8080 to port 80 of a container: who asked for 8080 did not
// ask for 80.
func TestWhatATranslationMakesOfAnotherRequestIsNoneOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		name, story string
		want        int
	}{
		{"it is translated, and refused inside", "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1ms web:eth0 veth1 docker0 | eth0 H > C R. seq=0 ack=101\n9s end", 0},
		{"its second try is the first that gets through", "0ms eth0 C > H S seq=100\n1s eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1001ms web:eth0 veth1 docker0 | eth0 H > C R. seq=0 ack=101\n9s end", 0},
		{"the kernel tells of the translation alone", "0ms docker0 veth1 web:eth0 C > W S seq=100\n0ms conntrack new C > H translated W > C\n1ms web:eth0 veth1 docker0 W > C R. seq=0 ack=101\n9s end", 0},
		{"somebody asks for the container itself", "0ms docker0 veth1 web:eth0 C > W S seq=100\n1ms web:eth0 veth1 docker0 W > C R. seq=0 ack=101\n9s end", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := dockerHost()
			s.config.Selects = func(_ decode.Proto, dst netip.AddrPort, _ *engine.Snapshot) bool { return dst.Port() == 80 }
			d := tell(s, c.story).run(feeding{batch: 1})
			if len(d.Requests) != c.want {
				t.Errorf("%d requests, want %d", len(d.Requests), c.want)
				for i := range d.Requests {
					t.Log(sentence(&d.Requests[i]), d.Requests[i].Requested)
				}
			}
		})
	}
}
