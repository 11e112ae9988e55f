package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/netns/netnstest"
	"dnatrace/capture/recording"
	"dnatrace/capture/rules"
	"dnatrace/capture/rules/netfilter"
	"dnatrace/fixtures"
)

// secretPlace is one secret, and where it was put.
type secretPlace struct {
	place  string
	text   string // as it is written; "" for what has no text
	binary []byte // as it is in a packet; nil for a name
}

// secretMaker puts secrets into templates, each another one: {4} and {6} an address,
// {h} and {H} an address as a number, {M} a MAC address, {N} a name, {I} the name of
// an interface; {=} is the name before once more.
type secretMaker struct {
	made  []secretPlace
	n     int
	iface string
}

var hole = regexp.MustCompile(`\{[46hHMNI=]\}`)

func (m *secretMaker) fill(template string) string {
	return hole.ReplaceAllStringFunc(template, func(h string) string {
		if h == "{=}" {
			return m.made[len(m.made)-1].text
		}
		m.n++
		s := secretPlace{place: template}
		written := ""
		switch h {
		case "{4}", "{h}":
			a := netip.AddrFrom4([4]byte{203, 0, byte(113 + m.n/200), byte(20 + m.n%200)})
			s.text, s.binary = a.String(), a.AsSlice()
			written = s.text
			if h == "{h}" {
				written = "0x" + hex.EncodeToString(s.binary)
			}
		case "{6}", "{H}":
			a := netip.MustParseAddr(fmt.Sprintf("2001:db8:5ec:%x::%x", 0x1000+m.n, 0x2000+m.n))
			s.text, s.binary = a.String(), a.AsSlice()
			written = s.text
			if h == "{H}" {
				written = "0x" + hex.EncodeToString(s.binary)
			}
		case "{M}":
			mac := net.HardwareAddr{0x00, 0x1b, 0x21, 0x5e, byte(m.n >> 8), byte(m.n)}
			s.text, s.binary = mac.String(), mac
			written = s.text
		case "{I}":
			written = m.iface
			s.text = m.iface
		default:
			s.text = fmt.Sprintf("leakme%03d", m.n)
			written = s.text
		}
		m.made = append(m.made, s)
		return written
	})
}

