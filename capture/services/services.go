// Package services knows ports by the names that tools print for them without -n. It
// must not import anything of ours.
package services

import "strconv"

// Port is a port by its number or by the name of its service. Proto is "tcp" or "udp".
// False for a name that is not known.
func Port(name, proto string) (uint16, bool) {
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		return uint16(n), true
	}
	n, ok := byName[name]
	if !ok {
		n, ok = byName[name+"/"+proto]
	}
	return n, ok
}

// byName are ports by the names that /etc/services of the distributions has
// for them (IANA's registry). One that has a name for one protocol only, or
// another port for each, is here with its protocol.
var byName = map[string]uint16{
	"tcpmux/tcp": 1, "echo": 7, "discard": 9, "systat/tcp": 11, "daytime": 13, "netstat/tcp": 15, "qotd/tcp": 17, "chargen": 19,
	"ftp-data/tcp": 20, "fsp/udp": 21, "ftp": 21, "ssh": 22, "telnet/tcp": 23, "smtp/tcp": 25, "time": 37, "whois/tcp": 43,
	"tacacs": 49, "domain": 53, "bootps": 67, "bootpc": 68, "tftp/udp": 69, "gopher/tcp": 70, "finger/tcp": 79, "http": 80,
	"kerberos": 88, "iso-tsap/tcp": 102, "acr-nema/tcp": 104, "poppassd/tcp": 106, "pop3": 110, "sunrpc": 111, "auth/tcp": 113,
	"ident/tcp": 113, "nntp/tcp": 119, "ntp": 123, "epmap": 135, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139,
	"imap": 143, "imap2": 143, "snmp": 161, "snmp-trap": 162, "snmptrap": 162, "cmip-man": 163, "cmip-agent": 164, "mailq/tcp": 174,
	"xdmcp": 177, "bgp": 179, "irc": 194, "smux/tcp": 199, "qmtp/tcp": 209, "z3950/tcp": 210, "ipx/udp": 213, "ptp-event/udp": 319,
	"ptp-general/udp": 320, "pawserv/tcp": 345, "zserv/tcp": 346, "rpc2portmap": 369, "codaauth2": 370, "clearcase/udp": 371,
	"ldap": 389, "svrloc": 427, "https": 443, "snpp": 444, "microsoft-ds": 445, "kpasswd": 464, "submissions/tcp": 465,
	"urd/tcp": 465, "saft/tcp": 487, "isakmp": 500, "biff/udp": 512, "exec/tcp": 512, "login/tcp": 513, "who/udp": 513,
	"shell/tcp": 514, "syslog/udp": 514, "printer/tcp": 515, "talk/udp": 517, "ntalk/udp": 518, "route/udp": 520, "gdomap": 538,
	"uucp/tcp": 540, "klogin/tcp": 543, "kshell/tcp": 544, "dhcpv6-client/udp": 546, "dhcpv6-server/udp": 547,
	"afpovertcp/tcp": 548, "rtsp": 554, "nntps/tcp": 563, "submission/tcp": 587, "nqs/tcp": 607, "asf-rmcp/udp": 623,
	"qmqp/tcp": 628, "ipp": 631, "ldaps": 636, "ldp": 646, "tinc": 655, "silc/tcp": 706, "kerberos-adm": 749, "kerberos4": 750,
	"kerberos-master": 751, "passwd-server/udp": 752, "krb-prop/tcp": 754, "moira-db/tcp": 775, "moira-update/tcp": 777,
	"moira-ureg/udp": 779, "spamd/tcp": 783, "domain-s": 853, "supfilesrv/tcp": 871, "rsync": 873, "ftps-data": 989, "ftps": 990,
	"telnets": 992, "imaps": 993, "ircs": 994, "pop3s": 995, "socks": 1080, "proofd/tcp": 1093, "rootd/tcp": 1094,
	"rmiregistry/tcp": 1099, "supfiledbg/tcp": 1127, "skkserv/tcp": 1178, "openvpn": 1194, "predict/udp": 1210, "rmtcfg/tcp": 1236,
	"xtel/tcp": 1313, "xtelw/tcp": 1314, "lotusnote/tcp": 1352, "ms-sql-s": 1433, "ms-sql-m": 1434, "ingreslock/tcp": 1524,
	"datametrics": 1645, "sa-msg-port": 1646, "kermit/tcp": 1649, "groupwise/tcp": 1677, "l2f": 1701, "radius": 1812,
	"radius-acct": 1813, "cisco-sccp/tcp": 2000, "nfs": 2049, "gnunet": 2086, "rtcm-sc104": 2101, "zephyr-srv/udp": 2102,
	"zephyr-clt/udp": 2103, "zephyr-hm/udp": 2104, "gsigatekeeper/tcp": 2119, "iprop/tcp": 2121, "gris/tcp": 2135,
	"docker/tcp": 2375, "docker-s/tcp": 2376, "etcd-client/tcp": 2379, "etcd-server/tcp": 2380, "cvspserver/tcp": 2401,
	"venus": 2430, "venus-se": 2431, "codasrv": 2432, "codasrv-se": 2433, "mon": 2583, "zebrasrv/tcp": 2600, "zebra/tcp": 2601,
	"ripd/tcp": 2602, "ripngd/tcp": 2603, "ospfd/tcp": 2604, "bgpd/tcp": 2605, "ospf6d/tcp": 2606, "ospfapi/tcp": 2607,
	"isisd/tcp": 2608, "dict/tcp": 2628, "f5-globalsite/tcp": 2792, "gsiftp/tcp": 2811, "gpsd/tcp": 2947, "gds-db/tcp": 3050,
	"icpv2/udp": 3130, "isns": 3205, "iscsi-target/tcp": 3260, "mysql": 3306, "ms-wbt-server": 3389, "nut": 3493,
	"distcc/tcp": 3632, "daap/tcp": 3689, "svn": 3690, "suucp/tcp": 4031, "sysrqd/tcp": 4094, "sieve/tcp": 4190,
	"f5-iquery/tcp": 4353, "epmd": 4369, "remctl/tcp": 4373, "ntske/tcp": 4460, "ipsec-nat-t/udp": 4500, "fax/tcp": 4557,
	"hylafax/tcp": 4559, "iax/udp": 4569, "mtn/tcp": 4691, "radmin-port/tcp": 4899, "munin/tcp": 4949, "commplex-main": 5000,
	"rfe": 5002, "mmcc": 5050, "sip": 5060, "sip-tls": 5061, "xmpp-client/tcp": 5222, "xmpp-server/tcp": 5269, "cfengine/tcp": 5308,
	"mdns": 5353, "hostmon": 5355, "llmnr": 5355, "postgresql": 5432, "rplay/udp": 5555, "freeciv/tcp": 5556, "nrpe/tcp": 5666,
	"nsca/tcp": 5667, "amqps/tcp": 5671, "amqp": 5672, "canna/tcp": 5680, "rfb": 5900, "x11": 6000, "x11-1/tcp": 6001,
	"x11-2/tcp": 6002, "x11-3/tcp": 6003, "x11-4/tcp": 6004, "x11-5/tcp": 6005, "x11-6/tcp": 6006, "x11-7/tcp": 6007,
	"gnutella-svc": 6346, "gnutella-rtr": 6347, "redis/tcp": 6379, "sge-qmaster/tcp": 6444, "sge-execd/tcp": 6445,
	"mysql-proxy/tcp": 6446, "syslog-tls/tcp": 6514, "sane-port/tcp": 6566, "ircd/tcp": 6667, "babel/udp": 6696, "ircs-u/tcp": 6697,
	"afs3-fileserver": 7000, "bbs/tcp": 7000, "afs3-callback/udp": 7001, "afs3-prserver/udp": 7002, "afs3-vlserver/udp": 7003,
	"afs3-kaserver/udp": 7004, "afs3-volser/udp": 7005, "afs3-bos/udp": 7007, "afs3-update/udp": 7008, "afs3-rmtsys/udp": 7009,
	"font-service/tcp": 7100, "zope-ftp/tcp": 8021, "http-alt": 8080, "webcache": 8080, "tproxy/tcp": 8081, "omniorb/tcp": 8088,
	"puppet/tcp": 8140, "https-alt": 8443, "clc-build-daemon/tcp": 8990, "xinetd/tcp": 9098, "bacula-dir": 9101, "bacula-fd": 9102,
	"bacula-sd": 9103, "git": 9418, "xmms2/tcp": 9667, "zope/tcp": 9673, "webmin/tcp": 10000, "zabbix-agent": 10050,
	"zabbix-trapper": 10051, "amanda": 10080, "kamanda/tcp": 10081, "amandaidx/tcp": 10082, "amidxtape/tcp": 10083,
	"nbd/tcp": 10809, "dicom/tcp": 11112, "memcache": 11211, "hkp/tcp": 11371, "sgi-cmsd/udp": 17001, "sgi-crsd/udp": 17002,
	"sgi-gcd/udp": 17003, "sgi-cad/tcp": 17004, "db-lsp/tcp": 17500, "dcap/tcp": 22125, "gsidcap/tcp": 22128, "wnn6/tcp": 22273,
	"binkp/tcp": 24554, "asp": 27374, "csync2/tcp": 30865, "dircproxy/tcp": 57000, "tfido/tcp": 60177, "fido/tcp": 60179,
}
