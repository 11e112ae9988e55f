package catalogue

import "dnatrace/correlate"

// Code is what is said about a cause whatever its shape.
type Code struct {
	Cause  correlate.Cause
	About  string   // what the code means, one sentence
	ByHand []string // commands that show it without dnatrace; 8080 and web stand for the port and the container
}

// Codes lists what is said about every cause of the vocabulary, in its order.
func Codes() []Code {
	out := make([]Code, 0, len(codes))
	for _, c := range correlate.Causes() {
		known := codes[c]
		known.Cause = c
		out = append(out, known)
	}
	return out
}

const (
	sniffBoth   = "tcpdump -ni any 'tcp port 8080 or tcp port 80'"
	rulesOfHost = "iptables-save -c; nft -a list ruleset"
	trackOfPort = "conntrack -L -p tcp --orig-port-dst 8080"
	insideWeb   = "nsenter -n -t \"$(docker inspect -f '{{.State.Pid}}' web)\" "
	portsOfWeb  = "docker port web; docker inspect -f '{{json .HostConfig.PortBindings}} {{json .NetworkSettings.Ports}}' web"
	stateOfWeb  = "docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' web"
)

var codes = map[correlate.Cause]Code{
	correlate.CauseNone: {About: "Nothing is wrong with the way of the request; a note says what is peculiar about it.",
		ByHand: []string{sniffBoth, trackOfPort}},
	correlate.CauseNotPublished: {About: "The container runs, and the engine maps no port of the host to it.",
		ByHand: []string{portsOfWeb, "ss -lnt 'sport = :8080'"}},
	correlate.CausePublishedElsewhere: {About: "The port is published, on another number, address, family or protocol than was asked for.",
		ByHand: []string{portsOfWeb, "ss -lntu 'sport = :8080'"}},
	correlate.CausePortTaken: {About: "Something else had the host's port when the container was to start, so that it has none or does not run.",
		ByHand: []string{stateOfWeb, "ss -lntp 'sport = :8080'"}},
	correlate.CauseContainerNotRunning: {About: "The container that publishes the port does not run, so that nothing serves it.",
		ByHand: []string{stateOfWeb, "docker logs --tail 20 web"}},
	correlate.CauseContainerPaused: {About: "The container is paused: its kernel goes on shaking hands, its processes do not run.",
		ByHand: []string{stateOfWeb, insideWeb + "ss -tn"}},
	correlate.CauseNoListener: {About: "The request reached the container, and no process listens on the port there.",
		ByHand: []string{insideWeb + "ss -lntu", "docker logs --tail 20 web"}},
	correlate.CauseWrongContainerPort: {About: "The mapping leads to a port of the container on which nothing listens, while the server listens on another.",
		ByHand: []string{"docker port web", insideWeb + "ss -lntp"}},
	correlate.CauseListenerOnLoopback: {About: "The server listens on 127.0.0.1 of the container, where nothing from outside can get.",
		ByHand: []string{insideWeb + "ss -lnt"}},
	correlate.CauseListenerElsewhere: {About: "The server listens on the port, and on another address or family than the request comes by.",
		ByHand: []string{insideWeb + "ss -lnt", "docker inspect -f '{{json .NetworkSettings.Networks}}' web"}},
	correlate.CauseModeHost: {About: "In host mode the container has the host's ports, and -p means nothing.",
		ByHand: []string{"docker inspect -f '{{.HostConfig.NetworkMode}}' web", "ss -lntp"}},
	correlate.CauseModeNone: {About: "In mode none the container has a loopback and no network, and -p means nothing.",
		ByHand: []string{"docker inspect -f '{{.HostConfig.NetworkMode}}' web", insideWeb + "ip addr"}},
	correlate.CauseModeContainer: {About: "The container shares the network of another, which alone can publish ports.",
		ByHand: []string{"docker inspect -f '{{.HostConfig.NetworkMode}}' web"}},
	correlate.CauseInternalNetwork: {About: "All networks of the container are internal, and the engine maps no ports onto those.",
		ByHand: []string{"docker network inspect -f '{{.Name}} {{.Internal}}' $(docker network ls -q)", "docker port web"}},
	correlate.CauseDirectAccess: {About: "The client asked for the container's own address, which the engine shields from outside.",
		ByHand: []string{rulesOfHost, "tcpdump -ni eth0 net 172.16.0.0/12"}},
	correlate.CauseNetworkIsolated: {About: "The engine keeps its networks, or neighbours on one, apart.",
		ByHand: []string{"iptables -S DOCKER-ISOLATION-STAGE-1; iptables -S DOCKER-ISOLATION-STAGE-2", "docker network inspect -f '{{.Name}} {{json .Options}}' $(docker network ls -q)"}},
	correlate.CauseFirewallDrop: {About: "A rule, or a chain's policy, that is not the engine's drops the request without a word.",
		ByHand: []string{rulesOfHost, "nft add table inet look '{ chain pre { type filter hook prerouting priority -350; tcp dport 8080 meta nftrace set 1; }; }' && nft monitor trace", "nft delete table inet look  # behind it"}},
	correlate.CauseFirewallReject: {About: "A rule that is not the engine's answers the request with a RST or an ICMP error.",
		ByHand: []string{rulesOfHost, "tcpdump -ni any 'icmp[0] = 3 or tcp[13] & 4 != 0'"}},
	correlate.CauseRulesMissing: {About: "Rules of the engine for this mapping are gone, though the mapping is in force.",
		ByHand: []string{"iptables -t nat -S DOCKER; iptables -S DOCKER", "docker port web"}},
	correlate.CauseForwardingDisabled: {About: "The kernel does not forward, at all or for one link, so that translated packets go nowhere.",
		ByHand: []string{"sysctl net.ipv4.ip_forward net.ipv4.conf.all.forwarding net.ipv4.conf.eth0.forwarding net.ipv4.conf.docker0.forwarding"}},
	correlate.CauseReversePathFilter: {About: "The kernel drops a packet since answers to its sender would leave by another link.",
		ByHand: []string{"sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.eth0.rp_filter", "nstat -az TcpExtIPReversePathFilter", "ip route get 203.0.113.100"}},
	correlate.CauseNoRoute: {About: "The host has no route to the container's address.",
		ByHand: []string{"ip route get 172.17.0.2"}},
	correlate.CauseReplyNoRoute: {About: "The request arrived, and there is no route by which the answer could get back.",
		ByHand: []string{"ip route get 203.0.113.100", insideWeb + "ip route"}},
	correlate.CauseReplyFiltered: {About: "The server answers, and a rule drops the answer on its way back.",
		ByHand: []string{"tcpdump -ni docker0 tcp src port 80", rulesOfHost}},
	correlate.CauseNeighbourUnresolved: {About: "The host cannot find the container's link-layer address, or remembers a wrong one.",
		ByHand: []string{"ip neigh show dev docker0", "tcpdump -eni docker0 arp", "bridge link"}},
	correlate.CauseStaleTranslation: {About: "A rule or an entry of connection tracking still translates for a container that is gone, or not at all for one that has come.",
		ByHand: []string{"iptables -t nat -S DOCKER", "conntrack -L --orig-port-dst 8080", "docker ps"}},
	correlate.CauseContainerFirewall: {About: "A rule inside the container's own namespace drops or rejects the request.",
		ByHand: []string{insideWeb + "iptables-save -c", insideWeb + "nft list ruleset"}},
	correlate.CauseBacklogFull: {About: "The server does not accept, and its queue of connections is full.",
		ByHand: []string{insideWeb + "ss -lnt  # Recv-Q beyond Send-Q", insideWeb + "nstat -az TcpExtListenOverflows"}},
	correlate.CauseServerSilent: {About: "The container's kernel took the request, and the server does not answer within the window.",
		ByHand: []string{insideWeb + "ss -tn  # bytes in Recv-Q: it does not read", "docker top web; docker logs --tail 20 web"}},
	correlate.CauseServerReset: {About: "The server, or its kernel for it, ends the connection before any byte of answer.",
		ByHand: []string{"docker logs --tail 20 web", insideWeb + "tcpdump -ni eth0 'tcp[13] & 5 != 0'"}},
	correlate.CauseProxyBackendFailed: {About: "docker-proxy accepted for the container, and cannot reach it.",
		ByHand: []string{"pgrep -a docker-proxy", "tcpdump -ni docker0 tcp port 80", "iptables -S OUTPUT"}},
	correlate.CauseProxyExhausted: {About: "docker-proxy accepts, and makes no connection of its own: it has no file descriptor or no local port left, or it hangs.",
		ByHand: []string{"pgrep -a docker-proxy", "ls /proc/PID/fd | wc -l; grep 'open files' /proc/PID/limits", "ss -s; sysctl net.ipv4.ip_local_port_range"}},
	correlate.CauseMTU: {About: "Packets of full size do not get through, and small ones do.",
		ByHand: []string{"ip link show eth0; ip link show docker0", "tcpdump -ni any 'icmp[0] = 3 and icmp[1] = 4'", "ping -M do -s 1472 198.51.100.1  # from the client"}},
	correlate.CauseZeroWindow: {About: "One side has stopped reading, so that the other may send no more.",
		ByHand: []string{"ss -tni", "tcpdump -ni any 'tcp[14:2] = 0 and tcp[13] & 4 = 0'"}},
	correlate.CauseReplyMisrouted: {About: "The answer leaves by a way on which it does not reach the client.",
		ByHand: []string{"ip route get 203.0.113.100; ip rule", insideWeb + "ip route get 198.51.100.100"}},
	correlate.CauseUntranslatedSource: {About: "An answer comes from the container's own address, or a request from one the container cannot answer, since no rule hides it.",
		ByHand: []string{sniffBoth, "iptables -t nat -S POSTROUTING", "conntrack -L -p tcp"}},
	correlate.CauseLoopbackNotRouted: {About: "A packet of the host's loopback address was translated to a container, and the kernel does not route those.",
		ByHand: []string{"sysctl net.ipv4.conf.docker0.route_localnet"}},
	correlate.CauseDuplicateAddress: {About: "Two containers answer for one address.",
		ByHand: []string{"arping -I docker0 -c 3 172.17.0.2", "docker network inspect -f '{{json .Containers}}' bridge"}},
	correlate.CauseConntrackFull: {About: "The table of connection tracking is full, and the kernel drops what would need a new entry.",
		ByHand: []string{"sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max", "conntrack -S"}},
	correlate.CauseConntrackInvalid: {About: "Connection tracking does not know a segment for part of its connection, so that it is not translated.",
		ByHand: []string{"conntrack -S  # invalid", "sysctl net.netfilter.nf_conntrack_tcp_be_liberal", sniffBoth}},
	correlate.CauseOtherTranslation: {About: "A rule that is not the engine's translates the port to another place.",
		ByHand: []string{"iptables -t nat -S PREROUTING", trackOfPort}},
	correlate.CauseRoutedElsewhere: {About: "The request was translated, and the host's routes do not lead to its container's bridge: a more specific or marked route, or the bridge's own address gone.",
		ByHand: []string{"ip route get 172.17.0.2 from 198.51.100.100 iif eth0", "ip rule; ip route show table all", "ip addr show docker0"}},
	correlate.CauseUntracked: {About: "A rule exempts the request from connection tracking on its way in, and what is not tracked is not translated.",
		ByHand: []string{"iptables -t raw -S PREROUTING", "nft list ruleset | grep -n notrack", trackOfPort}},
	correlate.CauseTTLExpired: {About: "The request's time to live ran out on its way: it was sent with too small a one, or goes round in circles.",
		ByHand: []string{"tcpdump -nvi eth0 'icmp[0] = 11 or tcp dst port 8080'  # ttl of the request", "traceroute -n -T -p 8080 198.51.100.1  # from the client"}},
	correlate.CauseFragmentsMissing: {About: "The request came in fragments, of which some never came.",
		ByHand: []string{"nstat -az IpReasmFails IpReasmTimeout", "tcpdump -nvi eth0 'ip[6:2] & 0x3fff != 0'"}},
	correlate.CauseContainerAddress: {About: "No interface in the container has the address that the request is translated to.",
		ByHand: []string{insideWeb + "ip addr", "docker inspect -f '{{json .NetworkSettings.Networks}}' web"}},
	correlate.CauseNetworkWithoutMapping: {About: "The container is on networks of a driver that joins it to the host's own link, and the engine maps no port onto those.",
		ByHand: []string{"docker network inspect -f '{{.Name}} {{.Driver}}' $(docker network ls -q)", "docker port web"}},
	correlate.CauseWrongMAC: {About: "Frames for the host's address carry the link-layer address of somebody else, and the kernel passes over them.",
		ByHand: []string{"tcpdump -eni eth0 tcp port 8080", "ip link show eth0", "arping -c 3 198.51.100.1  # from the client's network"}},
	correlate.CauseBridgePortBlocked: {About: "A port of the bridge does not forward, since its spanning tree is listening, learning or blocking.",
		ByHand: []string{"bridge -d link show", "ip -d link show docker0"}},
	correlate.CauseQueueDrop: {About: "A queueing discipline of an interface threw the packet away: its limit was reached, or it is made to.",
		ByHand: []string{"tc -s qdisc show", "dropwatch -l kas"}},
	correlate.CauseAddressUnanswered: {About: "No request came, since nobody answers who asks for the link-layer address of the address that it goes to.",
		ByHand: []string{"tcpdump -eni eth0 'arp or icmp6[0] = 135 or icmp6[0] = 136'", "sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.eth0.arp_ignore", "ip -6 neigh show proxy"}},
	correlate.CauseUpstream: {About: "No request came to the host, where all is well: it ended before, or went elsewhere.",
		ByHand: []string{"tcpdump -ni eth0 tcp port 8080", "traceroute -T -p 8080 198.51.100.1  # from the client"}},
	correlate.CauseUnknown: {About: "The packets show what became of the request, and not why; the verdict names what was not watched.",
		ByHand: []string{sniffBoth, rulesOfHost, "dropwatch -l kas"}},
}