// nftRules are conditions and statements that take a secret, and such that nothing
// is known to do with, by family and hook.
var nftRules = []struct{ family, hook, rules string }{
	{"ip", "type filter hook forward priority 0;", `
		ip saddr {4} drop
		ip daddr {4}/32 accept
		ip saddr {4}-{4} drop
		ip saddr { {4}, {4} } drop
		ip saddr . tcp dport { {4} . 80, {4} . 81 } drop
		ip saddr . ip daddr . tcp dport { {4} . {4} . 80 } drop
		ip saddr vmap { {4} : drop, {4} : accept }
		ip saddr != {4} drop
		ip saddr < {4} drop
		ip saddr & {4} == {4} drop
		ip saddr & 0.0.0.255 == {4}
		ip saddr & 255.255.255.0 == {4}
		ip option lsrr addr {4} drop
		ip option ssrr addr {4} drop
		ip option rr addr {4} drop
		rt nexthop {4} drop
		rt ip nexthop {4} drop
		meta sdifname "{I}" drop
		meta sdifname "{N}" drop
		iifname "{N}" drop
		iifname "{N}*" drop
		iifname { "{N}", "{N}" } drop
		iifname . ip saddr { "{N}" . {4} } drop
		iif "{I}" drop
		oifname != "{N}" drop
		icmp type redirect icmp gateway {h} drop
		icmp gateway {h} drop
		ip protocol icmp @th,32,32 {h} drop
		@th,288,32 {h} drop
		@th,96,32 {h} drop
		@nh,96,32 {h} drop
		@nh,160,32 {h} drop
		@nh,288,32 {h} drop
		@ih,0,32 {h} drop
		@th,288,32 { {h}, {h} } drop
		@th,288,32 & {h} == {h} drop
		@nh,288,64 0xcb00714d00000000 drop
		udp dport 4789 @th,64,32 {h} drop
		tcp option @200,16,32 {h} drop
		ct original ip saddr {4} drop
		ct reply ip daddr {4} drop
		ct original ip daddr { {4} } drop
		ct helper "{N}" drop
		ct helper "ftp" drop
		ct label 5 drop
		ipsec in ip saddr {4} drop
		ipsec out spnum 1 ip daddr {4} drop
		dup to {4} device "{I}"
		ip daddr set {4}
		ip saddr set {4}
		log prefix "{N} "
		log prefix "{N}" group 3
		tcp dport 80 comment "{N} {4} {M}"
		meta mark set ip saddr map { {4} : 0x1 }
		meta iifkind "veth" drop
		meta iifkind "{N}" drop
		ip saddr {4} ip daddr {4} tcp sport 1024-65535 tcp flags syn / syn,ack counter drop
		ip saddr {4} reject with icmp type host-prohibited
		ip saddr {4} queue flags fanout num 1-3
		fib saddr . iif oifname "{N}" drop
		fib daddr type local ip daddr {4} accept
		numgen inc mod 2 0 drop
		osf name "Linux" drop
		osf name "{N}" drop
		ether saddr {M} drop
		ether saddr & ff:ff:ff:00:00:00 == {M} drop
		ether saddr . ip saddr { {M} . {4} } drop
		meta time > "2020-01-01 00:00:00" ip saddr {4} drop
		ip id 5 ip ttl 64 ip saddr {4} accept
		tcp sequence 5 tcp window 10 ip saddr {4} accept
		tcp option maxseg size 1000 ip saddr {4} accept
		meter {N} { ip saddr limit rate 5/second } drop
		meta l4proto { tcp, udp } th dport { 53, 80 } ip saddr {4} accept
		meta skuid 1000 ip saddr {4} accept
		socket transparent 1 ip saddr {4} accept
		igmp group {4} drop
		gre protocol 0x800 ip saddr {4} drop
		vxlan vni 5 ip saddr {4} drop
		ct mark 0x5 ct state established,related ip saddr {4} accept
		limit rate over 5/second burst 7 packets ip saddr {4} drop
		meta random 5 ip saddr {4} drop
		meta nftrace set 1 ip saddr {4}
		meta cgroup 5 ip saddr {4} drop
		ip dscp ef ip ecn ce ip saddr {4} drop
		ip saddr {4} counter name "{N}"
		ip saddr {4} goto {N}`},
	{"ip", "type nat hook prerouting priority -100;", `
		tcp dport 8080 dnat to {4}:80
		tcp dport 8081 dnat to {4}-{4}
		tcp dport 8082 dnat to {4}:80-90
		tcp dport 8083 redirect to :8080
		dnat to ip saddr map { {4} : {4}, {4} : {4} }
		dnat ip to ip saddr . tcp dport map { {4} . 80 : {4} . 8080 }
		dnat to numgen random mod 2 map { 0 : {4}, 1 : {4} }
		dnat to jhash ip saddr mod 2 map { 0 : {4}, 1 : {4} }
		iifname "{N}" tcp dport 9 dnat to {4}`},
	{"ip", "type nat hook postrouting priority 100;", `
		ip saddr {4} snat to {4}
		tcp dport 80 ip saddr {4}/32 masquerade to :1024-65535 random
		snat to {4}-{4} persistent
		snat to ip saddr map { {4} : {4} }`},
	{"ip", "type filter hook prerouting priority -150;", `
		ip saddr {4} tcp dport 80 tproxy to {4}:80 meta mark set 1 accept
		tcp dport 80 tproxy to {4}:8080 accept
		ip saddr {4} notrack
		tcp dport 80 ip saddr {4} synproxy mss 1460 wscale 7
		ip saddr {4} ct mark set 0x7`},
	{"ip6", "type filter hook forward priority 0;", `
		ip6 saddr {6} drop
		ip6 saddr { {6}, {6} } drop
		ip6 saddr {6}-{6} drop
		ip6 saddr . tcp dport { {6} . 80 } drop
		ip6 daddr & ffff:ffff:ffff:: == {6}
		ip6 daddr & ::ffff == {6}
		rt0 addr[1] {6} drop
		rt2 addr {6} drop
		srh sid[1] {6} drop
		srh tag 5 ip6 saddr {6} drop
		rt ip6 nexthop {6} drop
		icmpv6 taddr {6} drop
		icmpv6 type nd-neighbor-solicit @th,64,128 {H} drop
		meta l4proto icmpv6 @th,64,128 {H} drop
		@nh,64,128 {H} drop
		@nh,320,128 {H} drop
		@th,320,128 {H} drop
		ct original ip6 saddr {6} drop
		ct reply ip6 daddr {6} drop
		ipsec in ip6 saddr {6} drop
		dup to {6} device "{I}"
		exthdr hbh exists ip6 saddr {6} drop
		frag id 5 ip6 saddr {6} drop
		mh type 1 ip6 saddr {6} drop
		ip6 daddr set {6}
		reject with icmpv6 type admin-prohibited
		ip6 saddr {6} comment "{N} {6}"`},
	{"ip6", "type nat hook prerouting priority -100;", `
		tcp dport 8080 dnat to [{6}]:80
		dnat to {6}-{6}
		dnat to ip6 saddr map { {6} : {6} }`},
	{"inet", "type filter hook forward priority 0;", `
		ip saddr {4} drop
		ip6 saddr {6} drop
		meta nfproto ipv4 ip daddr {4} drop
		rt ip nexthop {4} drop
		rt ip6 nexthop {6} drop
		meta protocol ip ip saddr {4} tcp dport 22 accept
		iifname "{N}" oifname "{N}" accept
		tcp dport vmap { 22 : jump {N}, 80 : goto {N} }
		ct state vmap { established : accept, invalid : drop } 
		meta l4proto icmp icmp gateway {h} drop
		meta l4proto ipv6-icmp @th,64,128 {H} drop
		ip saddr {4} log prefix "{N}" level debug flags all`},
	{"arp", "type filter hook input priority 0;", `
		arp saddr ip {4} drop
		arp daddr ip {4} drop
		arp saddr ether {M} drop
		arp daddr ether {M} drop
		arp operation request drop
		@nh,112,32 {h} drop`},
	{"bridge", "type filter hook forward priority 0;", `
		ether saddr {M} drop
		ether daddr { {M}, {M} } drop
		meta ibrname "{N}" drop
		meta obrname "{N}" drop
		ether type ip ip saddr {4} drop
		ether saddr set {M}
		vlan id 5 ip saddr {4} drop
		arp saddr ip {4} drop
		@ll,0,48 0x001b215effff drop`},
	{"netdev", `type filter hook ingress device "{I}" priority 0;`, `
		ip saddr {4} drop
		ether saddr {M} drop
		fwd to "{I}"
		fwd ip to {4} device "{I}"
		dup to "{I}"
		@ll,0,48 0x001b215effff drop`},
}

