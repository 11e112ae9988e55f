package redact

import (
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/decode"
)

func TestEntriesThatConntrackPrintsKeepTheirTranslationAndNothingElse(t *testing.T) {
	r := New([]byte("some key"))
	r.Seal()
	text := "conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown. secret\n" +
		"tcp      6 115 SYN_SENT src=198.51.100.100 dst=198.51.100.1 sport=48570 dport=8080 [UNREPLIED] src=172.17.0.99 dst=198.51.100.100 sport=80 dport=48570 mark=0 use=2\n" +
		"ipv6     10 udp      17 29 src=2001:db8::9 dst=2001:db8::1 sport=5000 dport=53 src=2001:db8::1 dst=2001:db8::9 sport=53 dport=5000 [ASSURED] secctx=system_u:secret:s0 helper=secret mark=7 zone=3 use=1\n"
	rec, ok := r.record(capture.Record{Origin: capture.OriginConntrack, Kind: capture.KindText, Netns: capture.HostNetns, Data: []byte(text)})
	if !ok {
		t.Fatal("the record was left out")
	}
	got := string(rec.Data)
	for _, secret := range []string{"secret", "198.51.100", "2001:db8", "system_u"} {
		if strings.Contains(got, secret) {
			t.Errorf("%q is left in\n%s", secret, got)
		}
	}
	events, err := decode.Control(rec)
	if err != nil || len(events) != 2 {
		t.Fatalf("what is left says %d entries, %v:\n%s", len(events), err, got)
	}
	e := events[0].(*decode.Conntrack)
	if e.Orig.Src != e.Reply.Dst || e.Orig.Dst == e.Reply.Src || e.Orig.SrcPort != 48570 || e.Reply.SrcPort != 80 || e.State != decode.StateSynSent {
		t.Errorf("the translation is now %v to %v, state %d", e.Orig, e.Reply, e.State)
	}
}
