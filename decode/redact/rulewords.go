package redact

import "strings"

// iptablesOptions are what the options of iptables-save are called behind their
// dashes (iptables(8), iptables-extensions(8), ebtables(8)).
var iptablesOptions = strings.Fields(`
	accept-local add-set ahlen ahres ahspi algo among-dst among-src and-mark and-tos append bytecode bytes-eq bytes-gt bytes-lt cgroup checksum-fill chunk-types clamp-mss-to-pmtu
	cluster-hash-seed cluster-local-node cluster-local-nodemask cluster-total-nodes clustermac comment compres connbytes connbytes-dir connbytes-mode connlimit-above connlimit-daddr
	connlimit-mask connlimit-saddr connlimit-upto contiguous cpu ctdir ctevents ctexpire ctmask ctorigdst ctorigdstport ctorigsrc ctorigsrcport ctproto ctrepldst ctrepldstport ctreplsrc
	ctreplsrcport ctstate ctstatus datestart datestop dccp-option dccp-types del-set destination destination-mac destination-port destination-ports dir dport dports dscp dscp-class dst dst-group
	dst-len dst-opts dst-pfx dst-range dst-type ecn-ip-ect ecn-tcp-cwr ecn-tcp-ece ecn-tcp-remove espspi every exist expevents fragfirst fragid fraglast fraglen fragment fragmore fragres from
	gateway genre gid-owner goto h-length hash-init hashlimit hashlimit-above hashlimit-burst hashlimit-dstmask hashlimit-htable-expire hashlimit-htable-gcinterval hashlimit-htable-max
	hashlimit-htable-size hashlimit-mode hashlimit-name hashlimit-rate-interval hashlimit-rate-match hashlimit-srcmask hashlimit-upto hashmode hbh-len hbh-opts header helper hex-string hitcount
	hl-dec hl-eq hl-gt hl-inc hl-lt hl-set hmark-dport hmark-dport-mask hmark-dst-prefix hmark-mod hmark-offset hmark-proto-mask hmark-rnd hmark-spi hmark-spi-mask hmark-sport hmark-sport-mask
	hmark-src-prefix hmark-tuple icase icmp-type icmpv6-type in-interface invert ip-dst ip-src ipcompspi ipv4 ipv6 ipvs jump kerneltz label led-always-blink led-delay led-trigger-id
	left-shift-mark length limit limit-burst limit-iface-in limit-iface-out local-node localtz log log-ip-options log-level log-macdecode log-prefix log-tcp-options log-tcp-sequence log-uid loose
	mac-source mangle-mac-d mangle-mac-s map-mark map-prio map-queue map-set mark mask match match-set mh-type mode monthdays mss name new next nfacct-name nflog-group nflog-prefix nflog-range
	nflog-size nflog-threshold nfmask notrack nowildcard object-pinned oif on-ip on-port or-mark or-tos out-interface packet packets-eq packets-gt packets-lt path persistent physdev-in
	physdev-is-bridged physdev-is-in physdev-is-out physdev-out pid-owner pkt-type pol ports probability proto protocol queue-balance queue-bypass queue-cpu-fanout queue-num quota random
	random-fully rateest rateest-bps rateest-bps1 rateest-bps2 rateest-delta rateest-eq rateest-ewma rateest-ewmalog rateest-gt rateest-interval rateest-lt rateest-name rateest-pps rateest-pps1
	rateest-pps2 rateest1 rateest2 rcheck rdest realm reap reject-with remove reqid restore restore-mark restore-skmark return-nomatch right-shift-mark rsource rt-0-addrs rt-0-not-strict
	rt-0-res rt-len rt-segsleft rt-type rttl sack-perm save save-mark seconds selctx set set-class set-counters set-dscp set-dscp-class set-mark set-mss set-tos set-xmark sid-owner skbinfo
	socket-exists soft source source-port source-ports spi sport sports src src-group src-pfx src-range src-type srh-hdr-len-eq srh-last-entry-eq srh-lsid srh-next-hdr srh-nsid srh-psid
	srh-segs-left-eq srh-tag state strict string strip-options suppl-groups syn table tcp-flags tcp-option timeout timestamp timestamps timestart timestop to to-destination to-dst to-port to-ports
	to-source to-src tos total-nodes tproxy-mark trace transparent ttl ttl-dec ttl-eq ttl-gt ttl-inc ttl-lt ttl-set tunnel-dst tunnel-src type u32 uid-owner ulog-cprange ulog-nlgroup ulog-prefix
	ulog-qthreshold update update-counters update-subcounters vaddr validmark vdir vmethod vport vportctl vproto weekdays wscale xor-mark xor-tos zone zone-orig zone-reply
`)

