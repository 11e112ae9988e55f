package catalogue

import (
	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

var nat = []Entry{
	shown("57", "A DNAT rule leads to an address that no container has any more", refused(stage.Neighbour, correlate.CauseStaleTranslation, proven),
		"conntrack's tuples; ARP or ND without an answer; no running container with that address, before and after", "Delete the rule, or restart the engine.", "stale-translation", "demo-stale-translation"),
	shown("57b", "The same, and another container has the address now", wrong(stage.DNAT, correlate.CauseStaleTranslation, proven),
		"conntrack's tuples; the traced rule is the engine's, and the container that answered publishes nothing there", "Delete the rule, or restart the engine.", "stale-translation-answered", "engine28-stale-translation-answered", "engine29nft-stale-translation-answered"),
	shown("57c", "The same, and a filter stops it before anybody looks for the address", dropped(stage.Forward, correlate.CauseStaleTranslation, proven),
		"the rules send it to an address that no running container has, and one of them, or a policy, drops it: by the kernel's trace, or its counter", "Delete the rule, or restart the engine.", "stale-translation-legacy"),
	shown("58", "A UDP sender is older than the mapping, and connection tracking keeps it untranslated", silent(stage.Host, correlate.CauseStaleTranslation, inferred),
		"an untranslated entry that is older than the request, for a port that is published", "Delete the entry: conntrack -D -p udp --orig-port-dst PORT.", "udp-pinned"),
	unshown("59", "The engine flushes UDP entries by the wrong port", silent(stage.Host, correlate.CauseStaleTranslation, inferred),
		"as 58, after each start of the container", "Delete the entry, or map equal ports.", "it takes an engine from 29.5 on; to the kernel it is the same as 58"),
	unshown("60", "Connection tracking is full", dropped(stage.Prerouting, correlate.CauseConntrackFull, inferred),
		"nf_conntrack's count of drops grew by at least the attempts, and there is no entry", "Raise net.netfilter.nf_conntrack_max.", "the limit is the machine's, and cannot be set in a namespace"),
	shown("61", "A segment is invalid to connection tracking, stays untranslated, and the host resets the connection", refused(stage.Host, correlate.CauseConntrackInvalid, inferred),
		"the container accepted, and the RST was seen nowhere but at the client's side", "Drop what is invalid on INPUT, or set nf_conntrack_tcp_be_liberal.", "conntrack-invalid"),
	shown("62", "A container asks the host for a port of another network's container", fine(inferred),
		"docker-proxy's own connection", "Nothing to change; a common network is shorter.", "hairpin-across", "hairpin", "hairpin-itself"),
	shown("63", "The server sees another source than the client", fine(proven),
		"the legs before and after differ in their source; a note says so", "Delete the rule that masquerades.", "delivered-source-hidden"),
	shown("64", "The answer leaves with the container's own address", lost(stage.ReplyPrerouting, correlate.CauseUntranslatedSource, inferred),
		"the answer at the client's side has a source that was not asked", "Delete the rule that exempts it from connection tracking.", "reply-untracked"),
	shown("64b", "The same, since the request is in a zone of connection tracking and its answer is not", lost(stage.ReplyPrerouting, correlate.CauseUntranslatedSource, inferred),
		"as 64", "Delete the rule that puts it in a zone, or put the answers in it too.", "zone-of-its-own"),
	shown("64c", "A rule exempts the request from connection tracking, and nothing translates it", refused(stage.Host, correlate.CauseUntracked, proven),
		"the host refuses the untranslated request; the kernel's trace, or the recorded rules, name a rule that exempts it", "Delete the rule.", "untracked-refused"),
	shown("64d", "The same, and the engine holds the port without serving it", silent(stage.Host, correlate.CauseUntracked, inferred),
		"as 64c; the engine's own socket takes the connection, and does nothing with it", "Delete the rule.", "untracked"),
	shown("64e", "The same, and docker-proxy serves it", fine(inferred),
		"docker-proxy's own connection", "Nothing to change, but the server sees docker-proxy's address.", "untracked-proxy-serves"),
	shown("65", "An idle connection was forgotten", refused(stage.Host, correlate.CauseConntrackInvalid, inferred),
		"as 61: a segment that no entry covers", "Send keepalives more often than entries last.", "idle-forgotten"),
}

var routing = []Entry{
	shown("66", "Forwarding is off", dropped(stage.Route, correlate.CauseForwardingDisabled, proven),
		"net.ipv4.ip_forward is 0 before and after", "sysctl -w net.ipv4.ip_forward=1", "forwarding-disabled", "demo-forwarding-off"),
	shown("67", "Forwarding is off for the card", dropped(stage.Route, correlate.CauseForwardingDisabled, proven),
		"conf.eth0.forwarding is 0 before and after", "Turn it on, and keep who sets it from the link.", "forwarding-disabled-on-the-card"),
	shown("67b", "Forwarding is off for the bridge", lost(stage.ReplyRoute, correlate.CauseForwardingDisabled, proven),
		"the answer at the bridge and not behind; conf.BRIDGE.forwarding is 0", "Turn it on, and keep who sets it from the link.", "forwarding-disabled-on-the-bridge"),
	shown("68", "The reverse path is checked strictly, and the request came in elsewhere", dropped(stage.Route, correlate.CauseReversePathFilter, proven),
		"rp_filter is 1, the route to the client is by another link, and IPReversePathFilter grew, or the kernel's drop reason", "Set rp_filter to 2, or mend the routes.", "reverse-path-filter"),
	shown("68b", "The same for an answer that leaves the container by another network", lost(stage.ReplyRoute, correlate.CauseReversePathFilter, proven),
		"the answer at that network's bridge and not behind, with the same setting and counter, or the kernel's drop reason", "Set rp_filter to 2, or have the container answer by the network it is published on.", "reply-reverse-path-filter"),
	shown("69", "A host with several links: rules by source do not know the container's address", lost(stage.ReplyRoute, correlate.CauseReplyMisrouted, proven),
		"the answer was seen leaving by another link", "Add a rule for the container's network.", "reply-misrouted-by-source"),
	shown("70", "A tunnel has taken over the way back to the client", lost(stage.ReplyRoute, correlate.CauseReplyMisrouted, inferred),
		"the answer was seen leaving by another link", "Exempt the client's network from the tunnel.", "reply-misrouted"),
	shown("71", "The client's address lies in a container network", silent(stage.Container, correlate.CauseReplyMisrouted, inferred),
		"the container asks for the client by ARP, in vain", "Give the network another subnet.", "client-in-the-bridges-network"),
	shown("72", "The host has no route back to the client", lost(stage.ReplyRoute, correlate.CauseReplyNoRoute, proven),
		"the answer at the bridge and not behind; no route leads to the client, before and after", "Add the route.", "reply-no-route"),
	shown("72g", "A process of the host, or docker-proxy, serves the port, and the host has no route back to the client", silent(stage.ReplyRoute, correlate.CauseReplyNoRoute, proven),
		"the request at the card, a listener of the host for it, no route to the client before and after, and no answer made; OutNoRoutes grew", "Add the route.", "host-reply-no-route"),
	shown("72b", "The host has no route to the container", refused(stage.Route, correlate.CauseNoRoute, inferred),
		"ICMP net unreachable from the host", "Restart the engine, or add the route.", "no-route"),
	shown("72c", "The request's time to live ran out", refused(stage.Route, correlate.CauseTTLExpired, inferred),
		"ICMP time exceeded about the request, from a router or from the host", "Send with a larger time to live, or break the loop of routes.", "ttl-expired"),
	shown("72d", "A more specific route, or a bridge without its address, leads past the container's bridge, and a filter stops it there", dropped(stage.Forward, correlate.CauseRoutedElsewhere, proven),
		"the interface that the kernel's trace names is not the bridge of the container that has the translated address", "Delete the route, or give the bridge its address again.", "routed-elsewhere", "routed-elsewhere-address-gone"),
	shown("72e", "A routing rule, by a mark or another, leads past the container's bridge", dropped(stage.Forward, correlate.CauseRoutedElsewhere, proven),
		"as 72d; the rule and the table that decide", "Add a rule in front of it that has the containers' network looked up in main.", "routed-elsewhere-by-mark"),
	shown("72f", "Nothing stops what is routed past the container's bridge", dropped(stage.Route, correlate.CauseRoutedElsewhere, inferred),
		"the host's routes, and nothing at the container's bridge, or the translated request at another interface", "Delete the route, or give the bridge its address again.", "routed-elsewhere-accepted"),
	shown("73", "The container answers by another network of its own", fine(proven),
		"the answer by another bridge, and at the client's side", "Choose the network with a gateway priority.", "delivered-by-the-other-network"),
	shown("74", "The host's loopback is served by docker-proxy, its other addresses by NAT", fine(inferred),
		"the proxy's own connection; a note says that the way in from outside was not exercised", "Ask the way that the client does.", "host-loopback", "published-on-loopback-and-asked-there"),
	unshown("75", "WSL2 with mirrored networking", silent(stage.Container, correlate.CauseUntranslatedSource, inferred),
		"as 31", "Use a newer engine, or NAT networking.", "it takes Windows"),
}

var links = []Entry{
	shown("76", "The host remembers a wrong link-layer address", silent(stage.Container, correlate.CauseNeighbourUnresolved, inferred),
		"the neighbour entry differs from the address that the engine gave the container", "Delete the entry: ip neigh del.", "stale-neighbour"),
	shown("77", "Two containers have one address", refused(stage.Container, correlate.CauseDuplicateAddress, inferred),
		"another than the container answered ARP for its address", "Give each an address of its own.", "duplicate-address"),
	shown("78", "The container's veth is not on the bridge", refused(stage.Neighbour, correlate.CauseNeighbourUnresolved, inferred),
		"ARP on the bridge without an answer, for an address that a running container owns", "Attach it, and keep network managers from veths.", "veth-detached"),
}

var queues = []Entry{
	shown("78g", "Nobody answers ARP for the published address, or ND for a container's own in the host's prefix", absent(correlate.CauseAddressUnanswered),
		"who-has, or a neighbour solicitation, at the card, again and again and not answered, for an address of the host or of the container; no request", "Have the host answer: arp_ignore, or proxy_ndp for each address.", "address-unanswered", "address-unanswered-ipv6"),
	shown("78b", "Frames for the host's address carry another MAC", dropped(stage.NIC, correlate.CauseWrongMAC, proven),
		"the frames' link-layer destination is none of the host's, and the kernel's drop reason", "Delete the neighbour entry of who sends them, or give addresses to one host each.", "wrong-mac"),
	shown("78c", "A port of the bridge does not forward", dropped(stage.Bridge, correlate.CauseBridgePortBlocked, inferred),
		"the request at the bridge and not behind it, and the state of the port; or the kernel's drop reason", "Turn the spanning tree off, or wait for it.", "bridge-port-blocked-known"),
	shown("78h", "A port of the bridge does not forward, and so the host cannot ask for the container's link-layer address", refused(stage.Neighbour, correlate.CauseBridgePortBlocked, inferred),
		"ICMP host unreachable, and the state of the port", "Turn the spanning tree off, or wait for it.", "bridge-port-blocked"),
	shown("78d", "A queueing discipline drops", dropped(stage.Postrouting, correlate.CauseQueueDrop, proven),
		"the kernel's drop reason, with the interface", "Raise the queue's limit, or take the discipline away.", "queue-drop"),
	shown("78e", "The same for the answer", lost(stage.ReplyNIC, correlate.CauseQueueDrop, proven),
		"the kernel's drop reason, with the interface", "Raise the queue's limit, or take the discipline away.", "reply-queue-drop"),
	unshown("78f", "Fragments of the request do not come, and the kernel says so", dropped(stage.Prerouting, correlate.CauseFragmentsMissing, proven),
		"the kernel's drop reason", "Find what drops fragments on the way, or send smaller packets.", "the kernel says so after thirty seconds"),
}

var sizes = []Entry{
	shown("79", "Packets are larger than the host's card takes", stalled("", correlate.CauseMTU),
		"answer bytes at the bridge again and again, none behind; ICMP with the size, or the links' MTU", "Set the network's MTU, clamp the MSS, or let ICMP through.", "mtu-told", "mtu-untold"),
	shown("79b", "Packets are larger than the way behind the host takes", stalled(stage.ReplyNIC, correlate.CauseMTU),
		"an answer that leaves again and again and is never acknowledged, by a client that is there", "Set the network's MTU, or clamp the MSS.", "mtu-beyond-the-host"),
	shown("79c", "The client stopped reading", stalled(stage.ReplyNIC, correlate.CauseZeroWindow),
		"the client's segments offer no window", "Look at the client.", "zero-window-of-the-client"),
	shown("79d", "Fragments of a datagram do not come", refused(stage.Host, correlate.CauseFragmentsMissing, inferred),
		"ICMP fragment reassembly time exceeded about the request", "Find what drops fragments on the way, or send smaller packets.", "fragments-missing"),
	unshown("80", "A card fills in wrong checksums", stalled(stage.ReplyNIC, correlate.CauseUnknown),
		"an answer that leaves again and again and is never acknowledged", "Turn the offload off: ethtool -K.", "it takes the card that does it"),
}

var swarm = []Entry{
	unshown("81", "Overlay ports are blocked", dropped("", correlate.CauseUnknown, inferred), "seen at the overlay's own points, and not on the other node", "Open 4789/udp and 7946.", "it takes a swarm of two nodes"),
	unshown("82", "The state of the ingress network is broken", dropped("", correlate.CauseUnknown, inferred), "translated to the ingress namespace, and not seen behind", "Make the ingress network anew.", "it takes a swarm, and IPVS in the kernel"),
	unshown("83", "IPVS forgets idle connections", refused(stage.Host, correlate.CauseConntrackInvalid, inferred), "as 61, after a quarter of an hour", "Send keepalives more often.", "it takes a swarm, and IPVS in the kernel"),
	unshown("84", "Ingress serves IPv4 only", silent(stage.Host, correlate.CauseRulesMissing, inferred), "a handshake with dockerd's own socket, and no answer", "Ask by IPv4.", "it takes a swarm, and IPVS in the kernel"),
	unshown("85", "Swarm without IPVS modules", dropped("", correlate.CauseUnknown, inferred), "translated to the ingress namespace, and not seen behind", "Load ip_vs and xt_ipvs.", "it takes a swarm whose overlay has a bridge of its own, which the lab's engine cannot set up"),
}

var nested = []Entry{
	unshown("86", "Docker Desktop: the engine's host is a virtual machine", absent(correlate.CauseNone), "the engine's containers are not in this kernel, which is said before anything is watched", "Watch inside the machine.", "it takes a desktop"),
	unshown("87", "Docker in Docker: the outer container does not publish the port", refused(stage.Host, correlate.CauseNotPublished, proven), "as 1, at the outer engine", "Publish it on the outer container too.", "to each engine it is the same as 1"),
}

var clients = []Entry{
	unshown("88", "The name resolves to another address", absent(correlate.CauseUpstream), "as 55", "Compare what the client resolves with the host's addresses.", "to the host it is the same as 55"),
}

// pathCodes are what is said about the causes above, whatever their shape.
var pathCodes = map[correlate.Cause]Code{
	correlate.CauseNone: {About: "Nothing is wrong with the way of the request; a note says what is peculiar about it.",
		ByHand: []string{sniffBoth, trackOfPort}},
	correlate.CauseForwardingDisabled: {About: "The kernel does not forward, at all or for one link, so that translated packets go nowhere.",
		ByHand: []string{"sysctl net.ipv4.ip_forward net.ipv4.conf.all.forwarding net.ipv4.conf.eth0.forwarding net.ipv4.conf.docker0.forwarding"}},
	correlate.CauseNoRoute: {About: "The host has no route to the container's address.",
		ByHand: []string{"ip route get 172.17.0.2"}},
	correlate.CauseStaleTranslation: {About: "A rule or an entry of connection tracking still translates for a container that is gone, or not at all for one that has come.",
		ByHand: []string{"iptables -t nat -S DOCKER", "conntrack -L --orig-port-dst 8080", "docker ps"}},
	correlate.CauseMTU: {About: "Packets of full size do not get through, and small ones do.",
		ByHand: []string{"ip link show eth0; ip link show docker0", "tcpdump -ni any 'icmp[0] = 3 and icmp[1] = 4'", "ping -M do -s 1472 198.51.100.1  # from the client"}},
	correlate.CauseDuplicateAddress: {About: "Two containers answer for one address.",
		ByHand: []string{"arping -I docker0 -c 3 172.17.0.2", "docker network inspect -f '{{json .Containers}}' bridge"}},
	correlate.CauseConntrackFull: {About: "The table of connection tracking is full, and the kernel drops what would need a new entry.",
		ByHand: []string{"sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max", "conntrack -S"}},
	correlate.CauseConntrackInvalid: {About: "Connection tracking does not know a segment for part of its connection, so that it is not translated.",
		ByHand: []string{"conntrack -S  # invalid", "sysctl net.netfilter.nf_conntrack_tcp_be_liberal", sniffBoth}},
	correlate.CauseRoutedElsewhere: {About: "The request was translated, and the host's routes do not lead to its container's bridge: a more specific or marked route, or the bridge's own address gone.",
		ByHand: []string{"ip route get 172.17.0.2 from 198.51.100.100 iif eth0", "ip rule; ip route show table all", "ip addr show docker0"}},
	correlate.CauseUntracked: {About: "A rule exempts the request from connection tracking on its way in, and what is not tracked is not translated.",
		ByHand: []string{"iptables -t raw -S PREROUTING", "nft list ruleset | grep -n notrack", trackOfPort}},
	correlate.CauseTTLExpired: {About: "The request's time to live ran out on its way: it was sent with too small a one, or goes round in circles.",
		ByHand: []string{"tcpdump -nvi eth0 'icmp[0] = 11 or tcp dst port 8080'  # ttl of the request", "traceroute -n -T -p 8080 198.51.100.1  # from the client"}},
	correlate.CauseFragmentsMissing: {About: "The request came in fragments, of which some never came.",
		ByHand: []string{"nstat -az IpReasmFails IpReasmTimeout", "tcpdump -nvi eth0 'ip[6:2] & 0x3fff != 0'"}},
	correlate.CauseWrongMAC: {About: "Frames for the host's address carry the link-layer address of somebody else, and the kernel passes over them.",
		ByHand: []string{"tcpdump -eni eth0 tcp port 8080", "ip link show eth0", "arping -c 3 198.51.100.1  # from the client's network"}},
	correlate.CauseBridgePortBlocked: {About: "A port of the bridge does not forward, since its spanning tree is listening, learning or blocking.",
		ByHand: []string{"bridge -d link show", "ip -d link show docker0"}},
	correlate.CauseQueueDrop: {About: "A queueing discipline of an interface threw the packet away: its limit was reached, or it is made to.",
		ByHand: []string{"tc -s qdisc show", "dropwatch -l kas"}},
	correlate.CauseAddressUnanswered: {About: "No request came, since nobody answers who asks for the link-layer address of the address that it goes to.",
		ByHand: []string{"tcpdump -eni eth0 'arp or icmp6[0] = 135 or icmp6[0] = 136'", "sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.eth0.arp_ignore", "ip -6 neigh show proxy"}},
}
