package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"dnatrace/capture/host"
)

// readRules reads policy rules by itself: the library drops their action.
func (t *taking) readRules() error {
	for _, family := range families {
		msgs, err := steady(func() ([][]byte, error) {
			req := nl.NewNetlinkRequest(unix.RTM_GETRULE, unix.NLM_F_DUMP)
			req.AddData(&nl.RtMsg{RtMsg: unix.RtMsg{Family: uint8(family)}})
			return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWRULE)
		})
		for _, m := range msgs {
			if r, err := parseRule(m); err == nil {
				t.sample.Rules = append(t.sample.Rules, r)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseRule reads struct fib_rule_hdr and its attributes (linux/fib_rules.h).
func parseRule(m []byte) (host.Rule, error) {
	if len(m) < unix.SizeofRtMsg {
		return host.Rule{}, fmt.Errorf("parse policy rule: %d bytes", len(m))
	}
	r := host.Rule{Family: 4, Table: int(m[4]), Action: ruleAction(m[7]), Other: m[3] != 0}
	if m[0] == unix.AF_INET6 {
		r.Family = 6
	}
	r.Not = binary.NativeEndian.Uint32(m[8:])&unix.FIB_RULE_INVERT != 0
	for _, a := range attributes(m[unix.SizeofRtMsg:]) {
		setAttribute(&r, a.Type, a.Data, int(m[2]), int(m[1]))
	}
	return r, nil
}

// setAttribute sets what one FRA_ attribute says of a rule; lengths are those of
// its prefixes, in bits.
func setAttribute(r *host.Rule, kind uint16, v []byte, srcLen, dstLen int) {
	switch kind {
	case unix.FRA_SRC:
		r.From = rulePrefix(v, srcLen)
	case unix.FRA_DST:
		r.To = rulePrefix(v, dstLen)
	case unix.FRA_IIFNAME:
		r.IIF = unix.ByteSliceToString(v)
	case unix.FRA_OIFNAME:
		r.OIF = unix.ByteSliceToString(v)
	case unix.FRA_PRIORITY:
		r.Priority = int(number(v))
	case unix.FRA_TABLE:
		r.Table = int(number(v))
	case unix.FRA_FWMARK:
		r.Mark = number(v)
	case unix.FRA_FWMASK:
		r.Mask = number(v)
	case unix.FRA_SUPPRESS_PREFIXLEN, unix.FRA_SUPPRESS_IFGROUP:
		r.Other = r.Other || number(v) != 1<<32-1 // all ones: not set
	case unix.FRA_PROTOCOL, unix.FRA_UNSPEC, unix.FRA_FLOW, unix.FRA_PAD, unix.FRA_GOTO:
	default:
		r.Other = true
	}
}

// number reads a u32 attribute, 0 if it is cut.
func number(v []byte) uint32 {
	if len(v) < 4 {
		return 0
	}
	return binary.NativeEndian.Uint32(v)
}

func rulePrefix(v []byte, bits int) netip.Prefix {
	a, _ := netip.AddrFromSlice(v)
	return netip.PrefixFrom(a, bits)
}

func ruleAction(n byte) string {
	switch n {
	case unix.FR_ACT_TO_TBL:
		return ""
	case unix.FR_ACT_GOTO:
		return "goto"
	case unix.FR_ACT_NOP:
		return "nop"
	case unix.FR_ACT_BLACKHOLE:
		return "blackhole"
	case unix.FR_ACT_UNREACHABLE:
		return "unreachable"
	case unix.FR_ACT_PROHIBIT:
		return "prohibit"
	}
	return fmt.Sprint(n)
}