// nftObjects are tables with what is declared in them.
var nftObjects = []string{
	`table ip {N} { comment "{N}"; chain u { comment "{N}"; }; chain {N} { }; chain v { jump {=}; }; }`,
	`table ip {N} { set {N} { type ipv4_addr; comment "{N}"; elements = { {4} comment "{N}", {4} }; } }`,
	`table ip {N} { set {N} { type ipv4_addr; flags interval; elements = { {4}-{4}, {4}/32 }; } }`,
	`table ip {N} { set {N} { type ipv4_addr . inet_service; flags interval; elements = { {4} . 80-90, {4} . 22 }; } }`,
	`table ip {N} { set {N} { typeof ip saddr . meta iifname; elements = { {4} . "{N}" }; } }`,
	`table ip {N} { set {N} { type ifname; elements = { "{N}", "{N}" }; } }`,
	`table ip {N} { set {N} { type ether_addr; elements = { {M} }; } }`,
	`table ip {N} { set {N} { typeof @th,288,32; elements = { {h} }; } }`,
	`table ip {N} { set {N} { type mark; elements = { 0x5 }; } }`,
	`table ip {N} { set {N} { typeof rt nexthop; elements = { {4} }; } }`,
	`table ip {N} { map {N} { type ipv4_addr : ipv4_addr; elements = { {4} : {4} }; } }`,
	`table ip {N} { map {N} { type ipv4_addr : ipv4_addr . inet_service; elements = { {4} : {4} . 80 }; } }`,
	`table ip {N} { chain {N} { }; map m { type ifname : verdict; elements = { "lo" : jump {=}, "{N}" : drop }; } }`,
	`table ip6 {N} { set {N} { type ipv6_addr; flags interval; elements = { {6}-{6}, {6}/128 }; } }`,
	`table inet {N} { counter {N} { comment "{N}"; } quota {N} { over 5 mbytes; } limit {N} { rate 5/second; } }`,
	`table inet {N} { ct helper {N} { type "ftp" protocol tcp; } ct timeout {N} { protocol tcp; policy = { established : 5 }; } ct expectation {N} { protocol tcp; dport 5; timeout 1h; size 5; l3proto ip; } }`,
	`table inet {N} { synproxy {N} { mss 1460; wscale 7; } }`,
	`table inet {N} { secmark {N} { "system_u:object_r:{N}:s0"; } }`,
	`table inet {N} { flowtable {N} { hook ingress priority 0; devices = { "{I}" }; } }`,
	`table inet {N} { set {N} { type ipv4_addr; flags dynamic,timeout; timeout 5m; }; chain c { type filter hook input priority 0; add @{=} { ip saddr }; }; }`,
}

