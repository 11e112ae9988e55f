package redact

import (
	"bytes"

	"dnatrace/decode"
)

// numericMatches are the matches of xtables whose data are numbers alone, with how
// many bytes of them there are (linux/netfilter/xt_*.h). What is behind is the
// kernel's own.
var numericMatches = map[string]int{
	"tcp": 12, "udp": 9, "udplite": 9, "sctp": 116, "dccp": 14, "multiport": 48, "icmp": 4, "icmp6": 4, "igmp": 4,
	"mark": 9, "connmark": 9, "limit": 8, "addrtype": 12, "state": 4, "owner": 18, "statistic": 16,
	"length": 5, "ttl": 2, "hl": 2, "tos": 4, "dscp": 2, "pkttype": 8, "rpfilter": 1, "connbytes": 18,
	"connlimit": 24, "cpu": 8, "devgroup": 20, "quota": 16, "time": 22, "tcpmss": 5, "ecn": 4, "socket": 1,
	"realm": 9, "set": 48, "esp": 9, "ah": 14, "connlabel": 4, "eui64": 4, "frag": 14, "hbh": 42, "dst": 42, "ipv6header": 3, "mh": 3, "cgroup": 8,
}

var numericTargets = map[string]int{
	"": 4, "standard": 4, "MARK": 8, "CONNMARK": 15, "TCPMSS": 2, "CLASSIFY": 4, "DSCP": 1, "TOS": 2, "TTL": 2, "HL": 2,
	"CHECKSUM": 1, "NFQUEUE": 6, "REJECT": 4, "NOTRACK": 0, "TRACE": 0, "AUDIT": 1, "CONNSECMARK": 1, "SET": 20, "TCPOPTSTRIP": 32, "SYNPROXY": 4, "ECN": 4,
}

// otherExtensions are those with other things in them, most of which are cleared.
// The name of an extension that is not known is cleared with its data.
var otherExtensions = map[string]bool{
	"comment": true, "conntrack": true, "iprange": true, "physdev": true, "mac": true, "helper": true, "hashlimit": true, "recent": true,
	"string": true, "u32": true, "bpf": true, "policy": true, "rt": true, "osf": true, "nfacct": true, "rateest": true, "cluster": true, "ipvs": true,
	"l2tp": true, "ipcomp": true, "CT": true, "LOG": true, "NFLOG": true, "TPROXY": true, "TEE": true, "ERROR": true, "DNAT": true, "SNAT": true,
	"MASQUERADE": true, "REDIRECT": true, "NETMAP": true, "RATEEST": true, "IDLETIMER": true, "LED": true, "SECMARK": true, "HMARK": true, "DNPT": true,
	"SNPT": true, "CLUSTERIP": true, "ULOG": true,
}

func knownExtension(name string) bool {
	_, match := numericMatches[name]
	_, target := numericTargets[name]
	return match || target || otherExtensions[name]
}

// extensionName leaves the name of an extension that is known.
func extensionName(c context, v []byte) {
	name := cut(v)
	if !knownExtension(name) {
		c.gone("extensions of iptables that are not known here", v)
		return
	}
	inPlace(v, func(s string) string { return s })
}

const ofExtensions = "data of extensions of iptables"

// xtMatch rewrites the data of a match in place (linux/netfilter/xt_*.h).
func (r *Redactor) xtMatch(name string, f decode.Family, rev uint32, raw []byte) {
	n, numeric := numericMatches[name]
	switch {
	case numeric:
		clear(raw[min(n, len(raw)):])
	case name == "comment":
		inPlace(raw, r.names.comment)
	case name == "conntrack" && rev >= 1 && rev <= 3 && len(raw) >= 128:
		for at := 0; at < 128; at += 32 {
			r.xtMasked(f, raw[at:at+16], raw[at+16:at+32])
		}
	case name == "iprange" && len(raw) >= 64:
		for at := 0; at < 64; at += 16 {
			r.xtAddr(f, raw[at:at+16])
		}
	case name == "physdev" && len(raw) >= 66:
		r.xtIface(raw[0:16], raw[16:32])
		r.xtIface(raw[32:48], raw[48:64])
		clear(raw[66:])
	case name == "mac" && len(raw) >= 6:
		r.mac(raw[:6])
		clear(raw[min(12, len(raw)):])
	case name == "helper" && len(raw) >= 4 && knownWord(cut(raw[4:])):
		inPlace(raw[4:], func(s string) string { return s })
	default:
		r.gone(ofExtensions, raw)
	}
}

