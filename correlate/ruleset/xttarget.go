package ruleset

import (
	"fmt"
	"strconv"
	"strings"

	"dnatrace/decode"
)

func (w *iptablesWriter) targetOptions(e *decode.XTTarget) string {
	switch i := e.Info.(type) {
	case decode.XTNAT:
		return natOptions(e.Name, i)
	case decode.XTReject:
		return " --reject-with " + w.rejectName(i.With)
	case decode.XTLog:
		return logOptions(i.Prefix, i.Level, i.Flags)
	case decode.XTNFLog:
		return nflogOptions(i)
	case decode.XTSetMark:
		return fmt.Sprintf(" --set-xmark 0x%x/0x%x", i.Mark, i.Mask)
	case decode.XTConnmark:
		return connmarkOptions(i)
	case decode.XTCT:
		return ctOptions(e.Name, i)
	case decode.XTSetTarget:
		return w.setTarget(i)
	case decode.XTText:
		return spaced(i.Options)
	case decode.XTTTL:
		if int(i.Mode) < len(ttlModes) {
			return fmt.Sprintf(" --%s-%s %d", strings.ToLower(e.Name), ttlModes[i.Mode], i.Value)
		}
	case decode.XTMSS:
		if i.Size == 0xffff {
			return " --clamp-mss-to-pmtu"
		}
		return " --set-mss " + strconv.Itoa(int(i.Size))
	}
	if len(e.Raw) == 0 || zero(e.Raw) {
		return ""
	}
	return " [not decoded]"
}

// ttlModes are the modes of decode.XTTTL as iptables names them.
var ttlModes = [...]string{decode.XTTTLSet: "set", decode.XTTTLInc: "inc", decode.XTTTLDec: "dec"}

// targetName is what iptables calls a target: CT goes by another name where it was
// written as that, and is found by that alone.
func targetName(e *decode.XTTarget) string {
	if i, ok := e.Info.(decode.XTCT); ok && i.Alias {
		return "NOTRACK"
	}
	return e.Name
}

func ctOptions(name string, i decode.XTCT) string {
	t := ""
	if i.Notrack && name == "CT" && !i.Alias {
		t = " --notrack"
	}
	return t + spaced(i.Options) + spaced(i.Zone)
}

func spaced(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

func natOptions(name string, i decode.XTNAT) string {
	ports := ""
	if i.Flags&decode.NATPorts != 0 {
		ports = strconv.Itoa(int(i.PortMin))
		if i.PortMax != i.PortMin {
			ports += "-" + strconv.Itoa(int(i.PortMax))
		}
	}
	t := ""
	switch name {
	case "DNAT":
		t = " --to-destination " + endpoint(i, ports)
	case "SNAT":
		t = " --to-source " + endpoint(i, ports)
	default:
		if ports != "" {
			t = " --to-ports " + ports
		}
	}
	if i.Flags&decode.NATRandom != 0 {
		t += " --random"
	}
	if i.Flags&decode.NATRandomFully != 0 {
		t += " --random-fully"
	}
	if i.Flags&decode.NATPersistent != 0 {
		t += " --persistent"
	}
	return t
}

func endpoint(i decode.XTNAT, ports string) string {
	host := ""
	if i.Flags&decode.NATMapIPs != 0 {
		host = i.AddrMin.String()
		if i.AddrMax != i.AddrMin {
			host += "-" + i.AddrMax.String()
		}
		if i.AddrMin.Is6() && ports != "" {
			host = "[" + host + "]"
		}
	}
	if ports != "" {
		ports = ":" + ports
	}
	return host + ports
}

var (
	rejects4 = []string{"icmp-net-unreachable", "icmp-host-unreachable", "icmp-proto-unreachable", "icmp-port-unreachable", "echoreply", "icmp-net-prohibited", "icmp-host-prohibited", "tcp-reset", "icmp-admin-prohibited"}
	rejects6 = []string{"icmp6-no-route", "icmp6-adm-prohibited", "icmp6-not-neighbour", "icmp6-addr-unreachable", "icmp6-port-unreachable", "echoreply", "tcp-reset", "icmp6-policy-fail", "icmp6-reject-route"}
)

func (w *iptablesWriter) rejectName(with uint32) string {
	names := rejects4
	if w.ip6 {
		names = rejects6
	}
	if int(with) < len(names) {
		return names[with]
	}
	return strconv.Itoa(int(with))
}

func logOptions(prefix string, level, flags uint8) string {
	t := ""
	if prefix != "" {
		t += " --log-prefix " + quoted(prefix)
	}
	if level != 4 {
		t += fmt.Sprintf(" --log-level %d", level)
	}
	for _, f := range []word{{0x1, "tcp-sequence"}, {0x2, "tcp-options"}, {0x4, "ip-options"}, {0x8, "uid"}, {0x20, "macdecode"}} {
		if uint32(flags)&f.value != 0 {
			t += " --log-" + f.name
		}
	}
	return t
}

func nflogOptions(i decode.XTNFLog) string {
	t := ""
	if i.Prefix != "" {
		t += " --nflog-prefix " + quoted(i.Prefix)
	}
	if i.Group != 0 {
		t += fmt.Sprintf(" --nflog-group %d", i.Group)
	}
	if i.Threshold > 1 {
		t += fmt.Sprintf(" --nflog-threshold %d", i.Threshold)
	}
	return t
}

func connmarkOptions(i decode.XTConnmark) string {
	switch i.Mode {
	case 0:
		return fmt.Sprintf(" --set-xmark 0x%x/0x%x", i.CtMark, i.CtMask)
	case 1:
		return fmt.Sprintf(" --save-mark --nfmask 0x%x --ctmask 0x%x", i.Mask, i.CtMask)
	}
	return fmt.Sprintf(" --restore-mark --nfmask 0x%x --ctmask 0x%x", i.Mask, i.CtMask)
}
