package dumps

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
)

// What the tools of a host print for people, of the same host.
const (
	addrText = `1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN group default qlen 1000
    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00
    inet 127.0.0.1/8 scope host lo
       valid_lft forever preferred_lft forever
2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP group default qlen 1000
    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff
    inet 198.51.100.1/24 brd 198.51.100.255 scope global eth0
       valid_lft forever preferred_lft forever
    inet6 2001:db8::1/64 scope global
       valid_lft forever preferred_lft forever
3: docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP group default
    link/ether 02:42:ac:11:00:01 brd ff:ff:ff:ff:ff:ff
    inet 172.17.0.1/16 brd 172.17.255.255 scope global docker0
5: veth1@if4: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master docker0 state UP group default
    link/ether 02:00:00:00:00:05 brd ff:ff:ff:ff:ff:ff link-netnsid 0
`
	detailsText = `3: docker0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode DEFAULT group default
    link/ether 02:42:ac:11:00:01 brd ff:ff:ff:ff:ff:ff promiscuity 0 allmulti 0 minmtu 68 maxmtu 65535
    bridge forward_delay 1500 hello_time 200 max_age 2000 ageing_time 30000 stp_state 0 priority 32768
5: veth1@if4: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue master docker0 state UP mode DEFAULT group default
    link/ether 02:00:00:00:00:05 brd ff:ff:ff:ff:ff:ff link-netnsid 0 promiscuity 1
    veth
    bridge_slave state forwarding priority 32 cost 2 hairpin on guard off isolated off addrgenmode eui64
`
	onelineText = `1: lo    inet 127.0.0.1/8 scope host lo\       valid_lft forever preferred_lft forever
2: eth0    inet 198.51.100.1/24 brd 198.51.100.255 scope global eth0\       valid_lft forever preferred_lft forever
`
	briefAddrText = `lo               UNKNOWN        127.0.0.1/8 ::1/128
eth0             UP             198.51.100.1/24 2001:db8::1/64
docker0          UP             172.17.0.1/16
veth1@if4        UP             fe80::42/64
`
	routesText = `default via 198.51.100.254 dev eth0 proto dhcp src 198.51.100.1 metric 100
172.17.0.0/16 dev docker0 proto kernel scope link src 172.17.0.1 linkdown
198.51.100.0/24 dev eth0 proto kernel scope link src 198.51.100.1
blackhole 203.0.113.0/24
192.0.2.0/24 proto static
	nexthop via 198.51.100.2 dev eth0 weight 1
	nexthop via 198.51.100.3 dev eth0 weight 1
local 172.17.0.1 dev docker0 table local proto kernel scope host src 172.17.0.1
10.8.0.0/24 via 198.51.100.9 dev eth0 table 100
`
	routesText6 = `2001:db8::/64 dev eth0 proto kernel metric 256 pref medium
default via fe80::1 dev eth0 proto ra metric 1024 pref medium
`
	neighsText = `172.17.0.2 dev docker0 lladdr 02:42:ac:11:00:02 REACHABLE
172.17.0.9 dev docker0  FAILED
fe80::1 dev eth0 lladdr 02:00:00:00:00:fe router STALE
`
	rulesText = `0:	from all lookup local
100:	from 172.17.0.0/16 fwmark 0x1/0xff iif docker0 lookup 100
200:	not from all fwmark 0x2 unreachable
32766:	from all lookup main
32767:	from all lookup default
`
	ifconfig = `docker0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
        inet 172.17.0.1  netmask 255.255.0.0  broadcast 172.17.255.255
        ether 02:42:ac:11:00:01  txqueuelen 0  (Ethernet)
        RX packets 10  bytes 840 (840.0 B)

eth0: flags=4163<UP,BROADCAST,RUNNING,MULTICAST>  mtu 1500
        inet 198.51.100.1  netmask 255.255.255.0  broadcast 198.51.100.255
        inet6 2001:db8::1  prefixlen 64  scopeid 0x0<global>
        ether 02:00:00:00:00:01  txqueuelen 1000  (Ethernet)

lo: flags=73<UP,LOOPBACK,RUNNING>  mtu 65536
        inet 127.0.0.1  netmask 255.0.0.0
`
	ifconfigOld = `eth0      Link encap:Ethernet  HWaddr 02:00:00:00:00:01
          inet addr:198.51.100.1  Bcast:198.51.100.255  Mask:255.255.255.0
          inet6 addr: 2001:db8::1/64 Scope:Global
          UP BROADCAST RUNNING MULTICAST  MTU:1500  Metric:1
          RX packets:10 errors:0 dropped:0 overruns:0 frame:0

lo        Link encap:Local Loopback
          inet addr:127.0.0.1  Mask:255.0.0.0
          UP LOOPBACK RUNNING  MTU:65536  Metric:1
`
	arpAN   = "? (172.17.0.2) at 02:42:ac:11:00:02 [ether] on docker0\n? (172.17.0.9) at <incomplete> on docker0\n"
	arpN    = "Address                  HWtype  HWaddress           Flags Mask            Iface\n172.17.0.2               ether   02:42:ac:11:00:02   C                     docker0\n172.17.0.9                       (incomplete)                              docker0\n"
	netstat = `Active Internet connections (only servers)
Proto Recv-Q Send-Q Local Address           Foreign Address         State       PID/Program name
tcp        0      0 0.0.0.0:8080            0.0.0.0:*               LISTEN      70/docker-proxy
tcp        0      0 127.0.0.1:631           0.0.0.0:*               LISTEN      -
tcp6       0      0 :::8080                 :::*                    LISTEN      71/docker-proxy
udp      768      0 0.0.0.0:514             0.0.0.0:*                           77/rsyslogd
`
	routeN = `Kernel IP routing table
Destination     Gateway         Genmask         Flags Metric Ref    Use Iface
0.0.0.0         198.51.100.254  0.0.0.0         UG    100    0        0 eth0
172.17.0.0      0.0.0.0         255.255.0.0     U     0      0        0 docker0
203.0.113.0     -               255.255.255.0   !     0      -        0 -
`
)

