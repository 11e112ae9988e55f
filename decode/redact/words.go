package redact

import (
	"regexp"
	"slices"
	"strings"
)

// set makes a set of the words in a text.
func set(text string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(text) {
		m[w] = true
	}
	return m
}

// linkKinds are kinds of interfaces (IFLA_INFO_KIND).
var linkKinds = []string{
	"bareudp", "bond", "bond_slave", "bridge", "bridge_slave", "can", "dummy", "erspan", "geneve", "gre", "gretap", "gtp", "hsr", "ifb", "ip6erspan",
	"ip6gre", "ip6gretap", "ip6tnl", "ipip", "ipoib", "ipvlan", "ipvtap", "lowpan", "macsec", "macvlan", "macvtap", "netdevsim", "netkit", "nlmon",
	"openvswitch", "sit", "team", "tun", "vcan", "veth", "virt_wifi", "vlan", "vrf", "vti", "vti6", "vxlan", "wireguard", "wwan", "xfrm",
}

// states and the like that the kernel and the engine give names to.
var (
	linkStates      = []string{"disabled", "listening", "learning", "forwarding", "blocking"}
	routeTypes      = []string{"unicast", "local", "broadcast", "anycast", "multicast", "blackhole", "unreachable", "prohibit", "throw", "nat", "xresolve"}
	ruleActions     = []string{"lookup", "blackhole", "unreachable", "prohibit", "goto", "nop", "to_tbl"}
	neighbourStates = []string{"reachable", "stale", "delay", "probe", "failed", "incomplete", "permanent", "noarp", "none"}
	protocols       = []string{"tcp", "udp", "sctp", "tcp6", "udp6", "icmp", "raw"}
	containerStates = []string{"created", "running", "paused", "restarting", "removing", "exited", "dead"}
	drivers         = []string{"bridge", "host", "none", "null", "overlay", "macvlan", "ipvlan", "default", "nat", "l2bridge", "transparent", "ics"}
	gatewayModes    = []string{"nat", "nat-unprotected", "routed", "isolated"}
	firewalls       = []string{"iptables", "nftables", "iptables+firewalld", "nftables+firewalld"}
	eventTypes      = []string{"container", "network", "daemon", "service", "node", "image", "volume", "plugin"}
	eventActions    = []string{
		"attach", "commit", "connect", "copy", "create", "destroy", "detach", "die", "disable", "disconnect", "enable", "exec_create", "exec_detach",
		"exec_die", "exec_start", "export", "health_status", "health_status: healthy", "health_status: running", "health_status: starting", "health_status: unhealthy",
		"kill", "oom", "pause", "prune", "reload", "remove", "rename", "resize", "restart", "start", "stop", "top", "unpause", "update",
	}
	sourceNames    = []string{"packets", "conntrack", "ruletrace", "drops", "engine", "host", "rules"}
	sourceStates   = []string{"ok", "absent", "failed"}
	fixtureOrigins = []string{"live", "recorded", "composed"}
	rulesetCauses  = []string{"start", "change", "end"}
	backends       = []string{
		"nft", "iptables-legacy", "ip6tables-legacy", "ipset", "nft-text", "iptables-save", "ip6tables-save", "iptables-legacy-save", "ip6tables-legacy-save", "ipset-text",
	}
)

// oneOf leaves a string as it is that is one of these; others are names.
func oneOf(lists ...[]string) manner {
	return func(r *Redactor, s string) string {
		for _, words := range lists {
			if slices.Contains(words, s) {
				return s
			}
		}
		return r.names.name(s)
	}
}

// shaped leaves a string as it is that is of a form that no name has; others are
// names.
func shaped(form string) manner {
	re := regexp.MustCompile(`^(` + form + `)?$`)
	return func(r *Redactor, s string) string {
		if re.MatchString(s) {
			return s
		}
		return r.names.name(s)
	}
}