// xtTarget rewrites the data of a target in place.
func (r *Redactor) xtTarget(name string, f decode.Family, rev uint32, raw []byte) {
	n, numeric := numericTargets[name]
	switch {
	case numeric:
		clear(raw[min(n, len(raw)):])
	case isNAT[name]:
		for _, a := range natAddrs(f, rev, raw) {
			r.xtAddr(f, a)
		}
		r.natRest(f, rev, raw)
	case name == "CT" && len(raw) >= 12: // flags, zone and events; the names of a helper and of a policy, and the kernel's own, go
		r.gone(ofExtensions, raw[12:])
	case name == "LOG" && len(raw) >= 32:
		inPlace(raw[2:32], r.names.comment)
		clear(raw[32:])
	case name == "NFLOG" && len(raw) >= 76:
		inPlace(raw[12:76], r.names.comment)
		clear(raw[76:])
	case name == "TPROXY" && rev == 1 && len(raw) >= 24:
		r.xtAddr(f, raw[8:24])
	case name == "TEE" && len(raw) >= 32:
		r.xtAddr(f, raw[0:16])
		inPlace(raw[16:32], r.iface)
		clear(raw[32:])
	case name == "ERROR": // of a legacy chain: its name
		inPlace(raw, r.names.ruleName)
	default:
		r.gone(ofExtensions, raw)
	}
}

var isNAT = map[string]bool{"DNAT": true, "SNAT": true, "MASQUERADE": true, "REDIRECT": true, "NETMAP": true}

// natAddrs are the first and the last address of struct nf_nat_range, or of its
// older form for IPv4 alone.
func natAddrs(f decode.Family, rev uint32, raw []byte) [][]byte {
	switch {
	case rev == 0 && f != decode.FamilyIPv6 && len(raw) >= 16:
		return [][]byte{raw[8:12], raw[12:16]}
	case len(raw) >= 36:
		return [][]byte{raw[4:20], raw[20:36]}
	}
	return nil
}

// natRest clears what is behind the ports, and what is too short to be understood.
func (r *Redactor) natRest(f decode.Family, rev uint32, raw []byte) {
	switch {
	case rev == 0 && f != decode.FamilyIPv6 && len(raw) >= 16:
		r.gone(ofExtensions, raw[min(20, len(raw)):])
	case len(raw) >= 36:
		r.gone(ofExtensions, raw[min(42, len(raw)):]) // first, last and base port
	default:
		r.gone(ofExtensions, raw)
	}
}

// xtAddr rewrites a union nf_inet_addr, or an IPv4 address.
func (r *Redactor) xtAddr(f decode.Family, b []byte) {
	if f == decode.FamilyIPv6 && len(b) == 16 {
		r.ip6(b)
		return
	}
	r.ip4(b[:4])
	clear(b[4:])
}

// xtMasked rewrites an address behind its mask. One whose mask takes others than
// leading bits has no pseudonym.
func (r *Redactor) xtMasked(f decode.Family, addr, mask []byte) {
	if f != decode.FamilyIPv6 {
		clear(addr[4:])
		clear(mask[4:])
		addr, mask = addr[:4], mask[:4]
	}
	if !leading(mask) {
		r.unsure(addr)
		r.unsure(mask)
		return
	}
	r.xtAddr(f, addr)
	for i := range addr {
		addr[i] &= mask[i]
	}
}

// xtIface rewrites the name of an interface, of which a mask tells how much counts.
func (r *Redactor) xtIface(name, mask []byte) {
	inPlace(name, r.iface)
	for _, b := range mask {
		if b != 0 && b != 0xff {
			r.gone(ofExtensions, mask)
			return
		}
	}
}

// learnMatch pins the ranges in a match.
func (r *Redactor) learnMatch(name string, f decode.Family, _ uint32, raw []byte) {
	if name == "iprange" && len(raw) >= 64 {
		r.xtSpan(f, raw[0:16], raw[16:32])
		r.xtSpan(f, raw[32:48], raw[48:64])
	}
}

// learnTarget pins the ranges in a target.
func (r *Redactor) learnTarget(name string, f decode.Family, rev uint32, raw []byte) {
	if a := natAddrs(f, rev, raw); isNAT[name] && a != nil {
		r.xtSpan(f, a[0], a[1])
	}
}

func (r *Redactor) xtSpan(f decode.Family, from, to []byte) {
	switch {
	case bytes.Equal(from, to):
	case f == decode.FamilyIPv6 && len(from) == 16:
		r.v6.span(from, to)
	default:
		r.v4.span(from[:4], to[:4])
	}
}
