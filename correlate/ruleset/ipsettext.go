package ruleset

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// entryText writes an entry as ipset takes it, without what is beside it:
// timeout, counters, comment.
func (n *ipset) entryText(x *decode.IPSetEntry) string {
	if n.Type == "list:set" {
		return x.Set
	}
	var words []string
	addrs := 0
	for _, part := range n.parts {
		switch part {
		case "ip", "net":
			words = append(words, prefixText(addressAt(x, addrs)))
			addrs++
		case "port":
			words = append(words, n.portText(x))
		case "mark":
			words = append(words, fmt.Sprintf("0x%08x", x.Mark))
		case "mac":
			if n.Type != "bitmap:ip,mac" || x.HasMAC {
				words = append(words, macText(x.MAC))
			}
		case "iface":
			words = append(words, ifaceText(x))
		}
	}
	return strings.Join(words, ",")
}

func prefixText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

func macText(m [6]byte) string {
	return fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", m[0], m[1], m[2], m[3], m[4], m[5])
}

func ifaceText(x *decode.IPSetEntry) string {
	if x.Physdev {
		return "physdev:" + x.Iface
	}
	return x.Iface
}

// ipsetProtocols are protocols as ipset writes them; others are numbers.
var ipsetProtocols = []word{{1, "icmp"}, {6, "tcp"}, {17, "udp"}, {58, "icmpv6"}, {132, "sctp"}, {136, "udplite"}}

// portText writes protocol and port, for ICMP type and code.
func (n *ipset) portText(x *decode.IPSetEntry) string {
	port := strconv.Itoa(int(x.Port))
	if n.Type == "bitmap:port" {
		return port
	}
	if x.Proto == decode.ICMP || x.Proto == decode.ICMPv6 {
		port = fmt.Sprintf("%d/%d", x.Port>>8, x.Port&0xff)
	}
	return nameIn(ipsetProtocols, uint32(x.Proto)) + ":" + port
}

// lacked is the entry that a packet would be in a set with; "" if that cannot be
// told.
func (e *evaluation) lacked(n *ipset, r decode.IPSetRef) string {
	k, why, none := e.keyFor(n, r)
	if !n.takes(&k) {
		return ""
	}
	if why != "" || none || n.Type == "list:set" || k.unknown["mac"] != "" || n.Family != 0 && n.Family != e.family || r.Dim < len(n.parts) {
		return ""
	}
	x := decode.IPSetEntry{Proto: k.proto, Port: k.port, Mark: k.mark, Iface: k.iface}
	for i, a := range []*netip.Prefix{&x.Addr, &x.Addr2} {
		if k.addr[i].IsValid() {
			*a = netip.PrefixFrom(k.addr[i], k.addr[i].BitLen())
		}
	}
	return n.entryText(&x)
}

// takes reports whether a set can hold what is looked up: a bitmap within its range
// alone.
func (n *ipset) takes(k *key) bool {
	switch n.Type {
	case "bitmap:port":
		return n.FirstPort <= k.port && k.port <= n.LastPort
	case "bitmap:ip":
		return n.First.IsValid() && n.First.Compare(k.addr[0]) <= 0 && k.addr[0].Compare(n.Last) <= 0
	}
	return true
}

// setWords writes the options of the match set, or false if its set has no name.
func (w *iptablesWriter) setWords(i decode.XTSet) (string, bool) {
	name := w.sets.ipsetName(i.IPSetRef)
	if name == "" {
		return "", false
	}
	return join(bang(i.Not)+"--match-set", name, ends(i.IPSetRef), i.Options), true
}

// setTarget writes the options of the target SET.
func (w *iptablesWriter) setTarget(i decode.XTSetTarget) string {
	t := ""
	for _, c := range []struct {
		option string
		ref    decode.IPSetRef
	}{{"--add-set", i.Add}, {"--del-set", i.Del}, {"--map-set", i.Map}} {
		if c.ref.Dim == 0 {
			continue
		}
		name := w.sets.ipsetName(c.ref)
		if name == "" {
			return " " + undecodedText
		}
		t += " " + join(c.option, name, ends(c.ref))
	}
	return t + spaced(i.Options)
}

// ownerBySet is who made a rule by the ipset that it matches, "" if that does not
// tell.
func (s *Set) ownerBySet(r *decode.Rule) programs.Owner {
	for _, x := range r.Exprs {
		if m, ok := x.(*decode.XTMatch); ok {
			if i, ok := m.Info.(decode.XTSet); ok {
				if o := programs.OfSet(s.ipsetName(i.IPSetRef)); o != "" {
					return o
				}
			}
		}
	}
	return ""
}
