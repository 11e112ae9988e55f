package dumps

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// bound tells of the sockets of a dump: where, and whom they serve.
func bound(t *testing.T, text string) (lines []string, err error) {
	t.Helper()
	s := &Set{}
	if _, err = s.Add("", []byte(text)); err != nil && s.Empty() {
		t.Fatal(err)
	}
	for _, k := range s.Hosts()[capture.HostNetns].Sockets {
		serves := "IPv4"
		switch {
		case k.Either:
			serves = map[bool]string{true: "IPv6 and perhaps IPv4", false: "IPv4 and perhaps IPv6"}[k.V6]
		case k.V6 && k.V6Only:
			serves = "IPv6"
		case k.V6 && k.Local.Addr().IsUnspecified():
			serves = "both"
		case k.V6:
			serves = "IPv6 there"
		}
		lines = append(lines, fmt.Sprint(k.Proto, " ", k.Local, " ", serves))
	}
	return lines, err
}

func TestSocketsReadAsTheirSSWroteThem(t *testing.T) {
	const title = "Netid State      Recv-Q Send-Q     Local Address:Port       Peer Address:Port\n"
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"before 4.14 a star is IPv4", title +
			"tcp LISTEN 0 128 *:22 *:*\ntcp LISTEN 0 128 127.0.0.1:25 *:*\ntcp LISTEN 0 128 :::80 :::*\n",
			[]string{"tcp 0.0.0.0:22 IPv4", "tcp 127.0.0.1:25 IPv4", "tcp [::]:80 IPv6 and perhaps IPv4"}},
		{"and later put brackets around IPv6", title +
			"tcp LISTEN 0 128 *:22 *:*\ntcp LISTEN 0 128 [::]:22 [::]:*\ntcp LISTEN 0 128 [::]:3000 [::]:*\n",
			[]string{"tcp 0.0.0.0:22 IPv4", "tcp [::]:22 IPv6 and perhaps IPv4", "tcp [::]:3000 IPv6 and perhaps IPv4"}},
		{"since then it is both", title +
			"tcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\ntcp LISTEN 0 128 *:80 *:*\ntcp LISTEN 0 128 [::]:81 [::]:*\n",
			[]string{"tcp 0.0.0.0:22 IPv4", "tcp [::]:80 both", "tcp [::]:81 IPv6"}},
		{"a peer tells, too", title + "tcp LISTEN 0 128 127.0.0.1:25 0.0.0.0:*\ntcp LISTEN 0 128 *:80 *:*\n",
			[]string{"tcp 127.0.0.1:25 IPv4", "tcp [::]:80 both"}},
		{"so does the title", "State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess\nLISTEN 0 128 *:80 *:*\nLISTEN 0 128 [::]:81 [::]:*\n",
			[]string{"tcp [::]:80 both", "tcp [::]:81 IPv6"}},
		{"where nothing tells, it may be either", title + "tcp LISTEN 0 128 *:22 *:*\ntcp LISTEN 0 128 [::]:3000 [::]:*\n",
			[]string{"tcp 0.0.0.0:22 IPv4 and perhaps IPv6", "tcp [::]:3000 IPv6 and perhaps IPv4"}},
		{"-e says so itself", title + "tcp LISTEN 0 128 :::80 :::* ino:7 sk:1 v6only:1 <->\ntcp LISTEN 0 128 :::81 :::* ino:8 sk:2 v6only:0 <->\n",
			[]string{"tcp [::]:80 IPv6", "tcp [::]:81 both"}},
		{"without -n, services have names", title + "tcp LISTEN 0 128 *:http *:*\nudp UNCONN 0 0 127.0.0.53%lo:domain *:*\ntcp LISTEN 0 128 :::https :::*\nudp UNCONN 0 0 *:tftp *:*\n",
			[]string{"tcp 0.0.0.0:80 IPv4", "udp 127.0.0.53:53 IPv4", "tcp [::]:443 IPv6 and perhaps IPv4", "udp 0.0.0.0:69 IPv4"}},
		{"an address of IPv6 alone", title + "tcp LISTEN 0 128 ::1:631 :::*\ntcp LISTEN 0 128 fe80::1%eth0:53 :::*\n",
			[]string{"tcp [::1]:631 IPv6 there", "tcp [fe80::1]:53 IPv6 there"}},
		{"other families are passed over", title + "u_str LISTEN 0 128 /run/x:y.sock 310827 * 0\nnl UNCONN 0 0 0:10566 *\nicmp6 UNCONN 0 0 *:ipv6-icmp *:*\nv_str LISTEN 0 0 *:5 *:*\ntcp LISTEN 0 128 0.0.0.0:22 0.0.0.0:*\n",
			[]string{"tcp 0.0.0.0:22 IPv4"}},
	} {
		got, err := bound(t, c.text)
		if d := cmp.Diff(c.want, got); d != "" || err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, d)
		}
	}
}

func TestSocketsThatAreNotUnderstoodAreSaidToBe(t *testing.T) {
	const text = "Netid State Recv-Q Send-Q Local Address:Port Peer Address:Port\ntcp LISTEN 0 128 *:ssh *:*\ntcp LISTEN 0 128 *:frobnicate *:*\nudp UNCONN 0 0 *:ntp *:*\n"
	s := &Set{}
	_, err := s.Add("", []byte(text))
	if err == nil || !strings.Contains(err.Error(), `1 lines are not understood, the first of them about a socket on "*:frobnicate"`) {
		t.Error(err)
	}
	h := s.Hosts()[capture.HostNetns]
	if len(h.Sockets) != 2 {
		t.Errorf("got %+v", h.Sockets)
	}
	// That none of TCP listens on a port means nothing now.
	if d := cmp.Diff(host.Given{"tcp": "not all lines are understood", "udp": "", "proxies": ""}, h.Given); d != "" {
		t.Error(d)
	}
}
