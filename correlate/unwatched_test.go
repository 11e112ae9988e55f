package correlate_test

import (
	"slices"
	"testing"
)

func TestAContainerThatWasNotWatchedFromInsideIsSaidWhereItMatters(t *testing.T) {
	const said = "the inside of web was not watched: its host-side veth stands for it"
	const silence = "0ms eth0 | docker0 veth1 C > H S seq=100\n1s eth0 | docker0 veth1 C > H S seq=100"
	const answered = `0ms eth0 | docker0 veth1 C > H S seq=100
		1ms veth1 docker0 | eth0 H > C S. seq=500 ack=101
		2ms eth0 | docker0 veth1 C > H . seq=101 ack=501
		3ms eth0 | docker0 veth1 C > H P. seq=101 ack=501 len=9
		4ms veth1 docker0 | eth0 H > C P. seq=501 ack=110 len=9`
	for _, c := range []struct {
		name    string
		outside []string
		story   string
		want    bool
	}{
		{"nobody answers, and it was not watched", []string{"db", "web"}, silence, true},
		{"nobody answers, and another one was not watched", []string{"db"}, silence, false},
		{"all of it was delivered", []string{"web"}, answered, false},
	} {
		s := dockerHost()
		s.unwatch("web:eth0")
		s.sources[0].Outside = c.outside
		d := tell(s, c.story).run(feeding{batch: 256})
		if len(d.Requests) != 1 || slices.Contains(d.Requests[0].Blind, said) != c.want {
			t.Errorf("%s: %+v", c.name, d.Requests)
		}
	}
}