func TestWhatIPPrintsForPeopleIsWhatItPrintsForPrograms(t *testing.T) {
	links := []host.Link{
		{Index: 1, Name: "lo", MTU: 65536, Up: true, Running: true, Loopback: true},
		{Index: 2, Name: "eth0", MAC: "02:00:00:00:00:01", MTU: 1500, Up: true, Running: true},
		{Index: 3, Name: "docker0", Kind: "bridge", MAC: "02:42:ac:11:00:01", MTU: 1500, Up: true, Running: true},
		{Index: 5, Name: "veth1", Kind: "veth", MAC: "02:00:00:00:00:05", MTU: 1500, Up: true, Running: true, Master: 3, Peer: 4, Away: true, Hairpin: true, PortState: "forwarding"},
	}
	got := read(t, addrText, detailsText).Hosts()[capture.HostNetns]
	if d := cmp.Diff(links, got.Links); d != "" {
		t.Errorf("links (-want +got):\n%s", d)
	}
	prefix := netip.MustParsePrefix
	addrs := []host.Addr{{Link: 1, Prefix: prefix("127.0.0.1/8")}, {Link: 2, Prefix: prefix("198.51.100.1/24")}, {Link: 2, Prefix: prefix("2001:db8::1/64")}, {Link: 3, Prefix: prefix("172.17.0.1/16")}}
	if d := cmp.Diff(addrs, got.Addrs, cmpopts.EquateComparable(netip.Prefix{})); d != "" {
		t.Errorf("addresses (-want +got):\n%s", d)
	}
}

