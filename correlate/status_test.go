package correlate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"dnatrace/correlate"
	"dnatrace/decode"
)

// statusAfter is how far a story has come when all of it was told and nothing
// has ended it.
func statusAfter(st *story) correlate.Status {
	t := correlate.New(st.scene.config)
	o := correlate.NewOrder(t, nil)
	for _, e := range st.opening {
		o.Event(e)
	}
	last := int64(0)
	for _, l := range st.lines {
		if l.at > epoch+int64(2*time.Second) {
			break // what ends a story
		}
		if last = max(last, l.at); l.event != nil {
			o.Event(l.event)
			continue
		}
		b := &decode.Batch{}
		b.Packets = append(b.Packets, l.pack(b))
		o.Packets(b)
		o.Release(l.at)
	}
	o.Release(last + 1)
	return t.Status()
}

func TestARequestThatWaitsIsToldWithWhatIsSuspected(t *testing.T) {
	for _, row := range []struct {
		name, story, want string
	}{
		{"it has not gone far", "0ms eth0 C > H S seq=100\n1s eth0 C > H S seq=100",
			"2 tries, seen at eth0, judged in 3.0 s: not beyond eth0 so far"},
		{"it was translated", "0ms eth0 C > H S seq=100\n0.1ms docker0 C > W S seq=100",
			"1 tries, seen at eth0 docker0, judged in 3.0 s: translated, not beyond docker0 so far"},
		{"it reached the container", syn + translated + "0.4ms web:eth0 C > W S seq=100",
			"1 tries, seen at eth0 docker0 veth1 web:eth0, judged in 3.0 s: it reached web:eth0, and nothing has come back"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := statusAfter(tell(dockerHost(), row.story))
			if s.Waiting == nil || s.Summary.Open != 1 || s.Packets == 0 {
				t.Fatalf("nothing waits: %+v", s)
			}
			w := s.Waiting
			got := fmt.Sprintf("%d tries, seen at %s, judged in %.1f s: %s", w.Attempts, strings.Join(w.Seen, " "), w.Due.Sub(s.Now).Round(100*time.Millisecond).Seconds(), w.Why)
			if got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
	if s := statusAfter(tell(dockerHost(), "0ms docker0 arp who-has 172.17.0.2")); s.Waiting != nil || s.Summary.Open != 0 {
		t.Errorf("nobody asked, and something waits: %+v", s.Waiting)
	}
}
