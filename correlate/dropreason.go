package correlate

import (
	"cmp"
	"fmt"
	"slices"

	"dnatrace/correlate/stage"
)

// netfilterDrop is the reason of whatever a hook of netfilter dropped: it does
// not say which rule, and need not have been one.
const netfilterDrop = "NETFILTER_DROP"

// otherHost is the reason of what carries a link-layer address of somebody else.
// Copies that an interface takes in since it is watched have it, too.
const otherHost = "OTHERHOST"

// socketFilter is the reason of what reached a socket whose own filter does not take it.
const socketFilter = "SOCKET_FILTER"

// dropSite is where the kernel dropped a packet.
type dropSite struct {
	in   string // the point that saw it last
	link string // the interface that it was at; "" unknown
	to   string // its destination, as it was then
}

// dropReason is what a reason of the kernel's means, and where it names by itself
// what to change, what it amounts to for a request on its way in.
type dropReason struct {
	means string      // goes on after "The kernel dropped what came in at eth0: "
	stage stage.Stage // valid iff cause is given
	cause Cause       // "" where the reason alone does not tell
	fix   func(dropSite) []string
}

// DropReasons are the names of reasons that are explained, sorted
// (include/net/dropreason-core.h of 6.1 to 6.18).
func DropReasons() []string {
	var out []string
	for name := range dropReasons {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// ExplainDrop says what a reason means, and which cause a request has that was
// dropped for it; "" if the reason alone does not tell.
func ExplainDrop(reason string) (means string, cause Cause) {
	r := dropReasons[reason]
	return r.means, r.cause
}

// tellReason tells of a request that the kernel dropped for a reason.
func (j *judgement) tellReason(reason string, at dropSite) {
	r, ok := dropReasons[reason]
	in := at.in
	if at.link != "" && at.link != in {
		in += ", at " + at.link
	}
	switch {
	case reason == "" || reason == "NOT_SPECIFIED":
		j.why = fmt.Sprintf("The kernel dropped what came in at %s, and does not say why.", in)
	case !ok:
		j.why = fmt.Sprintf("The kernel dropped what came in at %s, for a reason that is not known here: %s.", in, reason)
	default:
		j.why = fmt.Sprintf("The kernel dropped what came in at %s: %s (%s).", in, r.means, reason)
	}
	if r.fix != nil {
		j.fix = r.fix(at)
	}
	if r.cause != "" {
		j.stage, j.cause, j.proof = r.stage, r.cause, Proven
	}
}

// tellsALoss reports whether a reason for which the kernel freed a packet means
// that it went no further. Many are of copies, or of packets that were done with.
func tellsALoss(reason string) bool {
	return dropReasons[reason].cause != "" || slices.Contains(lossReasons, reason)
}

// lossReasons are reasons of that kind that do not name a cause by themselves.
var lossReasons = []string{netfilterDrop, "IP_RPFILTER", "IP_INADDRERRORS", "IP_CSUM", "TCP_CSUM", "UDP_CSUM"}

// unansweredReasons are those of what waited for a link-layer address.
var unansweredReasons = []string{"NEIGH_FAILED", "NEIGH_QUEUEFULL"}

// isQueueReason reports whether a queueing discipline gave the reason.
func isQueueReason(reason string) bool { return dropReasons[reason].cause == CauseQueueDrop }

func fix(lines ...string) func(dropSite) []string {
	return func(dropSite) []string { return lines }
}

func routeFix(at dropSite) []string {
	return []string{"see where the host would send it: ip route get " + at.to}
}

func tcFix(hook string) func(dropSite) []string {
	return func(at dropSite) []string {
		if at.link == "" {
			return []string{"tc filter show " + hook}
		}
		return []string{"tc filter show dev " + shell(at.link) + " " + hook}
	}
}

func xdpFix(at dropSite) []string {
	return []string{"ip link show dev " + shell(cmp.Or(at.link, at.in))}
}

func queueFix(at dropSite) []string {
	if at.link == "" {
		return []string{"see their limits and counts: tc -s qdisc show"}
	}
	return []string{"see its limits and its counts: tc -s qdisc show dev " + shell(at.link)}
}

func portFix(at dropSite) []string {
	return []string{"see the states of ports: bridge -d link show", "turn the spanning tree of the bridge off: ip link set " + shell(cmp.Or(at.link, at.in)) + " type bridge stp_state 0"}
}

func tooLargeFix(at dropSite) []string {
	return []string{"see how large packets may be: ip link", "send smaller ones, or let ICMP through, which says so: ping -M do -s 1472 " + at.to}
}

var fragmentsFix = fix("find what drops fragments on the way, or send smaller packets: nstat -az IpReasmFails")

// queued is a reason of a queueing discipline.
func queued(means string) dropReason {
	return dropReason{means, stage.Postrouting, CauseQueueDrop, queueFix}
}

// plain is a reason that does not say by itself what to change.
func plain(means string) dropReason { return dropReason{means: means} }

var dropReasons = map[string]dropReason{
	// Where it goes.
	"IP_OUTNOROUTES":  {"the host has no route to where the request goes on", stage.Route, CauseNoRoute, routeFix},
	"IP_INNOROUTES":   {"the host has no route for it", stage.Route, CauseNoRoute, routeFix},
	"IP_INADDRERRORS": plain("its address is none that the host may take or send on"),
	"IP_RPFILTER":     plain("the way back to its source is another than the one it came by"),
	"IP_LOCALNET": {"it is for an address of loopback, and came in by another interface", stage.Route, CauseLoopbackNotRouted,
		func(at dropSite) []string {
			return []string{"sysctl -w net.ipv4.conf." + cmp.Or(at.link, "all") + ".route_localnet=1"}
		}},
	"IP_LOCAL_SOURCE":   {means: "its source is an address of the host itself", fix: fix("find who sends with the host's own address: tcpdump -eni any, ip addr")},
	"IP_INVALID_SOURCE": plain("its source is an address that nobody may send from"),
	"IP_INVALID_DEST":   plain("its destination is an address that nobody may send to"),
	"IPV6DISABLED":      {means: "IPv6 is switched off at the interface", fix: fix("see where: sysctl -a | grep disable_ipv6")},
	"NO_TX_TARGET":      plain("the interface has no target for it"),
	"RECURSION_LIMIT":   plain("it went from one virtual interface to the next too often"),

	// Neighbours and link layer.
	otherHost:                 plain("its link-layer address is somebody else's"),
	"NEIGH_FAILED":            plain("nobody answered for the address that it goes to"),
	"NEIGH_QUEUEFULL":         plain("too much waited already for the link-layer address that it goes to"),
	"NEIGH_DEAD":              plain("the entry of the neighbour that it goes to was just deleted"),
	"NEIGH_CREATEFAIL":        {means: "the table of neighbours is full", fix: fix("sysctl net.ipv4.neigh.default.gc_thresh3; ip neigh | wc -l")},
	"NEIGH_HH_FILLFAIL":       plain("no link-layer header could be made for it"),
	"UNICAST_IN_L2_MULTICAST": plain("its link-layer address is for many, and its IP address for one"),
	"LOCAL_MAC":               plain("its link-layer source is the interface's own"),
	"MAC_INVALID_SOURCE":      plain("its link-layer source is no address of one"),
	"MAC_IEEE_MAC_CONTROL":    plain("its link-layer address is one that bridges keep for themselves"),
	"ARP_PVLAN_DISABLE":       plain("the interface does not answer neighbours for one another"),
	"BRIDGE_INGRESS_STP_STATE": {"a port of a bridge does not forward yet, or no more: its spanning tree says so",
		stage.Bridge, CauseBridgePortBlocked, portFix},

	// Programs, policies, queues.
	netfilterDrop:        plain("the host's packet filter"),
	"TC_INGRESS":         {"a traffic control (tc) filter drops it where it comes in", stage.Ingress, CauseFirewallDrop, tcFix("ingress")},
	"TC_EGRESS":          {"a traffic control (tc) filter drops it where it goes out", stage.Postrouting, CauseFirewallDrop, tcFix("egress")},
	"XDP":                {"an XDP program drops it", stage.NIC, CauseFirewallDrop, xdpFix},
	"BPF_CGROUP_EGRESS":  {means: "a BPF program of a control group", fix: fix("bpftool cgroup tree")},
	"SECURITY_HOOK":      {means: "a security module (SELinux, AppArmor, a BPF program)", fix: fix("journalctl -k | grep -i -e avc -e apparmor")},
	"XFRM_POLICY":        {means: "an IPsec policy wants it encrypted, or not at all", fix: fix("ip xfrm policy")},
	socketFilter:         plain("a filter of the socket that it is for"),
	"TAP_FILTER":         plain("a filter of a tap interface"),
	"TAP_TXFILTER":       plain("a filter of a tap interface"),
	"QDISC_DROP":         queued("a queueing discipline threw it away"),
	"QDISC_OVERLIMIT":    queued("a queueing discipline is full"),
	"QDISC_CONGESTED":    queued("a queueing discipline keeps its delay short"),
	"CAKE_FLOOD":         queued("a queueing discipline (cake) takes it for a flood"),
	"FQ_BAND_LIMIT":      queued("a queueing discipline (fq) has its band full"),
	"FQ_HORIZON_LIMIT":   queued("a queueing discipline (fq) is to send it too far in the future"),
	"FQ_FLOW_LIMIT":      queued("a queueing discipline (fq) has too much of its flow"),
	"DUALPI2_STEP_DROP":  queued("a queueing discipline (dualpi2) keeps its delay short"),
	"CPU_BACKLOG":        {means: "the queue of a CPU is full", fix: fix("sysctl net.core.netdev_max_backlog; cat /proc/net/softnet_stat")},
	"FULL_RING":          plain("the ring of an interface is full"),
	"TC_COOKIE_ERROR":    plain("a traffic control filter failed"),
	"TC_CHAIN_NOTFOUND":  plain("a traffic control filter goes to a chain that is not there"),
	"TC_RECLASSIFY_LOOP": plain("traffic control filters go round in circles"),

	// Its size and shape.
	"PKT_TOO_BIG":             {"it is larger than the link takes that it is to leave by", stage.Route, CauseMTU, tooLargeFix},
	"FRAG_REASM_TIMEOUT":      {"it came in fragments, of which some never came", stage.Prerouting, CauseFragmentsMissing, fragmentsFix},
	"FRAG_TOO_FAR":            {"it came in fragments, of which some never came", stage.Prerouting, CauseFragmentsMissing, fragmentsFix},
	"DUP_FRAG":                {"it came in fragments that overlap", stage.Prerouting, CauseFragmentsMissing, fragmentsFix},
	"PKT_TOO_SMALL":           plain("it is shorter than it says"),
	"HDR_TRUNC":               plain("its headers are cut off"),
	"IP_INHDR":                plain("something is wrong with its IP header"),
	"IP_CSUM":                 plain("its checksum is wrong"),
	"TCP_CSUM":                plain("its checksum is wrong"),
	"UDP_CSUM":                plain("its checksum is wrong"),
	"ICMP_CSUM":               plain("its checksum is wrong"),
	"SKB_CSUM":                plain("its checksum could not be made"),
	"SKB_GSO_SEG":             plain("it could not be cut into packets"),
	"SKB_UCOPY_FAULT":         plain("it could not be copied"),
	"IP_NOPROTO":              plain("nothing takes its protocol"),
	"UNHANDLED_PROTO":         plain("nothing takes its protocol"),
	"INVALID_PROTO":           plain("it does not keep to its protocol"),
	"IPV6_BAD_EXTHDR":         plain("something is wrong with its IPv6 headers"),
	"IPV6_NDISC_FRAG":         plain("it is neighbour discovery in fragments"),
	"IPV6_NDISC_HOP_LIMIT":    plain("it is neighbour discovery that came through a router"),
	"IPV6_NDISC_BAD_CODE":     plain("it is neighbour discovery of no known code"),
	"IPV6_NDISC_BAD_OPTIONS":  plain("it is neighbour discovery with bad options"),
	"IPV6_NDISC_NS_OTHERHOST": plain("it asks for a neighbour that is somebody else"),
	"TCP_MINTTL":              plain("its time to live is less than its socket wants"),

	// Who takes it.
	"NO_SOCKET":           plain("no socket takes it"),
	"SOCKET_CLOSE":        plain("the socket that it is for was closed"),
	"SOCKET_RCVBUFF":      {means: "the receive queue of its socket is full: the process does not read", fix: fix("ss -lnump; nstat -az UdpRcvbufErrors")},
	"SOCKET_BACKLOG":      plain("the backlog of its socket is full"),
	"PROTO_MEM":           {means: "the memory of its protocol is used up", fix: fix("sysctl net.ipv4.udp_mem net.ipv4.tcp_mem; cat /proc/net/sockstat")},
	"NOMEM":               plain("there was no memory for it"),
	"PFMEMALLOC":          plain("memory is short, and what there is is kept for swapping"),
	"TCP_LISTEN_OVERFLOW": {means: "the queue of connections to be accepted is full", fix: fix("ss -lnt  # Recv-Q beyond Send-Q")},
	"PACKET_SOCK_ERROR":   plain("it is the copy of a packet that a capture had no room for: the packet itself goes on"),
	"UNIX_DISCONNECT":     plain("the socket was disconnected"),
	"UNIX_SKIP_OOB":       plain("the reader passed over it"),
	"QUEUE_PURGE":         plain("the queue that it was in was emptied"),
	"DEV_HDR":             plain("its device's header is wrong"),
	"DEV_READY":           plain("an interface that it goes through is not up"),

	// What TCP makes of it.
	"TCP_FLAGS":                plain("its TCP flags make no sense"),
	"TCP_AUTH_HDR":             plain("its TCP signature is no good"),
	"TCP_MD5NOTFOUND":          plain("its TCP signature (MD5) is missing"),
	"TCP_MD5UNEXPECTED":        plain("it has a TCP signature (MD5) that nobody asked for"),
	"TCP_MD5FAILURE":           plain("its TCP signature (MD5) is wrong"),
	"TCP_AONOTFOUND":           plain("its TCP signature (AO) is missing"),
	"TCP_AOUNEXPECTED":         plain("it has a TCP signature (AO) that nobody asked for"),
	"TCP_AOKEYNOTFOUND":        plain("the key of its TCP signature (AO) is not known"),
	"TCP_AOFAILURE":            plain("its TCP signature (AO) is wrong"),
	"TCP_ABORT_ON_DATA":        plain("data came after the process had closed"),
	"TCP_ZEROWINDOW":           plain("the process does not read, and its window is closed"),
	"TCP_OLD_DATA":             plain("its data came before"),
	"TCP_OVERWINDOW":           plain("its data is beyond the window"),
	"TCP_OFOMERGE":             plain("its data came before, out of order"),
	"TCP_OFO_QUEUE_PRUNE":      plain("there was no room for data out of order"),
	"TCP_OFO_DROP":             plain("its data came before"),
	"TCP_RFC7323_PAWS":         plain("its TCP time stamp is older than the last one"),
	"TCP_RFC7323_PAWS_ACK":     plain("its TCP time stamp is older than the last one"),
	"TCP_RFC7323_TW_PAWS":      plain("its TCP time stamp is older than that of the connection before"),
	"TCP_RFC7323_TSECR":        plain("it answers a TCP time stamp that was never sent"),
	"TCP_OLD_SEQUENCE":         plain("it is of the past of its connection"),
	"TCP_INVALID_SEQUENCE":     plain("its sequence number is none of its connection"),
	"TCP_INVALID_END_SEQUENCE": plain("its sequence number is none of its connection"),
	"TCP_INVALID_ACK_SEQUENCE": plain("it acknowledges what was never sent"),
	"TCP_RESET":                plain("it resets a connection that is not there"),
	"TCP_INVALID_SYN":          plain("it opens a connection that is open"),
	"TCP_CLOSE":                plain("its connection is closed"),
	"TCP_FASTOPEN":             plain("a TCP fast open that is not finished"),
	"TCP_OLD_ACK":              plain("it acknowledges what was acknowledged before"),
	"TCP_TOO_OLD_ACK":          plain("it acknowledges what was acknowledged long before"),
	"TCP_ACK_UNSENT_DATA":      plain("it acknowledges what was never sent"),

	// Tunnels and other links.
	"VXLAN_INVALID_HDR":      plain("its VXLAN header is wrong"),
	"VXLAN_VNI_NOT_FOUND":    plain("its VXLAN network is none of the host's"),
	"VXLAN_ENTRY_EXISTS":     plain("its link-layer source is known behind another tunnel's end"),
	"IP_TUNNEL_ECN":          plain("its marks of congestion do not fit those of its tunnel"),
	"TUNNEL_TXINFO":          plain("its tunnel lacks where to send it"),
	"CAN_RX_INVALID_FRAME":   plain("it is no good frame of a CAN bus"),
	"CANFD_RX_INVALID_FRAME": plain("it is no good frame of a CAN bus"),
	"CANXL_RX_INVALID_FRAME": plain("it is no good frame of a CAN bus"),
	"PSP_INPUT":              plain("its encryption (PSP) is wrong or missing"),
	"PSP_OUTPUT":             plain("its encryption (PSP) failed"),
}
