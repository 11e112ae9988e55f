package ruleset

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// statement writes what a rule does. Counters are left out.
func (w nftWriter) statement(c clause) string {
	switch e := c.stmt.(type) {
	case decode.CounterExpr, decode.LastExpr:
		return ""
	case decode.ImmediateExpr:
		if e.Data.Verdict != nil {
			return e.Data.Verdict.String()
		}
		return fmt.Sprintf("[register 0x%x]", e.Data.Value)
	case decode.NATExpr:
		return w.nat(c, e)
	case decode.MasqExpr:
		return join("masquerade", w.toPorts(c, e.PortMin, e.PortMax), natFlags(e.Flags))
	case decode.RedirExpr:
		return join("redirect", w.toPorts(c, e.PortMin, e.PortMax), natFlags(e.Flags))
	case decode.MetaExpr:
		f := metaFields[e.Key]
		return f.name + " set " + w.source(c, e.Reg, f.kind)
	case decode.CtExpr:
		f := ctFields[e.Key]
		return "ct " + f.name + " set " + w.source(c, e.Reg, f.kind)
	case decode.PayloadExpr:
		name, k := w.operand(operand{load: e, l3: c.l3, l4: c.l4})
		return name + " set " + w.source(c, e.Reg, k)
	case decode.LimitExpr:
		return limitText(e)
	case decode.LogExpr:
		return logText(e)
	case decode.RejectExpr:
		return w.reject(e)
	case decode.NotrackExpr:
		return "notrack"
	case decode.ObjrefExpr:
		return objrefText(e)
	case decode.QuotaExpr:
		return join("quota", over(e.Over), bytesText(e.Bytes))
	case decode.ConnlimitExpr:
		return join("ct count", over(e.Over), strconv.Itoa(int(e.Count)))
	case decode.TproxyExpr:
		return join("tproxy to", w.target(c, e.Family, e.Addr, decode.VerdictReg, e.Port, decode.VerdictReg))
	case decode.DupExpr:
		return "dup"
	case decode.FwdExpr:
		return "fwd"
	case decode.FlowExpr:
		return "flow add @" + e.Table
	case decode.QueueExpr:
		return queueText(e)
	case *decode.XTMatch:
		return strconv.Quote("-m " + e.Name)
	case *decode.XTTarget:
		return strconv.Quote("-j " + e.Name)
	case decode.Statement:
		return e.Text()
	case decode.UnknownExpr:
		return "[" + e.Name + " not decoded]"
	}
	return "[not decoded]"
}

