package redact

import (
	"bytes"

	"dnatrace/decode"
)

// numeric are extensions of xtables whose data are numbers alone.
var numericMatches = map[string]bool{
	"tcp": true, "udp": true, "udplite": true, "sctp": true, "dccp": true, "multiport": true, "icmp": true, "icmp6": true,
	"mark": true, "connmark": true, "limit": true, "addrtype": true, "state": true, "owner": true, "statistic": true,
	"length": true, "ttl": true, "hl": true, "tos": true, "dscp": true, "pkttype": true, "rpfilter": true, "connbytes": true,
	"connlimit": true, "cpu": true, "devgroup": true, "quota": true, "time": true, "tcpmss": true, "ecn": true, "socket": true,
	"realm": true, "set": true, "esp": true, "ah": true, "helper": true, "connlabel": true, "eui64": true, "frag": true, "hbh": true, "rt": false,
}

var numericTargets = map[string]bool{
	"": true, "standard": true, "MARK": true, "CONNMARK": true, "TCPMSS": true, "CLASSIFY": true, "DSCP": true, "TOS": true, "TTL": true, "HL": true,
	"CHECKSUM": true, "NFQUEUE": true, "REJECT": true, "NOTRACK": true, "CT": true, "TRACE": true, "AUDIT": true,
	"CONNSECMARK": true, "SET": true, "TCPOPTSTRIP": true, "RATEEST": false,
}

// xtMatch rewrites the data of a match in place (linux/netfilter/xt_*.h).
func (r *Redactor) xtMatch(name string, f decode.Family, rev uint32, raw []byte) {
	switch {
	case numericMatches[name]:
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
	case name == "physdev" && len(raw) >= 64:
		inPlace(raw[0:16], r.iface)
		inPlace(raw[32:48], r.iface)
	case name == "mac" && len(raw) >= 6:
		r.mac(raw[:6])
	default:
		clear(raw)
	}
}

// xtTarget rewrites the data of a target in place.
func (r *Redactor) xtTarget(name string, f decode.Family, rev uint32, raw []byte) {
	switch {
	case numericTargets[name]:
	case isNAT[name]:
		for _, a := range natAddrs(f, rev, raw) {
			r.xtAddr(f, a)
		}
	case name == "LOG" && len(raw) >= 32:
		inPlace(raw[2:32], r.names.comment)
	case name == "NFLOG" && len(raw) >= 76:
		inPlace(raw[12:76], r.names.comment)
	case name == "TPROXY" && rev == 1 && len(raw) >= 24:
		r.xtAddr(f, raw[8:24])
	case name == "TEE" && len(raw) >= 32:
		r.xtAddr(f, raw[0:16])
		inPlace(raw[16:32], r.iface)
	case name == "ERROR": // of a legacy chain: its name
		inPlace(raw, r.names.ruleName)
	default:
		clear(raw)
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

// xtAddr rewrites a union nf_inet_addr, or an IPv4 address.
func (r *Redactor) xtAddr(f decode.Family, b []byte) {
	if f == decode.FamilyIPv6 && len(b) == 16 {
		r.ip6(b)
		return
	}
	r.ip4(b[:4])
	clear(b[4:])
}

func (r *Redactor) xtMasked(f decode.Family, addr, mask []byte) {
	if f != decode.FamilyIPv6 {
		addr, mask = addr[:4], mask[:4]
	}
	r.xtAddr(f, addr)
	for i := range addr {
		addr[i] &= mask[i]
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
