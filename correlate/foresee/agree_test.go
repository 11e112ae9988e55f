package foresee_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/decode"
	"dnatrace/fixtures"
)

// unforeseen are causes that no state shows: the server takes the request, and
// what it does then is its own affair.
var unforeseen = []correlate.Cause{
	correlate.CauseServerSilent, correlate.CauseServerReset, correlate.CauseMTU, correlate.CauseZeroWindow, "conntrack-invalid", "duplicate-address", "upstream",
	correlate.CauseTTLExpired, correlate.CauseFragmentsMissing, correlate.CauseWrongMAC, correlate.CauseQueueDrop, correlate.CauseProxyExhausted,
}

// undecided are fixtures whose cause no state that is read shows, and what the
// path says of it.
var undecided = map[string]struct {
	verdict correlate.Verdict
	blind   string
}{
	"udp-pinned":       {correlate.Delivered, "tracked already"},
	"firewall-drop-tc": {correlate.Delivered, ""}, // programs of tc are not read
	"zone-of-its-own":  {correlate.Undetermined, "another zone of connection tracking"},

	// Routes inside containers and neighbour entries are not followed; and a
	// proxy whose own connection was never seen is judged as just that.
	"container-tunnel":      {correlate.Delivered, "what the server does"},
	"stale-neighbour":       {correlate.Delivered, "what the server does"},
	"proxy-backend-dropped": {correlate.Dropped, ""},
	"proxy-exhausted-files": {correlate.Refused, ""}, // the proxy ended of it, and the state is that of the end
}

// TestForeseesWhatDiagnoseSees asks, of the state in every fixture, what would
// become of the very requests that were made there. It must be what became of
// them, by the same rule, where the cause lies in state; where it does not, the
// request is said to be delivered, and what cannot be seen is named.
func TestForeseesWhatDiagnoseSees(t *testing.T) {
	agreed, asked := 0, 0
	for _, name := range fixtures.Names() {
		c, err := fixtures.Load(name)
		if err != nil {
			t.Fatal(err)
		}
		s := stateOf(t, c)
		if s.Engine() == nil || s.Host(capture.HostNetns) == nil {
			continue // a capture alone
		}
		var d correlate.Document
		if err := json.Unmarshal(c.Want, &d); err != nil {
			t.Fatal(err)
		}
		for _, saw := range d.Requests {
			if _, err := netip.ParseAddrPort(saw.Requested); err != nil {
				continue // an echo: nobody publishes those
			}
			got := foresee.Foresee(s, requestOf(t, s, &saw))
			if u, ok := undecided[name]; ok && got.Verdict == u.verdict && strings.Contains(strings.Join(got.Blind, " "), u.blind) {
				continue
			}
			asked++
			if diff := disagreement(&saw, &got); diff != "" {
				t.Errorf("%s: %s\n%s\nwhy: %s\nstages: %+v\nblind: %q", name, c.Story, diff, got.Why, got.Stages, got.Blind)
				continue
			}
			agreed++
		}
	}
	t.Logf("explain agrees with diagnose on %d of %d requests", agreed, asked)
	if told := toldAgreement(t); asked < told {
		t.Errorf("only %d requests were asked about, and docs/explain.md tells of more than %d", asked, told)
	}
}

// toldAgreement is the number of requests that the page tells of.
func toldAgreement(t *testing.T) int {
	t.Helper()
	page, err := os.ReadFile("../../docs/explain.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(strings.Join(strings.Fields(string(page)), " "), "They agree on all of more than ")
	n, err := strconv.Atoi(strings.Fields(rest + " none")[0])
	if !ok || err != nil {
		t.Fatalf("docs/explain.md does not tell how many requests they agree on: %v", err)
	}
	return n
}

// stateOf takes what a fixture says of the engine and the host.
func stateOf(t *testing.T, c fixtures.Case) *correlate.State {
	t.Helper()
	source, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := correlate.NewState()
	for b, err := range source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		s.Read(b.Records)
	}
	return s
}

// requestOf is the request that was made, as it came to the host.
func requestOf(t *testing.T, s *correlate.State, i *correlate.Incident) foresee.Request {
	t.Helper()
	src, dst := netip.MustParseAddrPort(i.Client), netip.MustParseAddrPort(i.Requested)
	r := foresee.Request{From: foresee.Outside, Tuple: decode.Tuple{
		Src: decode.IPFrom(src.Addr()), Dst: decode.IPFrom(dst.Addr()), SrcPort: src.Port(), DstPort: dst.Port(), Proto: decode.ParseProto(i.Protocol),
	}}
	switch {
	case i.ClientContainer != "":
		r.From = foresee.SameNetwork
		r.Link, _ = s.Door(i.ClientContainer, src.Addr())
	case s.IsHost(src.Addr()):
		r.From = foresee.Host
	default:
		r.Link = nic(s.Host(capture.HostNetns))
	}
	return r
}

// nic is the link that is wired to the client.
func nic(h *host.Sample) string {
	i := slices.IndexFunc(h.Links, func(l host.Link) bool { return l.Name == "eth0" })
	return h.Links[i].Name
}

// disagreement says where what was foreseen differs from what was seen.
func disagreement(saw *correlate.Incident, got *foresee.Path) string {
	want := fmt.Sprint(saw.Verdict, " ", saw.Stage, " ", saw.Cause, " ", handle(saw.Rule))
	if slices.Contains(unforeseen, saw.Cause) {
		want = fmt.Sprint(correlate.Delivered, " ", "", " ", correlate.CauseNone, " ", "")
		if len(got.Blind) == 0 {
			return "it does not say what it cannot see"
		}
	}
	if is := fmt.Sprint(got.Verdict, " ", got.Stage, " ", got.Cause, " ", handle(got.Rule)); is != want {
		return fmt.Sprintf("saw      %s\nforesaw  %s", want, is)
	}
	if got.Proof != correlate.Inferred {
		return "nothing was seen, and yet it is proven"
	}
	if saw.Via != "" && saw.Via != got.Via || saw.Container != got.Container {
		return fmt.Sprintf("saw %s via %q, foresaw %s via %q", saw.Container, saw.Via, got.Container, got.Via)
	}
	return ""
}

func handle(r *correlate.RuleHit) string {
	if r == nil {
		return ""
	}
	return fmt.Sprintf("%s %s %s %d", r.Kind, r.Table, r.Chain, r.Handle)
}
