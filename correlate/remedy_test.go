package correlate_test

import (
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/rules"
	"dnatrace/correlate"
	"dnatrace/decode"

	"github.com/google/go-cmp/cmp"
)

func TestWhatTheEngineDidNotPublishIsLetInAheadOfItsDrop(t *testing.T) {
	const publish = "recreate web with -p 8080:80"
	for _, c := range []struct {
		name, backend string
		dump          []byte
		fix           []string
	}{
		{"its rule at the end of DOCKER", "iptables-save", saved("-A DOCKER ! -i docker0 -o docker0 -j DROP")(0),
			[]string{"iptables -I DOCKER-USER -p tcp -d 172.17.0.2 --dport 80 -j ACCEPT", "or " + publish}},
		{"the same of iptables-legacy", "iptables-legacy-save", saved("-A DOCKER ! -i docker0 -o docker0 -j DROP")(0),
			[]string{"iptables-legacy -I DOCKER-USER -p tcp -d 172.17.0.2 --dport 80 -j ACCEPT", "or " + publish}},
		{"in tables of its own, which no other can overrule", "nft-text", []byte(bridges),
			[]string{"nft insert rule ip docker-bridges filter-forward-in__docker0 ip daddr 172.17.0.2 tcp dport 80 accept",
				"the engine forgets that rule when it starts anew; to last: " + publish}},
		{"a rule of somebody else goes", "iptables-save", saved("-A DOCKER-USER -o docker0 -j DROP")(0),
			[]string{"iptables -t filter -D DOCKER-USER -o docker0 -j DROP"}},
	} {
		s := dockerHost()
		s.unpublish()
		s.web().Bindings = nil
		st := tell(s, "0ms eth0 C > H in S seq=100\n1s eth0 C > H in S seq=100\n3s eth0 C > H in S seq=100\n")
		st.opening = append(st.opening, &decode.Ruleset{Time: epoch, Netns: capture.HostNetns, Ruleset: rules.Ruleset{Backend: c.backend, Data: c.dump}})
		r := st.run(feeding{}).Requests[0]
		if d := cmp.Diff(c.fix, r.Fix); d != "" || r.Cause != correlate.CauseFirewallDrop {
			t.Errorf("%s: %s: %s (-want +got)\n%s", c.name, r.Cause, r.Why, d)
		}
	}
}

func TestAContainerIsStartedAgainOnceTheEngineCan(t *testing.T) {
	const anew = "restart the engine, which makes its chains anew: systemctl restart docker"
	for _, c := range []struct{ name, err, fix string }{
		{"nothing is wrong with the engine", "exec: no such file or directory", "docker network connect bridge web; docker start web"},
		{"its chain is gone", "(iptables failed: iptables --wait -t nat -A DOCKER -p tcp -j DNAT: iptables: No chain/target/match by that name.\n (exit status 1))", anew + "; docker network connect bridge web; docker start web"},
		{"its chain is gone, says iptables-nft", "iptables v1.8.10 (nf_tables): Chain 'DOCKER' does not exist", anew + "; docker network connect bridge web; docker start web"},
		{"a table is missing, which no restart brings", "iptables: can't initialize iptables table `nat': Table does not exist", "docker network connect bridge web; docker start web"},
	} {
		s := dockerHost()
		s.broken("created", c.err)
		r := tell(s, rstHost).run(feeding{}).Requests[0]
		if got := strings.Join(r.Fix, "; "); got != c.fix || r.Cause != correlate.CauseContainerNotRunning {
			t.Errorf("%s: %s: %q, want %q", c.name, r.Cause, got, c.fix)
		}
	}
}

func TestAnEchoHasNoPorts(t *testing.T) {
	s := dockerHost()
	st := tell(s, "0ms eth0 C > W echo id=7 seq=1 len=56\n1s eth0 C > W echo id=7 seq=2 len=56\n")
	st.opening = append(st.opening, &decode.Ruleset{Time: epoch, Netns: capture.HostNetns, Ruleset: rules.Ruleset{Backend: "nft-text", Data: []byte(bridges)}})
	r := st.run(feeding{}).Requests[0]
	want := []string{"ask the host: clients outside do not reach containers by their own addresses"}
	if d := cmp.Diff(want, r.Fix); d != "" || r.Cause != correlate.CauseDirectAccess {
		t.Errorf("%s %s (-want +got)\n%s", r.Cause, r.Why, d)
	}
}