func TestShortFormsOfIPTellWhatTheyTell(t *testing.T) {
	brief := read(t, briefAddrText).Hosts()[capture.HostNetns]
	if len(brief.Links) != 4 || len(brief.Addrs) != 6 {
		t.Errorf("-br: %d links and %d addresses, want 4 and 6", len(brief.Links), len(brief.Addrs))
	}
	for _, l := range brief.Links {
		if l.Index >= 0 {
			t.Errorf("-br does not tell that %s has number %d", l.Name, l.Index)
		}
	}
	both := read(t, briefAddrText, addrText).Hosts()[capture.HostNetns]
	if len(both.Links) != 4 || both.Links[1].Index != 2 || len(both.Addrs) != 6 {
		t.Errorf("-br and the long form are not put together: %+v", both.Links)
	}
	for _, a := range both.Addrs {
		if a.Link < 0 {
			t.Errorf("%s is on no link", a.Prefix)
		}
	}
	one := read(t, onelineText).Hosts()[capture.HostNetns]
	if len(one.Links) != 2 || len(one.Addrs) != 2 || one.Given[host.PartLinks] == "" {
		t.Errorf("-o -4: %+v, links are %q", one.Links, one.Given[host.PartLinks])
	}
}

func TestRoutesRulesAndNeighboursAreReadFromText(t *testing.T) {
	s := read(t, addrText, routesText, routesText6, neighsText, rulesText).Hosts()[capture.HostNetns]
	ip, prefix := netip.MustParseAddr, netip.MustParsePrefix
	routes := []host.Route{
		{Table: 254, Type: "unicast", Dst: prefix("0.0.0.0/0"), Gateway: ip("198.51.100.254"), Src: ip("198.51.100.1"), Link: 2, Metric: 100},
		{Table: 254, Type: "unicast", Dst: prefix("172.17.0.0/16"), Src: ip("172.17.0.1"), Link: 3, Down: true},
		{Table: 254, Type: "unicast", Dst: prefix("198.51.100.0/24"), Src: ip("198.51.100.1"), Link: 2},
		{Table: 254, Type: "blackhole", Dst: prefix("203.0.113.0/24")},
		{Table: 254, Type: "unicast", Dst: prefix("192.0.2.0/24"), Gateway: ip("198.51.100.2"), Link: 2},
		{Table: 254, Type: "unicast", Dst: prefix("192.0.2.0/24"), Gateway: ip("198.51.100.3"), Link: 2},
		{Table: 255, Type: "local", Dst: prefix("172.17.0.1/32"), Src: ip("172.17.0.1"), Link: 3},
		{Table: 100, Type: "unicast", Dst: prefix("10.8.0.0/24"), Gateway: ip("198.51.100.9"), Link: 2},
		{Table: 254, Type: "unicast", Dst: prefix("2001:db8::/64"), Link: 2, Metric: 256},
		{Table: 254, Type: "unicast", Dst: prefix("::/0"), Gateway: ip("fe80::1"), Link: 2, Metric: 1024},
	}
	equal := cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})
	if d := cmp.Diff(routes, s.Routes, equal); d != "" {
		t.Errorf("routes (-want +got):\n%s", d)
	}
	neighbours := []host.Neighbour{
		{Link: 3, IP: ip("172.17.0.2"), MAC: "02:42:ac:11:00:02", State: "reachable"},
		{Link: 3, IP: ip("172.17.0.9"), State: "failed"},
		{Link: 2, IP: ip("fe80::1"), MAC: "02:00:00:00:00:fe", State: "stale"},
	}
	if d := cmp.Diff(neighbours, s.Neighbours, equal); d != "" {
		t.Errorf("neighbours (-want +got):\n%s", d)
	}
	rules := []host.Rule{
		{Family: 4, Table: 255},
		{Priority: 100, Family: 4, From: prefix("172.17.0.0/16"), Mark: 1, Mask: 0xff, IIF: "docker0", Table: 100},
		{Priority: 200, Family: 4, Not: true, Mark: 2, Mask: 0xffffffff, Action: "unreachable"},
		{Priority: 32766, Family: 4, Table: 254},
		{Priority: 32767, Family: 4, Table: 253},
	}
	if d := cmp.Diff(rules, s.Rules, equal); d != "" {
		t.Errorf("rules (-want +got):\n%s", d)
	}
}

