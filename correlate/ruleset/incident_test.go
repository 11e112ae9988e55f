package ruleset_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/fixtures"
)

const (
	nft      = ruleset.NFT
	iptables = ruleset.Iptables
)

// accusations are the incidents in which a rule or policy decided.
var accusations = []struct {
	incident string
	netns    string
	answer   bool // it was the answer that met it
	want     told
}{
	{"firewall-drop", "host", false, told{"dropped", stage.Forward, "user", iptables, "ip filter DOCKER-USER", "-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 80 -j DROP"}},
	{"firewall-drop-udp", "host", false, told{"dropped", stage.Forward, "user", iptables, "ip filter DOCKER-USER", "-A DOCKER-USER -i eth0 -p udp -m udp --dport 80 -j DROP"}},
	{"firewall-drop-raw", "host", false, told{"dropped", stage.Raw, "user", iptables, "ip raw PREROUTING", "-A PREROUTING -i eth0 -p tcp -m tcp --dport 8080 -j DROP"}},
	{"firewall-drop-input", "host", false, told{"dropped", stage.Input, "user", iptables, "ip filter INPUT", "-A INPUT -i eth0 -p tcp -m tcp --dport 8080 -j DROP"}},
	{"firewall-reject", "host", false, told{"rejected", stage.Forward, "user", iptables, "ip filter DOCKER-USER", "-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 80 -j REJECT --reject-with icmp-port-unreachable"}},
	{"firewall-reset", "host", false, told{"rejected", stage.Forward, "user", iptables, "ip filter DOCKER-USER", "-A DOCKER-USER -i eth0 -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset"}},
	{"rules-missing", "host", false, told{"dropped", stage.Forward, "docker", iptables, "ip filter FORWARD", "-P FORWARD DROP"}},
	{"direct-access", "host", false, told{"dropped", stage.Forward, "docker", iptables, "ip filter FORWARD", "-P FORWARD DROP"}},
	{"network-isolated", "host", false, told{"dropped", stage.Forward, "docker", iptables, "ip filter DOCKER-ISOLATION-STAGE-2", "-A DOCKER-ISOLATION-STAGE-2 -o docker0 -j DROP"}},
	{"reply-filtered", "host", true, told{"dropped", stage.Forward, "user", iptables, "ip filter DOCKER-USER", "-A DOCKER-USER -i docker0 -p tcp -m tcp --sport 80 -j DROP"}},
	{"reply-filtered-postrouting", "host", true, told{"dropped", stage.Postrouting, "user", iptables, "ip mangle POSTROUTING", "-A POSTROUTING -o eth0 -p tcp -m tcp --sport 80 -j DROP"}},
	{"container-firewall", "web", false, told{"dropped", stage.Input, "user", iptables, "ip filter INPUT", "-A INPUT -p tcp -m tcp --dport 80 -j DROP"}},
	{"demo-forward-drop", "host", false, told{"dropped", stage.Forward, "user", nft, "inet site forward", `tcp dport 80 drop comment "drop the old intranet"`}},
	{"demo-forward-reject", "host", false, told{"rejected", stage.Forward, "user", nft, "inet site forward", `tcp dport 80 reject with tcp reset comment "reject the old intranet"`}},
	{"demo-rules-missing", "host", false, told{"dropped", stage.Forward, "docker", nft, "ip docker-bridges filter-forward-in__docker0", `drop comment "UNPUBLISHED PORT DROP"`}},
	{"demo-direct-access", "host", false, told{"dropped", stage.Raw, "docker", nft, "ip docker-bridges raw-PREROUTING", `ip daddr 172.17.0.2 iifname != "docker0" drop comment "DROP DIRECT ACCESS"`}},
	{"demo-answer-lost", "host", true, told{"dropped", stage.Forward, "user", nft, "inet site forward", `ip saddr 172.17.0.2 tcp sport 80 drop comment "nothing out"`}},
	{"demo-container-firewall", "web", false, told{"dropped", stage.Input, "user", nft, "inet guard input", `tcp dport 80 drop comment "closed"`}},
}

