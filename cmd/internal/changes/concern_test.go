package changes

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
	"dnatrace/capture/target"
	"dnatrace/decode"
)

// told is what somebody who asked about targets is told of a stream.
func told(t *testing.T, targets []string, events ...decode.Event) (lines []string) {
	t.Helper()
	wanted, err := target.ParseAll(targets)
	if err != nil {
		t.Fatal(err)
	}
	c := NewConcern(wanted, func(it Change) { lines = append(lines, it.Words()) })
	for _, e := range events {
		c.Event(e)
	}
	return lines
}

func published(names ...string) *decode.EngineSnapshot {
	s := &decode.EngineSnapshot{}
	for i, name := range names {
		b := engine.Binding{Proto: "tcp", HostPort: uint16(8080 + i), Container: 80}
		s.Containers = append(s.Containers, engine.Container{
			ID: name, Name: name, State: "running", Mode: "bridge", Bindings: []engine.Binding{b}, Mappings: []engine.Binding{b},
			Endpoints: []engine.Endpoint{{Network: "bridge", IPv4: netip.AddrFrom4([4]byte{172, 17, 0, byte(2 + i)})}},
		})
	}
	return s
}

func did(at int64, kind, name, action string) *decode.EngineEvent {
	return &decode.EngineEvent{Time: at, Event: engine.Event{Type: kind, Name: name, Action: action}}
}

func nftText(at int64, lines string) *decode.Ruleset {
	return &decode.Ruleset{Time: at, Netns: capture.HostNetns, Ruleset: rules.Ruleset{Backend: "iptables-save", Data: []byte("*filter\n" + lines + "COMMIT\n")}}
}

func TestARestartIsTwoLines(t *testing.T) {
	got := told(t, []string{"8080"}, published("web", "db"),
		did(1, "container", "web", "kill"), did(2, "container", "web", "die"), did(3, "container", "web", "stop"),
		did(4, "container", "web", "start"), did(5, "container", "web", "restart"),
		did(6, "container", "db", "die"), published("web"))
	if d := cmp.Diff([]string{"web: die", "web: start"}, got); d != "" {
		t.Error(d)
	}
}

func TestWhatIsRemovedStillConcerns(t *testing.T) {
	got := told(t, []string{"web"}, published("web"), did(1, "container", "web", "die"), published(), did(2, "container", "web", "destroy"),
		did(3, "network", "bridge", "destroy"), did(4, "network", "other", "destroy"))
	if d := cmp.Diff([]string{"web: die", "web: destroy", "network bridge: destroy"}, got); d != "" {
		t.Error(d)
	}
}

func TestRulesOfOthersConcernAndTheEnginesIfTheyNameTheTarget(t *testing.T) {
	before := "-A FORWARD -j DOCKER\n-A DOCKER -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT\n-A DOCKER -d 172.17.0.3/32 -p tcp -m tcp --dport 80 -j ACCEPT\n"
	got := told(t, []string{"8080"}, published("web", "db"), did(1, "container", "web", "start"), nftText(2, before), nftText(3, "-A FORWARD -j DOCKER\n"), nftText(4, before),
		nftText(9e9, "-A FORWARD -j DOCKER\n-A FORWARD -s 203.0.113.7/32 -j DROP\n"))
	want := []string{
		"web: start",
		"rule new: ip filter: -A FORWARD -s 203.0.113.7/32 -j DROP",
		"rule gone: ip filter: -A DOCKER -d 172.17.0.2/32 -p tcp -m tcp --dport 80 -j ACCEPT",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTheHostsOwnStateConcernsAndInterfacesOfContainersDoNot(t *testing.T) {
	is := func(at int64, forward string, links ...host.Link) *decode.HostSample {
		return &decode.HostSample{Time: at, Netns: capture.HostNetns, Sample: host.Sample{State: host.State{Links: links, Sysctls: map[string]string{"net.ipv4.ip_forward": forward}}}}
	}
	nic := host.Link{Index: 2, Name: "eth0", MTU: 1500, Up: true, Running: true}
	veth := host.Link{Index: 9, Name: "veth1", Kind: "veth", MTU: 1500, Up: true, Running: true}
	got := told(t, nil, published("web"), is(1, "1", nic), is(2, "0", nic, veth))
	if d := cmp.Diff([]string{"setting gone: net.ipv4.ip_forward = 1", "setting new: net.ipv4.ip_forward = 0"}, got); d != "" {
		t.Error(d)
	}
}

func TestOfManyChangesAtOnceTheFirstAreToldAndHowManyMore(t *testing.T) {
	events := []decode.Event{published("web")}
	for n := range 26 {
		events = append(events, did(int64(n)*1e9/10, "container", "web", fmt.Sprintf("health_status: %d", n)))
	}
	events = append(events, did(30e9, "container", "web", "die"))
	got := told(t, []string{"web"}, events...)
	want := []string{"web: health_status: 0", "web: health_status: 1", "web: health_status: 2", "web: health_status: 3", "web: health_status: 4", "web: health_status: 5",
		"web: health_status: 6", "web: health_status: 7", "web: health_status: 8", "web: health_status: 9", "web: health_status: 10", "web: health_status: 11",
		"14 more changes, the last: web: health_status: 25", "web: die"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestWhatBecomesOfANamespaceIsNotTold when its container stops: the last look into
// it may come before the engine says so, or after.
func TestWhatBecomesOfANamespaceIsNotTold(t *testing.T) {
	in := func(at int64, sockets ...string) *decode.HostSample {
		s := host.State{}
		for _, a := range sockets {
			s.Sockets = append(s.Sockets, host.Socket{Proto: "tcp", Local: netip.MustParseAddrPort(a), Process: "nginx", PID: 7})
		}
		return &decode.HostSample{Time: at, Netns: "web", Sample: host.Sample{State: s}}
	}
	const second = int64(1e9)
	got := told(t, []string{"web"}, published("web"), in(1, "0.0.0.0:80"), in(10*second, "0.0.0.0:80", "0.0.0.0:81"),
		in(20*second), did(21*second, "container", "web", "die"), in(22*second, "0.0.0.0:80"), did(23*second, "container", "web", "start"),
		in(40*second, "127.0.0.1:80"), did(50*second, "network", "other", "destroy"), did(60*second, "container", "web", "health_status: healthy"))
	want := []string{
		"web: socket new: tcp 0.0.0.0:81 (nginx, pid 7)", "web: die", "web: start",
		"web: socket gone: tcp 0.0.0.0:80 (nginx, pid 7)", "web: socket new: tcp 127.0.0.1:80 (nginx, pid 7)", "web: health_status: healthy",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestRulesAreToldHoweverOftenTheyChanged: a run beside containers that come and go
// for days still says which rule somebody added.
func TestRulesAreToldHoweverOftenTheyChanged(t *testing.T) {
	const second = int64(1e9)
	events := []decode.Event{published("web"), nftText(1, "-A FORWARD -j DOCKER\n")}
	for n := range 100 {
		other := ""
		if n%2 == 0 {
			other = "-A DOCKER -d 172.17.0.9/32 -p tcp -m tcp --dport 80 -j ACCEPT\n"
		}
		events = append(events, nftText(int64(n+1)*10*second, "-A FORWARD -j DOCKER\n"+other))
	}
	events = append(events, nftText(2000*second, "-A FORWARD -s 203.0.113.7/32 -j DROP\n-A FORWARD -j DOCKER\n"))
	got := told(t, []string{"8080"}, events...)
	if d := cmp.Diff([]string{"rule new: ip filter: -A FORWARD -s 203.0.113.7/32 -j DROP"}, got); d != "" {
		t.Error(d)
	}
}