func TestTheCommandSaysWhichTableOfRoutes(t *testing.T) {
	s := read(t, "$ ip -6 route show table 100\ndefault dev eth0 metric 1024\n").Hosts()[capture.HostNetns]
	if len(s.Routes) != 1 || s.Routes[0].Table != 100 || s.Routes[0].Dst != netip.MustParsePrefix("::/0") {
		t.Errorf("got %+v", s.Routes)
	}
}

func TestNetToolsTellOfTheSameHost(t *testing.T) {
	for name, text := range map[string]string{"net-tools 2": ifconfig, "net-tools 1": ifconfigOld} {
		s := read(t, text).Hosts()[capture.HostNetns]
		byName := map[string]host.Link{}
		for _, l := range s.Links {
			byName[l.Name] = l
		}
		if e := byName["eth0"]; e.MAC != "02:00:00:00:00:01" || e.MTU != 1500 || !e.Up || !byName["lo"].Loopback {
			t.Errorf("%s: %+v", name, s.Links)
		}
		got := map[string]bool{}
		for _, a := range s.Addrs {
			got[a.Prefix.String()] = true
		}
		if !got["198.51.100.1/24"] || !got["2001:db8::1/64"] || !got["127.0.0.1/8"] {
			t.Errorf("%s: addresses %v", name, got)
		}
		if s.Given[host.PartLinks] == "" {
			t.Errorf("%s: without -a there may be others, which are down", name)
		}
	}
	for name, text := range map[string]string{"arp -an": arpAN, "arp -n": arpN} {
		n := read(t, addrText, text).Hosts()[capture.HostNetns].Neighbours
		if len(n) != 2 || n[0].MAC != "02:42:ac:11:00:02" || n[0].State != "stale" || n[1].State != "incomplete" || n[0].Link != 3 {
			t.Errorf("%s: %+v", name, n)
		}
	}
	s := read(t, netstat).Hosts()[capture.HostNetns]
	if len(s.Sockets) != 4 || s.Sockets[0].Process != "docker-proxy" || s.Sockets[0].PID != 70 || !s.Sockets[2].Either || s.Sockets[3].Queue != 768 {
		t.Errorf("netstat: %+v", s.Sockets)
	}
	if _, ok := s.Given[host.PartUDP]; !ok {
		t.Error("netstat told of UDP")
	}
	only := read(t, strings.Replace(netstat, "only servers", "w/o servers", 1)[:strings.Index(netstat, "tcp  ")-1]+"\ntcp 0 0 198.51.100.1:22 198.51.100.9:5000 ESTABLISHED 9/sshd\n").Hosts()[capture.HostNetns]
	if _, ok := only.Given[host.PartTCP]; ok {
		t.Error("netstat without -l or -a lists no listener, which says nothing of them")
	}
	r := read(t, addrText, routeN).Hosts()[capture.HostNetns].Routes
	if len(r) != 3 || r[0].Gateway != netip.MustParseAddr("198.51.100.254") || r[1].Dst != netip.MustParsePrefix("172.17.0.0/16") || r[2].Type != "unreachable" {
		t.Errorf("route -n: %+v", r)
	}
}

const psTable = `CONTAINER ID   IMAGE     COMMAND                  CREATED       STATUS                   PORTS                                                                      NAMES
d75e61708970   nginx     "/docker-entrypoint.…"   3 hours ago   Up 3 hours (healthy)     0.0.0.0:8080->80/tcp, [::]:8080->80/tcp, 443/tcp                           web
0308634d23b4   dns       "dnsd"                   3 hours ago   Up 3 hours (Paused)      0.0.0.0:7000-7001->7000-7001/udp                                           dns
1308634d23b4   old       "sh"                     3 days ago    Exited (0) 2 days ago                                                                               old
`

