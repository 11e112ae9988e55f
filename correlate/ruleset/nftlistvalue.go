package ruleset

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// span of values that nft wrote: one, a prefix, or a range, both ends included.
type listSpan struct {
	from, to []byte
	mask     []byte // of a prefix; nil for none
}

func (s listSpan) single() bool { return bytes.Equal(s.from, s.to) }

// listValue reads a value, a prefix or a range of kind k and n bytes.
func listValue(k kind, n int, t listToken) (s listSpan, ok bool) {
	if first, last, ranged := strings.Cut(t.text, "-"); ranged && t.kind == listWord && rangeable(k) {
		from, ok := oneValue(k, n, first)
		to, ok2 := oneValue(k, n, last)
		if ok && ok2 {
			return listSpan{from: from, to: to}, true
		}
	}
	if (k == kindIPv4 || k == kindIPv6) && strings.Contains(t.text, "/") {
		return prefixSpan(k, t.text)
	}
	if k == kindIfname && strings.HasSuffix(t.text, "*") && !strings.HasSuffix(t.text, `\*`) {
		b := []byte(strings.TrimSuffix(t.text, "*"))
		return listSpan{from: b, to: b}, len(b) > 0 && len(b) < 16
	}
	b, ok := oneValue(k, n, t.text)
	return listSpan{from: b, to: b}, ok
}

func rangeable(k kind) bool {
	switch k {
	case kindNumber, kindHost, kindMark, kindIPv4, kindIPv6, kindProto, kindMAC:
		return true
	}
	return false
}

func prefixSpan(k kind, text string) (s listSpan, ok bool) {
	addr, mask, ok := addrMask(text, k == kindIPv6)
	if !ok {
		return s, false
	}
	to := make([]byte, len(addr))
	for i := range addr {
		to[i] = addr[i] | ^mask[i]
	}
	return listSpan{from: addr, to: to, mask: mask}, true
}

// kindWords are the names of values.
var kindWords = map[kind][]word{
	kindIftype:      linkTypes,
	kindIfgroup:     linkGroups,
	kindProto:       append([]word{{58, "icmpv6"}}, protocols...),
	kindNFProto:     nfprotos,
	kindEtherType:   etherTypes,
	kindCtDirection: directions,
	kindAddrType:    addrTypes,
	kindICMP:        icmpTypes,
	kindICMPv6:      icmp6Types,
	kindPktType:     append([]word{{0, "unicast"}}, pktTypes...),
	kindBool:        presences,
	kindARPOp:       arpOps,
	kindCtState:     ctStates,
	kindCtStatus:    ctStatuses,
	kindTCPFlags:    tcpFlags,
}

// oneValue reads a single value as it is in a register.
func oneValue(k kind, n int, s string) ([]byte, bool) {
	switch k {
	case kindIPv4, kindIPv6:
		a, err := netip.ParseAddr(s)
		return a.AsSlice(), err == nil && a.Is6() == (k == kindIPv6) && a.Zone() == ""
	case kindIfname:
		return name16(s), s != "" && len(s) < 16
	case kindIfindex: // a number is that of an interface that is gone
		return name16(s), s != "" && len(s) < 16 && !isNumber(s)
	case kindMAC:
		return macBytes(s)
	case kindCtState, kindCtStatus, kindTCPFlags:
		v, ok := numbers(kindWords[k], strings.NewReplacer("|", ",", "(", "", ")", "").Replace(s))
		return sized(k, n, v), ok
	}
	v, ok := number(kindWords[k], s)
	return sized(k, n, v), ok && n <= 4 && (n == 4 || v>>(8*n) == 0)
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 0, 32)
	return err == nil
}

func macBytes(s string) ([]byte, bool) {
	var out []byte
	for _, p := range strings.Split(s, ":") {
		n, err := strconv.ParseUint(p, 16, 8)
		if err != nil {
			return nil, false
		}
		out = append(out, byte(n))
	}
	return out, len(out) == 6
}

// sized writes a number in n bytes, in the byte order of its kind. Text comes
// from machines whose order is not said: the common one is taken, consistently.
func sized(k kind, n int, v uint32) []byte {
	if n < 1 || n > 4 {
		return nil
	}
	if hostOrder(k) {
		return binary.LittleEndian.AppendUint32(nil, v)[:n]
	}
	return binary.BigEndian.AppendUint32(nil, v)[4-n:]
}

func hostOrder(k kind) bool {
	switch k {
	case kindHost, kindIftype, kindIfgroup, kindMark, kindCtState, kindCtStatus, kindAddrType:
		return true
	}
	return false
}

// Types of sets' keys and values, as nft names them.
var listTypes = map[string]struct {
	kind   kind
	len    int
	number uint32
}{
	"ipv4_addr": {kindIPv4, 4, typeIPv4}, "ipv6_addr": {kindIPv6, 16, typeIPv6}, "inet_service": {kindNumber, 2, typePort},
	"inet_proto": {kindProto, 1, 12}, "ifname": {kindIfname, 16, typeIfname}, "mark": {kindMark, 4, typeMark},
	"ether_addr": {kindMAC, 6, 9}, "iface_index": {kindIfindex, 16, 20}, "iface_type": {kindIftype, 2, 21}, "devgroup": {kindIfgroup, 4, typeGroup}, "ct_state": {kindCtState, 4, 26},
	"nf_proto": {kindNFProto, 1, 2}, "icmp_type": {kindICMP, 1, 14}, "icmpv6_type": {kindICMPv6, 1, 29},
	"fib_addrtype": {kindAddrType, 4, 0}, "ether_type": {kindEtherType, 2, 10},
}

// verdictAt reads a verdict, if one comes next.
func (c *listCursor) verdictAt() (v decode.Verdict, ok bool) {
	t := c.peek(0)
	if t.kind != listWord {
		return v, false
	}
	switch t.text {
	case "accept":
		v.Code = decode.VerdictAccept
	case "drop":
		v.Code = decode.VerdictDrop
	case "continue":
		v.Code = decode.VerdictContinue
	case "return":
		v.Code = decode.VerdictReturn
	case "jump":
		v.Code = decode.VerdictJump
	case "goto":
		v.Code = decode.VerdictGoto
	default:
		return v, false
	}
	c.at++
	if t.text == "jump" || t.text == "goto" {
		v.Chain = c.next().text
	}
	return v, true
}
