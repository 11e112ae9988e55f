package report_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"
	"time"

	"dnatrace/cmd/internal/report"
	"dnatrace/cmd/internal/report/collect"
	"dnatrace/correlate"
	"dnatrace/fixtures"
)

// verdicts has a fixture for each way a request can end, and for each shape of
// the path picture.
var verdicts = []string{
	"delivered", "delivered-udp", "delivered-ipv6-proxy", "delivered-mode-host", "east-west",
	"firewall-drop", "firewall-drop-raw-untraced", "firewall-drop-input", "forwarding-disabled", "network-isolated",
	"firewall-reject", "listener-on-loopback", "not-published", "stale-translation", "no-listener-behind-proxy",
	"reply-filtered", "reply-no-route", "server-silent", "container-paused", "port-taken-by-host",
}

// reportOf makes the report of a fixture.
func reportOf(t testing.TB, name string) *report.Report {
	t.Helper()
	c, d := fixtures.Judged(t, name)
	source, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	found, err := collect.Run(context.Background(), source, d)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(c.Recording)
	return &report.Report{Document: d, Findings: found, Command: "dnatrace replay " + name + ".pcapng.gz",
		Files: []report.File{{Name: name + ".pcapng.gz", Size: int64(len(c.Recording)), SHA256: hex.EncodeToString(sum[:])}}}
}

// page writes a report as HTML.
func page(t testing.TB, r *report.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := report.HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// mixed is a report over many requests that ended in many ways.
func mixed(t testing.TB, n int) *report.Report {
	t.Helper()
	r := reportOf(t, "firewall-drop")
	ways := []correlate.Incident{r.Document.Requests[0], reportOf(t, "delivered").Document.Requests[0], reportOf(t, "listener-on-loopback").Document.Requests[0], reportOf(t, "server-silent").Document.Requests[0]}
	d := *r.Document
	d.Requests, d.Summary = nil, correlate.Summary{}
	for k := range n {
		i := ways[k%len(ways)]
		i.ID = fmt.Sprint(k + 1)
		i.First = d.Recording.Started.Add(time.Duration(k) * time.Millisecond)
		i.Client = fmt.Sprintf("198.51.100.%d:%d", k%200+1, 40000+k)
		i.Attempts = k%5 + 1
		d.Requests = append(d.Requests, i)
	}
	d.Summary.Dropped, d.Summary.Delivered, d.Summary.Refused, d.Summary.Unanswered = (n+3)/4, (n+2)/4, (n+1)/4, n/4
	r.Document = &d
	var cases []report.Case
	for _, c := range []string{"firewall-drop", "delivered", "listener-on-loopback", "server-silent"} {
		cases = append(cases, reportOf(t, c).Cases[0])
	}
	r.Cases = cases
	return r
}