func TestDockerPSTellsOfContainersAndTheirPorts(t *testing.T) {
	ip := netip.MustParseAddr
	e := read(t, psTable).Engine()
	if !e.Partial {
		t.Error("docker ps tells of no network: not all of the engine is known")
	}
	maps := []engine.Binding{{Proto: "tcp", Container: 80, HostIP: ip("0.0.0.0"), HostPort: 8080}, {Proto: "tcp", Container: 80, HostIP: ip("::"), HostPort: 8080}}
	ranged := []engine.Binding{{Proto: "udp", Container: 7000, HostIP: ip("0.0.0.0"), HostPort: 7000}, {Proto: "udp", Container: 7001, HostIP: ip("0.0.0.0"), HostPort: 7001}}
	want := []engine.Container{
		{ID: "0308634d23b4", Name: "dns", Image: "dns", State: "paused", Mappings: ranged, Bindings: ranged},
		{ID: "1308634d23b4", Name: "old", Image: "old", State: "exited"},
		{ID: "d75e61708970", Name: "web", Image: "nginx", State: "running", Mappings: maps, Bindings: maps, Exposed: []engine.Port{{Proto: "tcp", Port: 443}}},
	}
	if d := cmp.Diff(want, e.Containers, cmpopts.EquateComparable(netip.Addr{})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if both := read(t, psTable, web, bridge).Engine(); len(both.Containers) != 4 {
		t.Errorf("web is listed and inspected: %d containers, want 4", len(both.Containers))
	}
}

func TestOtherListsOfContainers(t *testing.T) {
	for name, text := range map[string]string{
		"docker ps in JSON":      `{"ID":"d75e61708970","Names":"web","Image":"nginx","Ports":"0.0.0.0:8080->80/tcp","State":"running","Status":"Up 3 hours","Labels":"com.docker.compose.project=shop,com.docker.compose.service=web"}`,
		"docker compose ps":      `{"ID":"d75e61708970","Name":"web","Project":"shop","Service":"web","State":"running","Image":"nginx","Publishers":[{"URL":"0.0.0.0","TargetPort":80,"PublishedPort":8080,"Protocol":"tcp"}]}`,
		"docker port":            "# docker port web\n80/tcp -> 0.0.0.0:8080\n",
		"a compose file":         "name: shop\nservices:\n  web:\n    container_name: web\n    image: nginx\n    ports:\n      - 0.0.0.0:8080:80\n",
		"docker compose config":  "services:\n  web:\n    container_name: web\n    ports:\n      - mode: ingress\n        target: 80\n        published: \"8080\"\n        host_ip: 0.0.0.0\n        protocol: tcp\n",
		"a compose file, quoted": "services:\n  web:\n    container_name: web\n    environment:\n      SECRET: hunter2\n    ports: [\"0.0.0.0:8080:80/tcp\"]\n",
	} {
		s := read(t, text)
		e := s.Engine()
		if e == nil || len(e.Containers) != 1 {
			t.Errorf("%s: %+v", name, e)
			continue
		}
		c := e.Containers[0]
		b := append(c.Mappings, c.Bindings...)
		if c.Name != "web" || len(b) == 0 || b[0] != (engine.Binding{Proto: "tcp", Container: 80, HostIP: netip.MustParseAddr("0.0.0.0"), HostPort: 8080}) {
			t.Errorf("%s: %+v", name, c)
		}
	}
	if _, err := new(Set).Add("", []byte("80/tcp -> 0.0.0.0:8080\n")); err == nil || !strings.Contains(err.Error(), "put the command in front") {
		t.Errorf("docker port without its command: %v", err)
	}
}
