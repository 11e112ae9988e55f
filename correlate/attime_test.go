package correlate_test

import (
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate"
)

func TestWhatChangedAfterARequestDoesNotExplainIt(t *testing.T) {
	for _, c := range []struct {
		name  string
		story string
		later func(*scene)
		want  correlate.Cause
	}{
		{"a container that was stopped after its address was asked for in vain", "0ms eth0 C > H S seq=100\n0.1ms docker0 arp who-has 172.17.0.2\n1s docker0 arp who-has 172.17.0.2", func(s *scene) { s.web().State = "exited" }, correlate.CauseNeighbourUnresolved},
		{"a container that was paused after it was silent", "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100", func(s *scene) { s.web().State = "paused" }, correlate.CauseUnknown},
		{"a route that was lost after the answer was", "0ms eth0 | docker0 veth1 web:eth0 C > H S seq=100\n1ms web:eth0 veth1 docker0 | H > C S. seq=500 ack=101", func(s *scene) { s.samples[capture.HostNetns].Routes = nil }, correlate.CauseUnknown},
		{"forwarding that was turned off after the drop", "0ms eth0 C > H S seq=100", func(s *scene) { s.samples[capture.HostNetns].Sysctls["net.ipv4.ip_forward"] = "0" }, correlate.CauseUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := dockerHost()
			s.later(func() { c.later(s) })
			d := tell(s, c.story).run(feeding{batch: 256})
			if len(d.Requests) != 1 || d.Requests[0].Cause != c.want {
				t.Errorf("judged %+v, want cause %s", d.Requests, c.want)
			}
		})
	}
}

// An engine that works in another namespace has its port driver listen here. No
// bridge of its own is here that could tell of a translation.
func TestThePortDriverOfARootlessEngineServes(t *testing.T) {
	s := packetsOnly()
	s.unwatch("docker0", "veth1", "web:eth0", "lo")
	s.engine, s.samples = theEngine(), map[string]*host.Sample{capture.HostNetns: hostState()}
	h := s.samples[capture.HostNetns]
	h.Links, h.Addrs, h.Routes = h.Links[:2], h.Addrs[:3], h.Routes[:1]
	s.hostListens("tcp", "0.0.0.0:8080", "rootlesskit")
	d := tell(s, "0ms eth0 C > H S seq=100\n0.1ms eth0 H > C S. seq=500 ack=101\n0.2ms eth0 C > H P. seq=101 ack=501 len=5\n0.3ms eth0 H > C P. seq=501 ack=106 len=9").run(feeding{batch: 256})
	if len(d.Requests) != 1 || d.Requests[0].Verdict != correlate.Delivered || d.Requests[0].Via != correlate.ViaProxy || d.Requests[0].Container != "web" {
		t.Errorf("judged %+v", d.Requests)
	}
}
