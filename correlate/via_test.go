package correlate_test

import (
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// ways are about by which way a request is said to have gone in: only what is in
// evidence, or what was intended where nobody took it up (rules 14, 20).
var ways = []struct {
	name  string
	but   func(*scene)
	story string
	via   string
}{
	{"somebody took it up, and whether that was docker-proxy is not in evidence",
		func(s *scene) { s.samples = nil; s.unwatch("docker0", "veth1", "web:eth0") }, outside, ""},
	{"nobody took it up: the mapping was to take it in",
		func(s *scene) { s.samples = nil; s.unwatch("docker0", "veth1", "web:eth0") }, "0ms eth0 C > H S seq=100\n", "dnat"},
	{"connection tracking tells",
		func(s *scene) { s.samples = nil; s.unwatch("docker0", "veth1", "web:eth0") }, outside + translated, "dnat"},
	{"what a container asks is masqueraded towards its own bridge, and nothing in it would be known again there",
		func(s *scene) {
			s.engine = nil
			s.samples = map[string]*host.Sample{capture.HostNetns: {Undated: true, State: host.State{Given: host.Given{"addrs6": ""}, Addrs: hostState().Addrs}}}
			s.watch("veth2", capture.RoleVeth, capture.HostNetns, 0, "")
			s.unwatch("eth0", "docker0", "web:eth0")
		}, "0ms veth2 [fd00:17::3]:4000 > H6 S seq=100\n0.1ms veth2 H6 > [fd00:17::3]:4000 S. seq=500 ack=101\n0.2ms veth2 [fd00:17::3]:4000 > H6 . seq=101 ack=501\n" +
			"0.3ms veth2 [fd00:17::3]:4000 > H6 F. seq=101 ack=501\n", ""},
}

func TestWays(t *testing.T) {
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			s := dockerHost()
			w.but(s)
			d := tell(s, w.story).run(feeding{batch: 256})
			if len(d.Requests) != 1 || d.Requests[0].Via != w.via {
				t.Errorf("told %+v, want one request via %q", d.Requests, w.via)
			}
		})
	}
}