// ruleWords are the words of what nft, iptables-save and ipset print: keywords, and
// names of values (nft(8), iptables-extensions(8), ipset(8)).
var ruleWords = set(`
	table chain rule set map meter element elements type typeof hook priority policy device devices flags comment handle progname ip ip6 inet arp bridge netdev filter nat route
	prerouting input forward output postrouting ingress egress raw mangle dstnat srcnat security out accept drop queue continue return jump goto constant interval timeout dynamic merge auto-merge
	gc-interval size performance memory counter quota limit synproxy secmark flowtable helper expectation l3proto protocol packets bytes used over until rate burst last never dormant owner persist offload
	meta mark length protocol nfproto l4proto iif iifname iiftype iifkind iifgroup oif oifname oiftype oifkind oifgroup skuid skgid nftrace rtclassid ibriport obriport ibrname obrname ibrpvid ibrvproto
	ibrhwaddr pkttype cpu cgroup random ipsec time day hour sdif sdifname broute secpath
	ether saddr daddr vlan id dei cfi pcp htype ptype hlen plen operation version hdrlength dscp ecn frag-off ttl checksum flowlabel nexthdr hoplimit lsrr rr ssrr ra ptr addr value
	tcp udp udplite sctp dccp esp ah comp ipcomp icmp icmpv6 igmp gre th sport dport sequence ackseq doff reserved window urgptr vtag spi cpi reserved reserved2 code mtu gateway parameter-problem packet-too-big
	max-delay taddr mrt group hdrlength exthdr hbh dst frag more-fragments reserved rt rt0 rt2 rt4 srh mh seg-left sid tag last-entry option chunk exists missing boolean hdrlength type
	eol noop nop maxseg mss window wscale sack-perm sack-permitted sack sack0 sack1 sack2 sack3 timestamp left right count tsval tsecr kind fastopen md5sig mptcp subtype
	data init init-ack heartbeat heartbeat-ack abort shutdown shutdown-ack error cookie-echo cookie-ack ecne cwr shutdown-complete asconf asconf-ack forward-tsn i-data i-forward-tsn
	tsn stream ssn ppid init-tag a-rwnd num-outbound-streams num-inbound-streams initial-tsn cum-tsn-ack num-gap-ack-blocks num-dup-tsns new-cum-tsn seqno lowest-tsn
	ct state direction status expiration helper label zone event secmark count avgpkt proto-src proto-dst original reply invalid established related new untracked
	expected seen-reply assured confirmed snat dnat dying destroy protoinfo natseq
	fib rpf local unicast broadcast multicast anycast blackhole unreachable prohibit throw unspec other host unknown present check
	socket transparent wildcard cgroupv2 level osf name loose skip numgen inc mod offset jhash symhash seed hash map dup fwd to tproxy redirect masquerade persistent fully-random random
	reject with icmpx reset port-unreachable admin-prohibited no-route host-unreachable net-unreachable prot-unreachable net-prohibited host-prohibited addr-unreachable policy-fail reject-route
	tcp-reset log prefix snaplen queue-threshold group emerg alert crit err error warn warning notice info debug audit skuid all num bypass fanout notrack add update delete flow vmap and or xor not eq ne lt gt le ge
	lshift rshift classid nexthop tcpmss reqid spnum in
	fin syn rst psh ack urg ece cwr FIN SYN RST PSH ACK URG ECE CWR ALL NONE
	echo-reply echo-request destination-unreachable source-quench redirect router-advertisement router-solicitation time-exceeded timestamp-request timestamp-reply info-request info-reply
	address-mask-request address-mask-reply mld-listener-query mld-listener-report mld-listener-done mld-listener-reduction nd-router-solicit nd-router-advert nd-neighbor-solicit nd-neighbor-advert
	nd-redirect router-renumbering ind-neighbor-solicit ind-neighbor-advert mld2-listener-report membership-query membership-report-v1 membership-report-v2 membership-report-v3 leave-group
	cs0 cs1 cs2 cs3 cs4 cs5 cs6 cs7 af11 af12 af13 af21 af22 af23 af31 af32 af33 af41 af42 af43 be ef lephb va not-ect ect0 ect1 ce
	request response dataack dataack closereq close sync syncack binding-refresh-request home-test-init careof-test-init home-test careof-test binding-update binding-acknowledgement
	binding-error fast-binding-update fast-binding-acknowledgement fast-binding-advertisement experimental-mobility-header home-agent-switch-message
	nak req inreq inreply rreq rreply arpop loopback ppp ipip ipip6 ip6ip6 ieee1394 irda none dummy sit ipgre netrom default
	sec min msec usec second minute hour day week seconds minutes hours days weeks kbytes mbytes gbytes bytes packets
	Monday Tuesday Wednesday Thursday Friday Saturday Sunday Mon Tue Wed Thu Fri Sat Sun
	ipv4_addr ipv6_addr ether_addr ether_type arp_op inet_proto inet_service icmp_type icmp_code icmpv6_code icmpx_code tcp_flag dccp_pkttype mh_type time mark iface_index iface_type realm classid uid gid
	ct_state ct_dir ct_status icmpv6_type ct_label pkt_type devgroup dscp ecn fib_addrtype boolean ct_event ifname igmp_type date hour day cgroupsv2 verdict nf_proto integer string lladdr invalid
	ospf ospfigp pim vrrp l2tp ipencap ipv6 ipv6-icmp ipv6-route ipv6-frag ipv6-nonxt ipv6-opts hopopt egp pup idp rdp rspf isis eigrp etherip encap rsvp st ggp ddp vmtp xns-idp xtp iso-tp4 mobility-header hip shim6 wesp rohc
	8021q 8021ad
	ACCEPT DROP QUEUE RETURN INPUT FORWARD OUTPUT PREROUTING POSTROUTING COMMIT NEW ESTABLISHED RELATED INVALID UNTRACKED SNAT DNAT EXPECTED SEEN_REPLY ASSURED CONFIRMED ORIGINAL REPLY
	LOCAL UNICAST BROADCAST ANYCAST MULTICAST BLACKHOLE UNREACHABLE PROHIBIT THROW NAT XRESOLVE UNSPEC
	icmp-net-unreachable icmp-host-unreachable icmp-proto-unreachable icmp-port-unreachable icmp-net-prohibited icmp-host-prohibited icmp-admin-prohibited
	icmp6-no-route icmp6-adm-prohibited icmp6-addr-unreachable icmp6-port-unreachable icmp6-policy-fail icmp6-reject-route any network-unreachable protocol-unreachable fragmentation-needed
	source-route-failed network-unknown host-unknown network-prohibited TOS-network-unreachable TOS-host-unreachable communication-prohibited host-precedence-violation precedence-cutoff
	network-redirect host-redirect TOS-network-redirect TOS-host-redirect ttl-exceeded ttl-zero-during-transit ttl-zero-during-reassembly ip-header-bad required-option-missing
	address-unreachable port-unreachable bad-header unknown-header-type unknown-option neighbour-solicitation neighbour-advertisement neighbor-solicitation neighbor-advertisement
	src dst src,dst dstip srcip srcport dstport packet both bm kmp reply nth exit pass vlan broadcast otherhost outgoing
	REQUEST RESPONSE DATA DATAACK CLOSEREQ CLOSE RESET SYNC SYNCACK INVALID INIT INIT_ACK SACK HEARTBEAT SHUTDOWN ERROR COOKIE_ECHO COOKIE_ACK ECN_ECNE ECN_CWR SHUTDOWN_COMPLETE ASCONF ASCONF_ACK FORWARD_TSN ABORT any only
	CS0 CS1 CS2 CS3 CS4 CS5 CS6 CS7 AF11 AF12 AF13 AF21 AF22 AF23 AF31 AF32 AF33 AF41 AF42 AF43 BE EF
	GET PASSIVE tunnel transport required use level hop-by-hop dst route frag auth esp none prot sourceip sourceip-sourceport sourceip-sourceport-destport
	create family hashsize maxelem netmask bitmask bucketsize initval counters skbinfo forceadd nomatch wildcard range Name Type Revision Header Members References entries memory
	bitmap hash list net port mac iface physdev packets bytes skbmark skbprio skbqueue Number of Size
	match target xt udp: tcp: year month SELinux
`)
