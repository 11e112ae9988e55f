package ruleset

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dnatrace/decode"
)

var saveVerdicts = map[string]decode.VerdictCode{
	"ACCEPT": decode.VerdictAccept, "DROP": decode.VerdictDrop, "RETURN": decode.VerdictReturn, "QUEUE": decode.VerdictQueue,
}

// target makes the expression of -j or -g.
func (b *saveRule) target(s segment) decode.Expr {
	code, verdict := saveVerdicts[s.name]
	switch {
	case s.flag == "-g":
		return immediate(decode.Verdict{Code: decode.VerdictGoto, Chain: s.name})
	case b.chains[b.rule.Table+" "+s.name]:
		return immediate(decode.Verdict{Code: decode.VerdictJump, Chain: s.name})
	case verdict && len(s.options) == 0:
		return immediate(decode.Verdict{Code: code})
	}
	t := &decode.XTTarget{Name: s.name, Info: decode.XTText{Options: rawText(s.options)}}
	if read := saveTargets[s.name]; read != nil {
		if info, ok := read(b, s); ok {
			t.Info = info
		}
	}
	return t
}

func immediate(v decode.Verdict) decode.Expr {
	return decode.ImmediateExpr{Data: decode.Data{Verdict: &v}}
}

// saveTargets read the options of targets, as saveMatches do of matches.
var saveTargets = map[string]func(*saveRule, segment) (decode.XTInfo, bool){
	"REJECT":     saveReject,
	"DNAT":       saveNAT,
	"SNAT":       saveNAT,
	"MASQUERADE": saveNAT,
	"REDIRECT":   saveNAT,
	"LOG":        saveLog,
	"MARK":       saveSetMark,
	"CONNMARK":   saveSetConnmark,
	"CT":         saveCT,
	"NOTRACK": func(_ *saveRule, s segment) (decode.XTInfo, bool) {
		return decode.XTCT{Notrack: true}, len(s.options) == 0
	},
	"TCPMSS": saveMSS,
	"TTL":    saveTTL,
	"HL":     saveTTL,
	"SET":    saveSetTarget,
}

func saveReject(b *saveRule, s segment) (decode.XTInfo, bool) {
	names, with := rejects4, "icmp-port-unreachable"
	if b.ip6 {
		names, with = rejects6, "icmp6-port-unreachable"
	}
	for _, o := range s.options {
		v, one := o.value()
		if o.name != "--reject-with" || !one {
			return nil, false
		}
		with = v
	}
	n := slices.Index(names, with)
	return decode.XTReject{With: uint32(n)}, n >= 0
}