// systemWords are those of which names and versions of systems and programs are
// made.
var systemWords = set(`
	dnatrace devel dirty redacted
	Debian GNU Linux linux Ubuntu LTS Alpine Fedora CentOS Stream Red Hat Enterprise Rocky AlmaLinux Arch openSUSE SUSE Leap Tumbleweed Server Amazon Oracle Raspbian
	Flatcar Container Core CoreOS by Kinvolk Talos Bottlerocket NixOS Docker Desktop Photon OS Mint Manjaro Gentoo Void Devuan Kali VMware Azure Mariner Cloud Optimized
	buster bullseye bookworm trixie forky sid xenial bionic focal jammy noble plucky Thirty Forty Edition Workstation boot2docker rancher RancherOS k3OS
	rc ce ee dfsg ubuntu deb amd amd64 x86 x86_64 64 386 arm arm64 armhf armv7 aarch64 aarch v6 v7 v8 v7l riscv64 ppc64le s390x i686 generic cloud azure aws gcp gke oracle lts el fc uek
	microsoft standard WSL WSL2 linuxkit rpi raspi pve flatcar cos arch zen hardened lowlatency default bpo edge dev beta alpha pre git build mod unsigned rt preempt PREEMPT SMP
	virt kvm desktop metal server talos talhelper cachyos xanmod liquorix nixos amzn amzn2 amzn2023 mariner azl ph photon bottlerocket lockdown
`)

// numbered is a word of systemWords with numbers before and behind: 1ubuntu3,
// deb12u1, el9.
var numbered = regexp.MustCompile(`^[0-9]{0,4}([A-Za-z]+)[0-9]{0,4}(?:u[0-9]+)?$`)

// commit is the beginning of a commit's number as git describe says it.
var commit = regexp.MustCompile(`^g?[0-9a-f]{7,40}$`)

// asSystem leaves the words of the name or the version of a system or a program;
// others are names.
func asSystem(r *Redactor, s string) string {
	return isWord.ReplaceAllStringFunc(s, func(w string) string {
		m := numbered.FindStringSubmatch(w)
		switch {
		case systemWords[w], isNum.MatchString(w), m != nil && systemWords[m[1]], m != nil && m[1] == "v", commit.MatchString(w) && strings.HasPrefix(s, "dnatrace "):
			return w
		}
		return r.names.word(w)
	})
}

// Identifiers of the kernel's own: reasons for drops, functions, counters, settings.
const (
	aReason   = `[A-Z][A-Z0-9_]{1,60}|[0-9]{1,5}`
	aFunction = `[a-z_][a-z0-9_]{2,80}(\.(isra|part|constprop|cold)(\.[0-9]+)*)*(\+0x[0-9a-f]{1,6}(/0x[0-9a-f]{1,6})?)?`
	aSetting  = `-?[0-9]{1,20}([ \t]+-?[0-9]{1,20}){0,8}|NONE|nf_log_[a-z0-9]{1,10}|nfnetlink_log|cubic|reno|bbr|fq_codel|pfifo_fast|fq|noqueue|mq`
)

// asSetting leaves the value of a setting that is numbers.
var asSetting = shaped(aSetting)