func join(words ...string) string {
	var out []string
	for _, w := range words {
		if w != "" {
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

func (w nftWriter) nat(c clause, e decode.NATExpr) string {
	word := "dnat"
	if e.Source {
		word = "snat"
	}
	if w.family == decode.FamilyInet && (e.Family == decode.FamilyIPv4 || e.Family == decode.FamilyIPv6) && e.AddrMin != decode.VerdictReg {
		word += " " + e.Family.String()
	}
	return join(word, "to", w.target(c, e.Family, e.AddrMin, e.AddrMax, e.PortMin, e.PortMax), natFlags(e.Flags))
}

// target writes an address, a port, both, or ranges of them.
func (w nftWriter) target(c clause, f decode.Family, addr, addrMax, port, portMax decode.Reg) string {
	k := kindIPv4
	if f == decode.FamilyIPv6 {
		k = kindIPv6
	}
	var host string
	if addr != decode.VerdictReg {
		host = w.span2(c, addr, addrMax, k)
	}
	if port == decode.VerdictReg {
		return host
	}
	if o := c.regs[addr]; addr != decode.VerdictReg && o.load != nil {
		if _, ok := o.load.(decode.LookupExpr); ok && c.regs[port].load == nil { // a map to address and port
			return host
		}
	}
	if _, err := netip.ParseAddr(host); k == kindIPv6 && err == nil {
		host = "[" + host + "]"
	}
	return host + ":" + w.span2(c, port, portMax, kindNumber)
}

func (w nftWriter) toPorts(c clause, from, to decode.Reg) string {
	if from == decode.VerdictReg {
		return ""
	}
	return "to :" + w.span2(c, from, to, kindNumber)
}

func (w nftWriter) span2(c clause, from, to decode.Reg, k kind) string {
	first := w.source(c, from, k)
	if to == decode.VerdictReg || to == from {
		return first
	}
	if last := w.source(c, to, k); last != first {
		return first + "-" + last
	}
	return first
}

// source writes what a register holds where a statement takes it.
func (w nftWriter) source(c clause, r decode.Reg, k kind) string {
	o := c.regs[min(int(r), len(c.regs)-1)]
	if im, ok := o.load.(decode.ImmediateExpr); ok {
		return w.value(k, im.Data.Value)
	}
	name, _ := w.operand(o)
	return name + w.masked(k, o)
}

// masked writes what is done to a value's bits before it is used.
func (w nftWriter) masked(k kind, o operand) string {
	switch {
	case o.mask == nil:
		return ""
	case o.xor == nil:
		return " & " + w.value(k, o.mask)
	case complement(o.mask, o.xor):
		return " | " + w.value(k, o.xor)
	case zero(complemented(o.mask)):
		return " ^ " + w.value(k, o.xor)
	}
	return " & " + w.value(k, o.mask) + " ^ " + w.value(k, o.xor)
}

func complement(a, b []byte) bool { return bytes.Equal(complemented(a), b) }

func complemented(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

func natFlags(flags uint32) string {
	var words []string
	for _, f := range []word{{decode.NATRandom, "random"}, {decode.NATRandomFully, "fully-random"}, {decode.NATPersistent, "persistent"}} {
		if flags&f.value != 0 {
			words = append(words, f.name)
		}
	}
	return strings.Join(words, ",")
}

func over(yes bool) string {
	if yes {
		return "over"
	}
	return ""
}

var units = map[uint64]string{1: "second", 60: "minute", 3600: "hour", 86400: "day", 604800: "week"}

func limitText(e decode.LimitExpr) string {
	unit, ok := units[e.Unit]
	if !ok {
		unit = strconv.FormatUint(e.Unit, 10) + " seconds"
	}
	rate, burst := strconv.FormatUint(e.Rate, 10), ""
	if !e.Bytes && e.Burst != 5 { // the default
		burst = fmt.Sprintf("burst %d packets", e.Burst)
	}
	if e.Bytes {
		rate = bytesText(e.Rate)
		if e.Burst != 0 { // of bytes, none is the default
			burst = "burst " + bytesText(uint64(e.Burst))
		}
	}
	return join("limit rate", over(e.Over), rate+"/"+unit, burst)
}

func bytesText(n uint64) string {
	for _, u := range []struct {
		size uint64
		name string
	}{{1 << 20, "mbytes"}, {1 << 10, "kbytes"}} {
		if n != 0 && n%u.size == 0 {
			return strconv.FormatUint(n/u.size, 10) + " " + u.name
		}
	}
	return strconv.FormatUint(n, 10) + " bytes"
}

var logLevels = [...]string{"emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"}

func logText(e decode.LogExpr) string {
	t := "log"
	if e.Prefix != "" {
		t += " prefix " + strconv.Quote(e.Prefix)
	}
	if e.Grouped {
		t += " group " + strconv.Itoa(int(e.Group))
	}
	if e.HasLevel && int(e.Level) < len(logLevels) && e.Level != 4 { // warn is the default
		t += " level " + logLevels[e.Level]
	}
	const all = 0x2f
	if e.Flags == all {
		t += " flags all"
	} else {
		for _, f := range []word{{0x1, "tcp sequence"}, {0x2, "tcp options"}, {0x4, "ip options"}, {0x8, "skuid"}, {0x20, "ether"}} {
			if e.Flags&f.value != 0 {
				t += " flags " + f.name
			}
		}
	}
	return t
}

var (
	rejectICMP  = []word{{0, "net-unreachable"}, {1, "host-unreachable"}, {2, "prot-unreachable"}, {3, "port-unreachable"}, {9, "net-prohibited"}, {10, "host-prohibited"}, {13, "admin-prohibited"}}
	rejectICMP6 = []word{{0, "no-route"}, {1, "admin-prohibited"}, {3, "addr-unreachable"}, {4, "port-unreachable"}, {5, "policy-fail"}, {6, "reject-route"}}
	rejectICMPX = []word{{0, "no-route"}, {1, "port-unreachable"}, {2, "host-unreachable"}, {3, "admin-prohibited"}}
)

func (w nftWriter) reject(e decode.RejectExpr) string {
	code := uint32(e.Code)
	switch {
	case e.Type == 1:
		return "reject with tcp reset"
	case e.Type == 2 && code == 1:
		return "reject"
	case e.Type == 2:
		return "reject with icmpx " + nameIn(rejectICMPX, code)
	case w.family == decode.FamilyIPv6 && code == 4, w.family == decode.FamilyIPv4 && code == 3:
		return "reject"
	case w.family == decode.FamilyIPv6:
		return "reject with icmpv6 " + nameIn(rejectICMP6, code)
	}
	return "reject with icmp " + nameIn(rejectICMP, code)
}

func objrefText(e decode.ObjrefExpr) string {
	kinds := []word{{1, "counter name"}, {2, "quota name"}, {3, "ct helper set"}, {4, "limit name"}, {7, "ct timeout set"}, {8, "meta secmark set"}, {9, "ct expectation set"}, {10, "synproxy name"}}
	if e.Set != "" {
		return nameIn(kinds, e.Type) + " map @" + e.Set
	}
	return nameIn(kinds, e.Type) + " " + strconv.Quote(e.Name)
}

func queueText(e decode.QueueExpr) string {
	var flags []string
	if e.Flags&1 != 0 {
		flags = append(flags, "bypass")
	}
	if e.Flags&2 != 0 {
		flags = append(flags, "fanout")
	}
	t := "queue"
	if len(flags) > 0 {
		t += " flags " + strings.Join(flags, ",")
	}
	t += " to " + strconv.Itoa(int(e.Number))
	if e.Total > 1 {
		t += "-" + strconv.Itoa(int(e.Number)+int(e.Total)-1)
	}
	return t
}