func saveNAT(b *saveRule, s segment) (decode.XTInfo, bool) {
	var i decode.XTNAT
	to := map[string]string{"DNAT": "--to-destination", "SNAT": "--to-source"}[s.name]
	for _, o := range s.options {
		v, _ := o.value()
		ok := true
		switch o.name {
		case "--random":
			i.Flags |= decode.NATRandom
		case "--random-fully":
			i.Flags |= decode.NATRandomFully
		case "--persistent":
			i.Flags |= decode.NATPersistent
		case "--to-ports":
			ok = to == "" && saveNATPorts(&i, v)
		case to:
			ok = saveEndpoint(&i, v, b.ip6)
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
	}
	return i, true
}

// saveEndpoint reads ADDR, ADDR-ADDR, with :PORT or :PORT-PORT behind them.
func saveEndpoint(i *decode.XTNAT, v string, ip6 bool) bool {
	host, ports := v, ""
	switch {
	case !ip6:
		host, ports, _ = strings.Cut(v, ":")
	case strings.HasPrefix(v, "["):
		host, ports, _ = strings.Cut(v[1:], "]")
		ports = strings.TrimPrefix(ports, ":")
	}
	if ports != "" && !saveNATPorts(i, ports) {
		return false
	}
	if host == "" {
		return ports != ""
	}
	first, last, ranged := strings.Cut(host, "-")
	if !ranged {
		last = first
	}
	from, err := netip.ParseAddr(first)
	to, err2 := netip.ParseAddr(last)
	i.AddrMin, i.AddrMax = from, to
	i.Flags |= decode.NATMapIPs
	return err == nil && err2 == nil && from.Is6() == ip6 && to.Is6() == ip6
}

func saveNATPorts(i *decode.XTNAT, v string) bool {
	p, ok := savePorts(strings.Replace(v, "-", ":", 1))
	i.PortMin, i.PortMax = p.Min, p.Max
	i.Flags |= decode.NATPorts
	return ok && !strings.ContainsAny(v, "/:")
}

func saveLog(_ *saveRule, s segment) (decode.XTInfo, bool) {
	i := decode.XTLog{Level: 4}
	flags := map[string]uint8{"--log-tcp-sequence": 0x1, "--log-tcp-options": 0x2, "--log-ip-options": 0x4, "--log-uid": 0x8, "--log-macdecode": 0x20}
	for _, o := range s.options {
		v, _ := o.value()
		switch bit := flags[o.name]; {
		case bit != 0:
			i.Flags |= bit
		case o.name == "--log-prefix":
			i.Prefix = v
		case o.name == "--log-level":
			n := slices.Index(logLevels[:], v)
			if k, err := strconv.ParseUint(v, 10, 3); err == nil {
				n = int(k)
			}
			if n < 0 {
				return nil, false
			}
			i.Level = uint8(n)
		default:
			return nil, false
		}
	}
	return i, true
}

func saveSetMark(_ *saveRule, s segment) (decode.XTInfo, bool) {
	if len(s.options) != 1 {
		return nil, false
	}
	v, _ := s.options[0].value()
	value, mask, ok := valueMask(v)
	switch s.options[0].name {
	case "--set-xmark":
		return decode.XTSetMark{Mark: value, Mask: mask}, ok
	case "--set-mark": // clears the value's bits, too
		return decode.XTSetMark{Mark: value, Mask: mask | value}, ok
	}
	return nil, false
}

func saveSetConnmark(_ *saveRule, s segment) (decode.XTInfo, bool) {
	i := decode.XTConnmark{Mask: 0xffffffff, CtMask: 0xffffffff}
	for _, o := range s.options {
		v, one := o.value()
		value, mask, ok := valueMask(v)
		switch o.name {
		case "--set-xmark":
			i.CtMark, i.CtMask = value, mask
		case "--set-mark":
			i.CtMark, i.CtMask = value, mask|value
		case "--save-mark":
			i.Mode, ok = 1, !one
		case "--restore-mark":
			i.Mode, ok = 2, !one
		case "--nfmask":
			i.Mask = value
		case "--ctmask":
			i.CtMask = value
		case "--mask":
			i.Mask, i.CtMask = value, value
		default:
			return nil, false
		}
		if !ok {
			return nil, false
		}
	}
	return i, len(s.options) > 0
}

// saveCT reads the options of CT. All but --notrack and a zone change nothing that other
// rules can see of the packet.
func saveCT(_ *saveRule, s segment) (decode.XTInfo, bool) {
	var i decode.XTCT
	var other []option
	for _, o := range s.options {
		switch o.name {
		case "--notrack":
			i.Notrack = true
		case "--helper", "--timeout", "--ctevents", "--expevents":
			other = append(other, o)
		case "--zone", "--zone-orig", "--zone-reply": // it makes another connection of it
			i.Zone = rawText([]option{o})
		default:
			return nil, false
		}
	}
	i.Options = rawText(other)
	return i, true
}

func saveTTL(_ *saveRule, s segment) (decode.XTInfo, bool) {
	if len(s.options) != 1 {
		return nil, false
	}
	mode := slices.Index(ttlModes[:], strings.TrimPrefix(s.options[0].name, "--"+strings.ToLower(s.name)+"-"))
	v, one := s.options[0].value()
	n, err := strconv.ParseUint(v, 10, 8)
	return decode.XTTTL{Mode: uint8(mode), Value: uint8(n)}, one && mode >= 0 && err == nil
}

func saveMSS(_ *saveRule, s segment) (decode.XTInfo, bool) {
	if len(s.options) != 1 {
		return nil, false
	}
	if s.options[0].name == "--clamp-mss-to-pmtu" {
		return decode.XTMSS{Size: 0xffff}, true
	}
	v, _ := s.options[0].value()
	n, err := strconv.ParseUint(v, 10, 16)
	return decode.XTMSS{Size: uint16(n)}, err == nil && s.options[0].name == "--set-mss"
}