// declaration breaks one into lines, as nft wants it.
var declaration = strings.NewReplacer("; ", ";\n", "} }", "}\n}", "} ", "}\n")

// saveRules are rules of iptables that take a secret, and such that nothing is known
// to do with.
var saveRules = map[string]string{
	"iptables": `
		-s {4} -j DROP
		-s {4}/24 -j DROP
		! -d {4} -j DROP
		-i {N} -o {N} -j DROP
		-i {N}+ -j DROP
		-m comment --comment "{N} {4}" -j DROP
		-m iprange --src-range {4}-{4} -j DROP
		-m iprange --dst-range {4}-{4} -j DROP
		-m mac --mac-source {M} -j DROP
		-m conntrack --ctorigsrc {4} --ctorigdst {4} -j DROP
		-m conntrack --ctreplsrc {4}/24 --ctstate NEW -j DROP
		-m physdev --physdev-in {N} -j DROP
		-m string --string {N} --algo bm -j DROP
		-m string --hex-string |6c65616b6d65|{N} --algo kmp -j DROP
		-m hashlimit --hashlimit-upto 5/sec --hashlimit-name {N} -j DROP
		-m recent --name {N} --set -j DROP
		-m u32 --u32 12=0xcb00714d -j DROP
		-m policy --dir in --pol ipsec --mode tunnel --tunnel-src {4} --tunnel-dst {4} -j DROP
		-m helper --helper {N} -j DROP
		-m helper --helper ftp -j DROP
		-m cgroup --path {N} -j DROP
		-m bpf --bytecode "4,48 0 0 9,21 0 1 6,6 0 0 1,6 0 0 0" -s {4} -j DROP
		-m rateest --rateest {N} --rateest-lt --rateest-bps 1mbit -j DROP
		-m nfacct --nfacct-name {N} -j DROP
		-m ipvs --vaddr {4} -j DROP
		-m osf --genre {N} -j DROP
		-m osf --genre Linux -s {4} -j DROP
		-m owner --uid-owner 1000 -d {4} -j DROP
		-p tcp -m tcp --dport 80 --tcp-flags SYN,ACK SYN -s {4} -j REJECT --reject-with tcp-reset
		-p tcp -m multiport --dports 80,443,1024:65535 -s {4} -j DROP
		-p icmp -m icmp --icmp-type 8 -s {4} -j DROP
		-m addrtype --dst-type LOCAL -d {4} -j DROP
		-m limit --limit 5/min -s {4} -j LOG --log-prefix "{N} "
		-m statistic --mode nth --every 3 --packet 0 -s {4} -j DROP
		-m time --timestart 08:00 --timestop 17:00 --weekdays Mon,Tue -s {4} -j DROP
		-m connlimit --connlimit-above 5 -s {4} -j DROP
		-m mark --mark 0x1/0xff -s {4} -j DROP
		-m dscp --dscp 0x2e -s {4} -j DROP
		-m ttl --ttl-lt 5 -s {4} -j DROP
		-m length --length 5:10 -s {4} -j DROP
		-m pkttype --pkt-type broadcast -s {4} -j DROP
		-m realm --realm 5 -s {4} -j DROP
		-s {4} -j NFLOG --nflog-prefix {N} --nflog-group 5
		-s {4} -j NFQUEUE --queue-num 5
		-s {4} -g {N}
		-s {4} -j {N}`,
	"iptables -t nat": `
		-p tcp --dport 8080 -j DNAT --to-destination {4}:80
		-p tcp -j DNAT --to-destination {4}-{4}
		-s {4} -j SNAT --to-source {4}
		-s {4} -j SNAT --to-source {4}-{4}:1024-2048
		-d {4} -j NETMAP --to {4}/32
		-p tcp -d {4} -j REDIRECT --to-ports 80
		-s {4} -j MASQUERADE`,
	"iptables -t mangle": `
		-s {4} -j MARK --set-xmark 0x1/0xff
		-s {4} -j CONNMARK --save-mark
		-p tcp -s {4} -j TPROXY --on-ip {4} --on-port 80 --tproxy-mark 0x1
		-s {4} -j TEE --gateway {4}
		-s {4} -j TTL --ttl-set 5
		-s {4} -j SECMARK --selctx system_u:object_r:{N}:s0
		-s {4} -j IDLETIMER --timeout 5 --label {N}
		-s {4} -j HMARK --hmark-tuple src --hmark-mod 5 --hmark-rnd 5
		-p tcp -s {4} --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
		-s {4} -j RATEEST --rateest-name {N} --rateest-interval 250ms --rateest-ewmalog 500ms`,
	"iptables -t raw": `
		-p tcp --dport 21 -s {4} -j CT --helper {N}
		-p tcp --dport 21 -s {4} -j CT --helper ftp
		-s {4} -j CT --notrack
		-s {4} -j CT --timeout {N}`,
	"ip6tables": `
		-s {6} -j DROP
		-d {6}/64 -j DROP
		-m iprange --src-range {6}-{6} -j DROP
		-m rt --rt-type 0 --rt-0-addrs {6},{6} -j DROP
		-m policy --dir in --pol ipsec --mode tunnel --tunnel-src {6} -j DROP
		-m conntrack --ctorigsrc {6} -j DROP
		-m hl --hl-lt 5 -s {6} -j DROP
		-p icmpv6 -m icmp6 --icmpv6-type 135 -s {6} -j DROP
		-m eui64 -s {6} -j DROP
		-m frag --fragid 5 -s {6} -j DROP
		-s {6} -j REJECT --reject-with icmp6-adm-prohibited`,
	"ip6tables -t nat": `
		-p tcp -j DNAT --to-destination [{6}]:80
		-s {6} -j SNAT --to-source {6}
		-s {6} -j NETMAP --to {6}/128`,
	"ip6tables -t mangle": `
		-s {6} -j DNPT --src-pfx {6}/64 --dst-pfx {6}/64`,
}

