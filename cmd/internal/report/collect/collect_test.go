package collect

import (
	"context"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
	"dnatrace/cmd/internal/report"
	"dnatrace/correlate"
	"dnatrace/fixtures"
)

// second is a moment of the story.
func second(n int) int64 { return time.Date(2026, 3, 4, 5, 6, n, 0, time.UTC).UnixNano() }

// story is a stream of records.
type story []capture.Record

func (s *story) tell(at int64, origin, kind, netns string, content any) {
	data, err := json.Marshal(content)
	if err != nil {
		panic(err)
	}
	*s = append(*s, capture.Record{Time: at, Origin: origin, Kind: kind, Netns: netns, Data: data})
}

func (s story) source(context.Context) iter.Seq2[*capture.Batch, error] {
	return func(yield func(*capture.Batch, error) bool) {
		for _, r := range s {
			if !yield(&capture.Batch{Records: []capture.Record{r}}, nil) {
				return
			}
		}
	}
}

// told is the timeline as lines.
func told(all []report.Happening) []string {
	var out []string
	for _, h := range all {
		out = append(out, strings.TrimPrefix(h.Lane+" "+h.Where+": "+h.Text, " "))
	}
	return out
}

func TestTheTimelineTellsWhatChanged(t *testing.T) {
	var s story
	s.tell(second(0), capture.OriginMeta, capture.KindStart, "", capture.Start{Format: 1, Program: "dnatrace 1", Started: second(0), Redacted: true})
	web := engine.Container{ID: "0123456789abcdef", Name: "web", State: "running", Mode: "bridge"}
	s.tell(second(1), capture.OriginEngine, capture.KindSnapshot, "", engine.Snapshot{Version: "29", Containers: []engine.Container{web}})
	before := host.Sample{State: host.State{Links: []host.Link{{Index: 2, Name: "docker0", MTU: 1500, Up: true, Running: true}}, Sysctls: map[string]string{"net.ipv4.ip_forward": "1"}}}
	s.tell(second(1), capture.OriginHost, capture.KindSample, "host", before)
	s.tell(second(1), capture.OriginRules, capture.KindRuleset, "host", rules.Ruleset{Backend: "iptables-save", Data: []byte("*filter\n:FORWARD ACCEPT [1:2]\n[3:4] -A FORWARD -j DOCKER-USER\nCOMMIT\n")})
	s.tell(second(2), capture.OriginEngine, capture.KindEvent, "", engine.Event{Type: "container", Action: "health_status: unhealthy", ID: web.ID, Name: "web"})
	s.tell(second(3), capture.OriginEngine, capture.KindEvent, "", engine.Event{Type: "network", Action: "disconnect", Name: "app", Container: web.ID})
	s.tell(second(4), capture.OriginHost, capture.KindSample, "host", host.Sample{Same: true})
	after := host.Sample{State: host.State{Links: []host.Link{{Index: 2, Name: "docker0", MTU: 1500, Up: true}}, Sysctls: map[string]string{"net.ipv4.ip_forward": "0"},
		Sockets: []host.Socket{{Proto: "tcp", Process: "nginx", PID: 7}}}}
	s.tell(second(5), capture.OriginHost, capture.KindSample, "host", after)
	s.tell(second(6), capture.OriginRules, capture.KindRuleset, "host", rules.Ruleset{Backend: "iptables-save", Data: []byte("*filter\n:FORWARD ACCEPT [9:9]\n[9:9] -A FORWARD -j DOCKER-USER\n-A DOCKER-USER -j DROP\nCOMMIT\n")})
	web.State = "exited"
	s.tell(second(7), capture.OriginEngine, capture.KindSnapshot, "", engine.Snapshot{Version: "29", Containers: []engine.Container{web}})
	s.tell(second(8), capture.OriginPackets, capture.KindLoss, "", capture.Loss{Ring: 0, From: second(7), To: second(8), Lost: 12})

	f, err := Run(t.Context(), s.source, &correlate.Document{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"capture : recording began: every source armed",
		"engine web: container health_status: unhealthy",
		"engine web: network app: disconnect",
		"host : interface gone: docker0 up, MTU 1500",
		"host : interface new: docker0 up, no carrier, MTU 1500",
		"host : setting gone: net.ipv4.ip_forward = 1",
		"host : setting new: net.ipv4.ip_forward = 0",
		"sockets : socket new: tcp invalid AddrPort (nginx, pid 7)",
		"rules : rule new: ip filter: -A DOCKER-USER -j DROP",
		"engine web: running → exited",
		"capture : 12 packets lost within 1s",
	}
	if d := cmp.Diff(want, told(f.Timeline)); d != "" {
		t.Error(d)
	}
	if !f.Redacted || !f.Cut {
		t.Errorf("redacted %v, cut %v: want both", f.Redacted, f.Cut)
	}
}

func TestALongHistoryIsBoundedAroundTheRequest(t *testing.T) {
	var s story
	for n := range 5000 {
		s.tell(second(0)+int64(n)*int64(time.Second), capture.OriginEngine, capture.KindEvent, "", engine.Event{Type: "container", Action: "start", Name: "web"})
	}
	at := time.Unix(0, second(0)).Add(2500 * time.Second)
	f, err := Run(t.Context(), s.source, &correlate.Document{Requests: []correlate.Incident{{ID: "1", First: at, Last: at}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Timeline) != maxHappenings+1 || f.Omitted != 5000-maxHappenings {
		t.Errorf("%d happenings told and %d left out of 5000", len(f.Timeline), f.Omitted)
	}
	for _, h := range f.Timeline {
		if d := h.Time.Sub(at).Abs(); d > 2*maxHappenings*time.Second {
			t.Fatalf("told is what happened %s from the request", d)
		}
	}
}

// found collects from a fixture.
func found(t *testing.T, name string) report.Findings {
	t.Helper()
	c, d := fixtures.Judged(t, name)
	source, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	f, err := Run(t.Context(), source, d)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// route is the points that saw a packet.
func route(f report.Flight) string {
	var names []string
	for _, s := range f.Seen {
		names = append(names, strings.TrimRight(s.Point, "0123456789abcdef"))
	}
	return f.Label + ": " + strings.Join(names, " ")
}

func TestAPacketIsFoundAtEveryPoint(t *testing.T) {
	for name, want := range map[string][]string{
		"listener-on-loopback": {"SYN: eth docker veth web:eth", "RST-ACK: web:eth veth docker eth"},
		"firewall-reject":      {"SYN: eth", "ICMP port unreachable: eth"},
	} {
		var got []string
		for _, f := range found(t, name).Cases[0].Flights {
			got = append(got, route(f))
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestWhatWasSentAgainIsSaidSo(t *testing.T) {
	var again []int
	for _, f := range found(t, "firewall-drop").Cases[0].Flights {
		again = append(again, f.Again)
	}
	if len(again) < 2 || again[0] != 0 || again[1] != 1 {
		t.Errorf("%v", again)
	}
}

func TestTheLoopbackShowsEachPacketOnce(t *testing.T) {
	for _, f := range found(t, "host-loopback").Cases[0].Flights {
		if f.Again > 0 {
			t.Errorf("%s is said to be sent again", route(f))
		}
	}
}

func TestTheRuleThatDecidedComesFirst(t *testing.T) {
	for _, name := range []string{"firewall-drop", "firewall-drop-untraced", "reply-filtered", "demo-forward-drop"} {
		f := found(t, name)
		if len(f.Rules) == 0 || !f.Rules[0].Decided {
			t.Errorf("%s: %v", name, f.Rules)
		}
		if n := slices.IndexFunc(f.Rules[1:], func(r report.Rule) bool { return r.Decided }); n >= 0 {
			t.Errorf("%s: more than one rule decided", name)
		}
	}
}

func TestOnlyRulesConcernedAreShown(t *testing.T) {
	names := []string{"172.17.0.2", "dport 80"}
	for text, want := range map[string]string{
		"-A DOCKER -d 172.17.0.2/32 -p tcp --dport 80 -j ACCEPT": "names 172.17.0.2",
		"dnat to 172.17.0.2:80":                                  "names 172.17.0.2",
		"-A DOCKER -d 172.17.0.20/32 -j ACCEPT":                  "",
		"-A INPUT -s 10.172.17.0.2 -j ACCEPT":                    "",
		"-A INPUT -p tcp --dport 8080 -j ACCEPT":                 "",
		"tcp dport 80 drop":                                      "names dport 80",
	} {
		if got := saidOf(text, names); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestEveryFixtureIsCollected(t *testing.T) {
	for _, name := range fixtures.Names() {
		f := found(t, name)
		if len(f.Cases) > 0 && len(f.Cases[0].Flights) == 0 {
			t.Errorf("%s: no packet of the request was found again", name)
		}
		if len(f.Versions) == 0 {
			t.Errorf("%s: no version is told", name)
		}
	}
}

// TestRoutesAreThoseThatTheRulesOfRoutingLeadTo: not what the main table alone
// has, which an answer ruled elsewhere never sees.
func TestRoutesAreThoseThatTheRulesOfRoutingLeadTo(t *testing.T) {
	for name, want := range map[string]string{
		"delivered":                 "route to 198.51.100.100: 198.51.100.0/24 dev eth0",
		"reply-misrouted-by-source": "route to 203.0.113.100: default dev wan2 table 102",
		"routed-elsewhere-by-mark":  "route to 172.17.0.2: not known: whether the routing rule of the host with priority 1000 holds",
	} {
		var got []string
		for _, r := range found(t, name).Routes {
			got = append(got, r.Netns+": "+r.What+": "+r.Text)
		}
		if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("%s: %q has no %q", name, got, want)
		}
	}
}