func TestTheRuleNamedIsTheOneThatDropped(t *testing.T) {
	for _, c := range accusations {
		in := openIncident(t, c.incident)
		p := in.packet(t, c.netns)
		if c.answer {
			p = in.answer(t)
		}
		o := in.start[c.netns].Evaluate(p)
		if d := cmp.Diff(c.want, tell(o)); d != "" {
			t.Errorf("%s (-want +got):\n%s%s", c.incident, d, show(o.Steps))
			continue
		}
		if !o.Certain() {
			t.Errorf("%s: not certain: %q", c.incident, o.Unknown)
		}
		if in.moved(c.netns, o.Rule) == 0 {
			t.Errorf("%s: the kernel did not count anything at %s", c.incident, o.Rule.Text)
		}
	}
}

// Incidents whose client cannot be reached, or not where its packets come from:
// the test cannot tell by which interface they come.
const (
	unrouted  = "reply-no-route"
	elsewhere = "client-in-the-bridges-network"
)

// In a zone of its own a packet belongs to other connections, which are not
// followed: the outcome is unclear, and says so.
const zoned = "zone-of-its-own"

func TestAnotherZoneMakesTheOutcomeUncertain(t *testing.T) {
	in := openIncident(t, zoned)
	o := in.start[capture.HostNetns].Evaluate(in.packet(t, capture.HostNetns))
	if o.Certain() || !strings.Contains(strings.Join(o.Unknown, "\n"), "-j CT --zone 5): it is put in another zone") {
		t.Errorf("%v, unknown %q", o.Verdict, o.Unknown)
	}
}

func TestWhatNoRuleStoppedIsNotAccused(t *testing.T) {
	accused := map[string]bool{unrouted: true, elsewhere: true, zoned: true}
	for _, c := range accusations {
		accused[c.incident] = true
	}
	judged := 0
	for _, name := range fixtures.Names() {
		in := openIncident(t, name)
		if accused[strings.TrimSuffix(name, "-untraced")] || len(in.want.Requests) == 0 || in.start[capture.HostNetns] == nil || !hasPorts(in.want.Requests[0].Requested) {
			continue
		}
		judged++
		req := in.want.Requests[0]
		p := in.packet(t, capture.HostNetns)
		o := in.start[capture.HostNetns].Evaluate(p)
		if oif, _ := p.Route(o.Tuple.Dst.Addr()); oif == "" && !o.Certain() { // there is no way on, and rules that ask for it
			continue
		}
		if req.Rule != nil { // it is the kernel's word that it was this one
			if o.Certain() && o.Rule != nil && (o.Rule.Text != req.Rule.Text || o.Rule.Owner != req.Rule.Owner || o.Rule.Chain != req.Rule.Chain) {
				t.Errorf("%s: %s of %s instead of %+v", name, o.Rule.Text, o.Rule.Owner, *req.Rule)
			}
			continue
		}
		if o.Verdict != ruleset.Passed || !o.Certain() {
			t.Errorf("%s: %v at %s by %v, unknown %q", name, o.Verdict, o.Stage, o.Rule, o.Unknown)
		}
		if to := o.Tuple.DstEnd(); req.Translated != "" && req.Via == "dnat" && to != req.Translated {
			t.Errorf("%s: translated to %s instead of %s", name, to, req.Translated)
		}
		if req.Verdict != "delivered" || req.Via != "dnat" {
			continue
		}
		o = in.start[capture.HostNetns].Evaluate(in.answer(t))
		if o.Verdict != ruleset.Passed || !o.Certain() || o.Tuple.SrcEnd() != req.Requested {
			t.Errorf("%s: answer %v, from %s instead of %s, unknown %q", name, o.Verdict, o.Tuple.SrcEnd(), req.Requested, o.Unknown)
		}
	}
	if judged < 50 {
		t.Errorf("only %d incidents judged", judged)
	}
}

// hasPorts reports whether an end of a request has a port: ICMP has none.
func hasPorts(end string) bool {
	_, err := netip.ParseAddrPort(end)
	return err == nil
}

func TestWhatIsNotKnownMakesTheOutcomeUncertain(t *testing.T) {
	in := openIncident(t, "rules-missing")
	p := in.packet(t, capture.HostNetns)
	p.IIF = ""
	o := in.start[capture.HostNetns].Evaluate(p)
	if o.Verdict != ruleset.Unclear || o.Certain() {
		t.Errorf("without the interface it came by: got %v, unknown %q", o.Verdict, o.Unknown)
	}
	p = in.packet(t, capture.HostNetns)
	p.TCPFlags, p.Length = 0, 0
	if o := in.start[capture.HostNetns].Evaluate(p); !o.Certain() {
		t.Errorf("no rule asks for flags or length, and yet unknown %q", o.Unknown)
	}
}