// leakSets are sets of ipset with secrets in them.
var leakSets = `
	create {N} hash:ip comment
	create {N} hash:net,iface
	create {N} hash:mac
	create {N} hash:ip,port,net
	create {N} bitmap:ip range 203.0.120.1-203.0.120.40
	create {N} list:set`

// leakHost is a namespace whose rules hold a secret wherever one can be.
type leakHost struct {
	secretMaker
	path     string
	accepted int
	refused  []string
}

func (h *leakHost) run(stdin string, args ...string) error {
	c := exec.Command("nsenter", append([]string{"--net=" + h.path}, args...)...)
	c.Stdin = strings.NewReader(stdin)
	out, err := c.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %.120s", err, out)
	}
	return nil
}

// try puts a rule in; what is not accepted here has put no secrets anywhere.
func (h *leakHost) try(template string, do func(filled string) error) {
	was := len(h.made)
	if err := do(h.fill(template)); err != nil {
		h.made = h.made[:was]
		h.refused = append(h.refused, fmt.Sprintf("%s: %v", strings.TrimSpace(template), err))
		return
	}
	h.accepted++
}

func (h *leakHost) nft(table int, family, hook, rule string) {
	h.try(rule, func(r string) error {
		var chains strings.Builder
		var objects string
		for _, name := range regexp.MustCompile(`(?:jump|goto) (leakme[0-9]+)`).FindAllStringSubmatch(r, -1) {
			fmt.Fprintf(&chains, "\tchain %s {\n\t}\n", name[1])
		}
		for _, name := range regexp.MustCompile(`counter name "(leakme[0-9]+)"`).FindAllStringSubmatch(r, -1) {
			objects += "\tcounter " + name[1] + " {\n\t}\n"
		}
		text := fmt.Sprintf("table %s t%d {\n%s%s\tchain c {\n\t\t%s\n\t\t%s\n\t}\n}\n", family, table, objects, chains.String(), h.fillIface(hook), r)
		return h.run(text, "nft", "-f", "-")
	})
}

