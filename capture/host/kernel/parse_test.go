package kernel

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/capture/host"
)

func TestCommandLinesOfDockerProxy(t *testing.T) {
	web := host.Proxy{Proto: "tcp", Host: netip.MustParseAddrPort("0.0.0.0:8080"), Container: netip.MustParseAddrPort("172.17.0.2:80")}
	web6 := host.Proxy{Proto: "udp", Host: netip.MustParseAddrPort("[::]:53"), Container: netip.MustParseAddrPort("[2001:db8::2]:53")}
	for _, row := range []struct {
		name, line string
		want       host.Proxy
		ok         bool
	}{
		{"since 2014", "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80", web, true},
		{"handed its socket", "/usr/bin/docker-proxy -use-listen-fd -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80", web, true},
		{"with equals signs", "docker-proxy --proto=tcp --host-ip=0.0.0.0 --host-port=8080 --container-ip=172.17.0.2 --container-port=80", web, true},
		{"IPv6 and UDP", "docker-proxy -proto udp -host-ip :: -host-port 53 -container-ip 2001:db8::2 -container-port 53", web6, true},
		{"cut short", "docker-proxy -proto tcp -host-ip", host.Proxy{}, false},
		{"a port too high", "docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 80800 -container-ip 172.17.0.2 -container-port 80", host.Proxy{}, false},
		{"no arguments", "docker-proxy", host.Proxy{}, false},
		{"a process about to end", "", host.Proxy{}, false},
	} {
		got, ok := parseProxy([]byte(strings.ReplaceAll(row.line, " ", "\x00") + "\x00"))
		if ok != row.ok || ok && got != row.want {
			t.Errorf("%s: got %+v, %t", row.name, got, ok)
		}
	}
}

func TestCountersThatTellOfLosses(t *testing.T) {
	got := map[string]uint64{}
	parseSNMP(got, "TcpExt: SyncookiesSent ListenOverflows TW\nTcpExt: 0 7 99\nIpExt: InNoRoutes\nIpExt: 3\n")
	parseSNMP6(got, "Ip6InReceives 	 12\nIp6InNoRoutes                   	4\n")
	parseConntrack(got, "entries  clashres found new invalid ignore delete drop early_drop\n"+
		"00000002  0 0 0 0000000a 0 0 1 0\n00000002  0 0 0 00000001 0 0 10 0\n")
	want := map[string]uint64{
		"TcpExt.SyncookiesSent": 0, "TcpExt.ListenOverflows": 7, "IpExt.InNoRoutes": 3, "Ip6.InNoRoutes": 4,
		"nf_conntrack.invalid": 11, "nf_conntrack.drop": 17, "nf_conntrack.early_drop": 0,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func FuzzCounters(f *testing.F) {
	f.Add("TcpExt: A ListenDrops\nTcpExt: 1 2\n")
	f.Add("Ip6InNoRoutes 4\n")
	f.Add("entries drop\n02 ff\n")
	f.Fuzz(func(t *testing.T, text string) {
		got := map[string]uint64{}
		parseSNMP(got, text)
		parseSNMP6(got, text)
		parseConntrack(got, text)
		for name := range got {
			c, isConntrack := strings.CutPrefix(name, "nf_conntrack.")
			if !telling[name] && !(isConntrack && tellingConntrack[c]) {
				t.Errorf("counter %q was not asked for", name)
			}
		}
	})
}

func FuzzProxy(f *testing.F) {
	f.Add([]byte("docker-proxy\x00-proto\x00tcp\x00-host-ip\x00::\x00-host-port\x0053\x00-container-ip\x00172.17.0.2\x00-container-port\x0053\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parseProxy(b); ok && !(p.Host.IsValid() && p.Container.IsValid() && p.Proto != "") {
			t.Errorf("half a proxy: %+v", p)
		}
	})
}