// textWords are the words that may stay in sentences: those of messages of this
// program's, of the kernel's errors and of the engine's. All others are names for
// all that is known.
var textWords = set(`
	a about absent accept accepted access ac action actions active add added addr address addresses admin after again against all allocate allocated allowed alone already also although ambient ambiguous an and
	announced another answer answered answers any application are arena argument argv armed as ask asked assemble at attach attached attempt available away back backlog backwards bad be because been before behind being belongs
	between beyond bigger binary bind bits block blocks both bound brackets bridge broadcast broken buffer build built bundle busy but by byte bytes call called came can cannot cap capabilities capability capture captured captures
	capturing carries carry cause caused cgo cgroup cgroups chain chains change changed character check child claims clear client clock close closed closing code comma command compose compress compressed confined connect connected connection
	connections connectivity conntrack container containers context contradict control copy could counted counter counters cpu create created creating cross cut dac daemon damage damaged data date dead deadline decode deep default denied
	depth destination detected dev device devices did died differ different dir directory disabled disk do does done down driver drop dropped drops dst due dump dumped dumps each early effect either else empty enabled encode end
	ended endpoint endpoints ends engine engines enough enter entered entries entry env environment ep error errors ether event events every evidence exceeded exec executable exist existing exists exit exited expected expired explicit expression external f
	failed failing failure family far fast fatal fd field fields file files fill filter filters find finished firewall firmware first fit flag flush folder folders followed for foreign form format found frame frames free freeze from full function
	gateway get gets give given gives go gone got group groups guard had half halted handle handler hang hanging happen happens hard has have header headers healthy held here hold holds host hosts hour hours how id identifier ids if ifindex
	illegal image implemented impossible in inactive includes incomplete index information init inode input inside install installed instead instructions interface interfaces internal interrupted into invalid io is isolated it its
	itself join joined journal just keep kept kernel kernels key kfree kill killed know known large larger last late later least leave left legacy length lengths less level limit line lines link links list listen listener listening listens live
	load local locked log logger logs long longer look looked lookup loop loopback loss lost low lower mac machine made magic main make makes making managed many map mapped mapping marker marshal mask matches matching maximum may mean member members
	memory message messages middle minute minutes mismatch missing mode module modules moment more most mount mounted mounts moved ms much multicast must name named names namespace namespaces nat need needed needs neighbour neighbours neither net netfilter netlink
	netns network networking networks never new next nf nft nftables no node nobody noise none nor not note noted nothing now number numbers object objects oci of off offset old on once one ones only oom open opened opener opens operation option options or
	order origin other others out outgoing outside over own owner package packages packet packets page pages pair parameter parent parenthesis parse parser part partly parts pass passed past path paused pcap pcapng peer peers pending perhaps permission permitted pid pids
	pinned pipe place plain point points policies policy pool poll port portrange ports position possible power present prevented print printed privilege privileged privileges probe probing proc process processes processing program programming programs progress project proper
	protocol protocols provide proxy ptrace public published put queue queued queues quick quiet quota r range ranges rate raw reach reachable reached reaches read readable reader reading reads ready real reason reasons receive received record recorded recording recordings
	redacted refuse refused regular rejected release remaining remote remove removed removing rename repeated replace replay report request requested requests required requires reserve reserved reset resolve resolved resource resources response rest restart restarted restored result
	retry return returned right ring rings role room root rotate route router routes routing rule rules ruleset run runc running runs runtime s same sample samples sampling sandbox save saved saves saving say says scope search second seconds section see seek seen
	segment select send sends sent serve server servers service services session set setcap setns sets setting settings setup several shape share shared shim short should shorten shows shut shutdown side signal since single size skb sleep slow small smaller snapshot so
	socket sockets some something soon source sources space spawn specified specify split src ss stack stale stand standard start started starting starts stat state statement states status stay stays step steps still stop stopped stored stream string struct such sudo
	sum supported symbolic sync syntax sys sysctl syscall system systemctl table tables tag tags take taken taking target targets task tcp tell temporarily term terminated test text than that the their them themselves then there these they thing things this those
	thread threads three through time timed timeout times to together told too took torn trace traced tracepoint traces tracking traffic translated transport tried truncated try turn turned two type types udp unable unavailable under understood
	undated unexpected unhealthy unit units unix unknown unless unpack unpacks unreachable unreadable unsupported until up update upper urandom usage use used user userland users uses using valid value values verdict version veth via virtual visible vlan
	wait waited waiting wakes want wanted wants warning was watch watched way we weight well went were what when where whether which while who whole whose why wide will window with within without word work worked worker working would wrapper write
	writes writing written wrong yes yet you zero zone
	A AF API An And Any As At BPF BTF Bind Both CAP CPU Cannot Conflict Container Could DNS Docker EOF Error Ethernet EtherType Failed File For From GRE HTTP ICMP ID IP IPAM IPv IO It JSON Linux MAC MB MTU NAT NIC Network No None Not OCI OK OOM One Only PACKET
	PATH PID Point Points Port RST SCTP SYN State T TCP TLS TPACKET TTL The There These This UDP UID URL Unable Use V VLAN VXLAN XDP x y
	ADMIN RAW PTRACE SYSLOG PERFMON READ SEARCH NET SYS
	iptables ip6tables ipset iproute iptunnel docker dockerd containerd dnatrace systemd nftables libnetwork swarm podman moby seccomp apparmor selinux overlay2 btrfs vfs cgroupfs
`)

var aTextNumber = regexp.MustCompile(`^([0-9]{1,6}|0x[0-9a-fA-F]{1,4}|[0-9]{1,6}(\.[0-9]{1,9})?(ns|µs|ms|s|m|h|kB|MB|GB|KiB|MiB|GiB)|[0-9]{1,3}%|[0-9]{1,5}(\.[0-9]{1,5}){1,2}|[0-9]{1,5}/(tcp|udp|sctp)|[0-9]{1,5}-[0-9]{1,5}|IPv[46]|ipv[46])$`)

// aPath are paths of the kernel's and the engine's, and names of settings.
var aPath = regexp.MustCompile(`^(/proc(/self|/[0-9]+)?(/ns/net|/net|/sys/net(/(ipv4|ipv6|core|netfilter|bridge))?(/[a-z0-9_]+)?|/status|/cmdline|/fd|/cgroup|/root)?|/sys/kernel/(btf/vmlinux|tracing|debug)|/dev/(null|net/tun)|net\.(ipv4|ipv6|core|netfilter|bridge)\.[a-z0-9_]+|CAP_[A-Z_]+)$`)