func (h *leakHost) fillIface(s string) string { return strings.ReplaceAll(s, "{I}", h.iface) }

func newLeakHost(t *testing.T) *leakHost {
	for _, program := range []string{"nft", "iptables", "ip6tables", "nsenter", "ip"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("this test needs %s", program)
		}
	}
	h := &leakHost{path: netnstest.New(t)}
	h.iface = "leakmeif0"
	if err := h.run("", "ip", "link", "add", h.iface, "type", "veth", "peer", "name", "leakmeif1"); err != nil {
		t.Fatal(err)
	}
	h.made = append(h.made, secretPlace{place: "the name of an interface", text: h.iface}, secretPlace{place: "the name of an interface", text: "leakmeif1"})
	n := 0
	for _, g := range nftRules {
		for _, rule := range strings.Split(strings.TrimSpace(g.rules), "\n") {
			n++
			h.nft(n, g.family, g.hook, strings.TrimSpace(rule))
		}
	}
	for _, o := range nftObjects {
		h.try(o, func(s string) error { return h.run(declaration.Replace(s)+"\n", "nft", "-f", "-") })
	}
	for _, line := range strings.Split(strings.TrimSpace(leakSets), "\n") {
		h.try(line, func(s string) error { return h.run(s+"\n", "ipset", "restore") })
	}
	for _, program := range []string{"iptables", "iptables -t nat", "iptables -t mangle", "iptables -t raw", "ip6tables", "ip6tables -t nat", "ip6tables -t mangle"} {
		for _, rule := range strings.Split(strings.TrimSpace(saveRules[program]), "\n") {
			h.iptables(program, strings.TrimSpace(rule))
		}
	}
	return h
}

func (h *leakHost) iptables(program, rule string) {
	command := strings.Fields(program)
	chain := map[string]string{"nat": "PREROUTING", "raw": "PREROUTING", "mangle": "PREROUTING"}[command[len(command)-1]]
	switch {
	case strings.Contains(rule, "SNAT"), strings.Contains(rule, "MASQUERADE"):
		chain = "POSTROUTING"
	case strings.Contains(rule, "owner"):
		chain = "OUTPUT"
	case strings.Contains(rule, "DNPT"):
		chain = "POSTROUTING"
	case chain == "":
		chain = "FORWARD"
	}
	h.try(rule, func(r string) error {
		for _, name := range regexp.MustCompile(`-[gj] (leakme[0-9]+)`).FindAllStringSubmatch(r, -1) {
			if err := h.run("", append(slices.Clone(command), "-N", name[1])...); err != nil {
				return err
			}
		}
		return h.run("", append(append(slices.Clone(command), "-A", chain), shellWords(r)...)...)
	})
}

// shellWords takes a command line apart, as far as double quotes go.
func shellWords(s string) (words []string) {
	for i, part := range strings.Split(s, `"`) {
		if i%2 == 1 {
			words = append(words, part)
			continue
		}
		words = append(words, strings.Fields(part)...)
	}
	return words
}

// recordingOf is a recording of a request that failed, with the rules of the host.
func (h *leakHost) recordingOf(t *testing.T) string {
	sets, err := netfilter.Read(h.path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := fixtures.Load("firewall-drop")
	if err != nil {
		t.Fatal(err)
	}
	src, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "with-secrets.pcapng")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := recording.NewWriter(f, recording.Options{Program: "dnatrace"})
	var last int64
	for b, err := range src(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			last = max(last, r.Time)
			if r.Kind == capture.KindEnd {
				h.addRules(t, w, sets, r.Time)
			}
		}
		if err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// addRules adds the rules in another namespace than the host's, so that the requests
// are judged by theirs.
func (h *leakHost) addRules(t *testing.T, w *recording.Writer, sets []rules.Ruleset, at int64) {
	seen := map[string]bool{}
	for _, s := range sets {
		data, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		seen[s.Backend] = true
		if err := w.Write(&capture.Batch{Records: []capture.Record{{Time: at, Origin: capture.OriginRules, Kind: capture.KindRuleset, Netns: "web", Data: data}}}); err != nil {
			t.Fatal(err)
		}
	}
	if !seen["nft"] || !seen["nft-text"] || !seen["iptables-save"] {
		t.Errorf("only %v were read", seen)
	}
}

// unwrapped is b, and what is in it as base64, gzip, or both, however deep.
func unwrapped(b []byte, depth int) [][]byte {
	all := [][]byte{b}
	if depth == 0 {
		return all
	}
	for _, m := range base64Run.FindAll(b, -1) {
		for _, enc := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding} {
			if d, err := enc.DecodeString(string(m)); err == nil {
				all = append(all, unwrapped(d, depth-1)...)
				break
			}
		}
	}
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte{0x1f, 0x8b, 8})
		if i < 0 {
			return all
		}
		if z, err := gzip.NewReader(bytes.NewReader(b[at+i:])); err == nil {
			z.Multistream(false)
			if d, _ := io.ReadAll(z); len(d) > 0 {
				all = append(all, unwrapped(d, depth-1)...)
			}
		}
		at += i + 3
	}
}

var base64Run = regexp.MustCompile(`[A-Za-z0-9+/]{24,}={0,2}`)

// leaksIn lists which secrets are in an output.
func (h *leakHost) leaksIn(out []byte) (leaks []secretPlace) {
	heap := bytes.Join(unwrapped(out, 4), []byte("\x00\x00\x00\x00"))
	lower := bytes.ToLower(heap)
	for _, s := range h.made {
		if holdsSecret(heap, lower, s) {
			leaks = append(leaks, s)
		}
	}
	return leaks
}

func holdsSecret(heap, lower []byte, s secretPlace) bool {
	for at := 0; ; {
		i := bytes.Index(lower[at:], []byte(s.text))
		if i < 0 {
			break
		}
		i += at
		end := i + len(s.text)
		if s.binary == nil || (i == 0 || !addressByte(lower[i-1])) && (end == len(lower) || !addressByte(lower[end])) {
			return true
		}
		at = end
	}
	if s.binary == nil {
		return false
	}
	turned := slices.Clone(s.binary)
	slices.Reverse(turned)
	return bytes.Contains(heap, s.binary) || bytes.Contains(heap, turned) || bytes.Contains(lower, []byte(hex.EncodeToString(s.binary))) || bytes.Contains(lower, []byte(hex.EncodeToString(turned)))
}

func addressByte(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

// TestNoRuleGivesASecretAway puts a secret into every place of a rule that nft and
// iptables take one in here, and looks for it in all that is written of the
// recording once it is redacted.
func TestNoRuleGivesASecretAway(t *testing.T) {
	if testing.Short() {
		t.Skip("two hundred rules are put into the kernel one by one")
	}
	h := newLeakHost(t)
	t.Logf("%d rules and declarations were accepted, %d were not", h.accepted, len(h.refused))
	for _, r := range h.refused {
		t.Logf("not accepted here: %s", r)
	}
	if h.accepted < 150 {
		t.Errorf("only %d rules were accepted", h.accepted)
	}
	dir := t.TempDir()
	from := h.recordingOf(t)
	raw, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if found := h.leaksIn(raw); len(found) < len(h.made)*9/10 {
		t.Errorf("of %d secrets %d are found in the recording: the others are not looked for as they are kept", len(h.made), len(found))
	}
	shared := filepath.Join(dir, "shared.pcapng")
	if _, said, code := dnatrace("redact", from, "-w", shared); code != exitOK {
		t.Fatalf("exit %d: %s", code, said)
	} else {
		t.Log(said)
	}
	h.folder(t, dir)
	for _, out := range outputsOf(t, dir, shared) {
		leaks := h.leaksIn(out.bytes)
		t.Logf("%-28s %8d bytes, %d places, %d leaks", out.what, len(out.bytes), len(h.made), len(leaks))
		for _, l := range leaks {
			t.Errorf("%s: %s of %q", out.what, l.text, l.place)
		}
	}
}

// folder has what the tools print of the same rules redacted from a folder.
func (h *leakHost) folder(t *testing.T, dir string) {
	in := filepath.Join(dir, "dumps")
	if err := os.Mkdir(in, 0o700); err != nil {
		t.Fatal(err)
	}
	for file, command := range map[string]string{
		"ruleset": "nft -a list ruleset", "save": "iptables-save -c", "save6": "ip6tables-save", "link": "ip -j link", "addr": "ip -j addr", "route": "ip -j route show table all",
		"rule": "ip -j rule", "neigh": "ip -j neigh", "sockets": "ss -lnp", "sets": "ipset save",
	} {
		out, err := exec.Command("nsenter", append([]string{"--net=" + h.path}, strings.Fields(command)...)...).Output()
		if err != nil {
			t.Logf("%s: %v", command, err)
			continue
		}
		if err := os.WriteFile(filepath.Join(in, file), out, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, said, code := dnatrace("redact", in, "-w", filepath.Join(dir, "folder.pcapng")); code != exitOK {
		t.Errorf("redact a folder: exit %d: %s", code, said)
	} else {
		t.Log(said)
	}
}

// output is something that is written of a redacted recording.
type output struct {
	what  string
	bytes []byte
}

func outputsOf(t *testing.T, dir, shared string) (all []output) {
	for _, c := range []struct {
		what, file string
		args       []string
	}{
		{"the recording", shared, nil},
		{"of a folder of dumps", filepath.Join(dir, "folder.pcapng"), nil},
		{"report", "page.html", []string{"report", shared, "-o"}},
		{"report --embed", "embed.html", []string{"report", shared, "--embed", "-o"}},
		{"report in Markdown", "page.md", []string{"report", shared, "-o"}},
		{"report in JSON", "page.json", []string{"report", shared, "-o"}},
		{"report --for-issue", "issue.md", []string{"report", shared, "--for-issue", "-o"}},
		{"annotate", "annotated.pcapng", []string{"annotate", shared, "-w"}},
		{"minimise", "small.pcapng", []string{"minimise", shared, "-w"}},
		{"replay -o json", "", []string{"replay", shared, "-o", "json"}},
		{"replay", "", []string{"replay", shared}},
	} {
		file := c.file
		if c.args != nil && file != "" {
			file = filepath.Join(dir, file)
			c.args = append(c.args, file)
		}
		var printed, said string
		if c.args != nil {
			var code int
			printed, said, code = dnatrace(c.args...)
			if code == exitTrouble {
				t.Errorf("%s: exit %d: %s", c.what, code, said)
				continue
			}
		}
		b := []byte(printed + said)
		if file != "" {
			written, err := os.ReadFile(file)
			if err != nil {
				t.Error(err)
			}
			b = append(b, written...)
		}
		all = append(all, output{c.what, b})
	}
	return all
}
