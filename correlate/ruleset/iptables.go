package ruleset

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"dnatrace/decode"
)

// iptablesText writes a rule as iptables-save does. It reports false if there
// is anything in it that iptables does not make.
func (s *Set) iptablesText(r *decode.Rule, clauses []clause) (string, bool) {
	w := iptablesWriter{ip6: r.Family == decode.FamilyIPv6, order: s.rules.Order(), listed: r.Text != "", sets: s}
	for i := range clauses {
		if !w.clause(clauses[i]) {
			return "", false
		}
	}
	if r.Damaged {
		return "", false
	}
	if r.Comment != "" && !w.commented {
		w.match("comment", "--comment "+quoted(r.Comment))
	}
	return join("-A "+r.Chain, w.src, w.dst, w.iif, w.oif, w.proto, w.matchText(), w.target), true
}

// iptablesWriter gathers the parts of a rule, which iptables prints in an order
// of its own.
type iptablesWriter struct {
	ip6       bool
	order     binary.ByteOrder
	src, dst  string
	iif, oif  string
	proto     string
	matches   []match
	target    string
	commented bool
	listed    bool // nft listed the rule, and translated what it could
	sets      *Set // has the names of ipsets
}

// match is one -m NAME and its options.
type match struct {
	name    string
	options []string
}

// match adds an option to the last match, if it has that name.
func (w *iptablesWriter) match(name, option string) bool {
	if n := len(w.matches); n > 0 && w.matches[n-1].name == name {
		w.matches[n-1].options = append(w.matches[n-1].options, option)
		return true
	}
	return w.another(name, option)
}

// another adds a match of its own, whatever came before.
func (w *iptablesWriter) another(name, option string) bool {
	w.matches = append(w.matches, match{name, []string{option}})
	return true
}

func (w *iptablesWriter) matchText() string {
	var out []string
	for _, m := range w.matches {
		slices.SortStableFunc(m.options, func(a, b string) int { return rank(a) - rank(b) })
		out = append(out, "-m "+join(append([]string{m.name}, m.options...)...))
	}
	return strings.Join(out, " ")
}

// rank is the order in which iptables prints the options of tcp.
func rank(option string) int {
	for i, name := range []string{"--sport", "--dport", "--tcp-flags"} {
		if strings.Contains(option, name+" ") {
			return i
		}
	}
	return 0
}

func (w *iptablesWriter) clause(c clause) bool {
	if w.target != "" {
		return false
	}
	ok := false
	switch c.kind {
	case cmpClause:
		ok = len(c.left) == 1 && w.cmp(c)
	case rangeClause:
		ok = w.ports(c, c.not, c.value, c.to)
	case statement:
		return w.statement(c) || w.listed && w.translatedTarget(c)
	}
	return ok || w.listed && w.translated(c)
}

func (w *iptablesWriter) cmp(c clause) bool {
	o := c.left[0]
	not := ""
	switch c.op {
	case decode.CmpEqual:
	case decode.CmpNotEqual:
		not = "! "
	default:
		return false
	}
	f, ok := fieldOf(o)
	if !ok || o.shift || o.xor != nil {
		return false
	}
	switch f.name {
	case "ip saddr", "ip6 saddr":
		return once(&w.src, not+"-s "+prefix(f.kind, c.value, o.mask))
	case "ip daddr", "ip6 daddr":
		return once(&w.dst, not+"-d "+prefix(f.kind, c.value, o.mask))
	case "iifname":
		return once(&w.iif, not+"-i "+ifname(c.value, "+"))
	case "oifname":
		return once(&w.oif, not+"-o "+ifname(c.value, "+"))
	case "meta l4proto", "ip protocol", "ip6 nexthdr":
		return o.mask == nil && once(&w.proto, not+"-p "+value(kindProto, c.value, w.order))
	case "meta mark":
		return w.mark(not, o, c.value)
	case "tcp flags":
		return w.tcpFlags(not, o, c.value)
	}
	return o.mask == nil && w.ports(c, not != "", c.value, c.value)
}

func once(s *string, text string) bool {
	if *s != "" {
		return false
	}
	*s = text
	return true
}

func prefix(k kind, b, mask []byte) string {
	full := 4
	if k == kindIPv6 {
		full = 16
	}
	n := 8 * len(b)
	addr := address(k, append(slices.Clone(b), make([]byte, max(0, full-len(b)))...))
	if mask != nil {
		ones, ok := prefixLen(mask)
		if !ok {
			return addr + "/" + address(k, mask)
		}
		n = ones
	}
	return addr + "/" + strconv.Itoa(n)
}

func (w *iptablesWriter) mark(not string, o operand, b []byte) bool {
	t := fmt.Sprintf("%s--mark 0x%x", not, hostNumber(b, w.order))
	if o.mask != nil {
		t += fmt.Sprintf("/0x%x", hostNumber(o.mask, w.order))
	}
	return w.match("mark", t)
}

func (w *iptablesWriter) tcpFlags(not string, o operand, b []byte) bool {
	if o.mask == nil || len(b) != 1 {
		return false
	}
	return w.match("tcp", not+"--tcp-flags "+flagNames(o.mask[0])+" "+flagNames(b[0]))
}

func flagNames(flags byte) string {
	if flags == 0 {
		return "NONE"
	}
	var names []string
	for _, f := range tcpFlags[:6] {
		if uint32(flags)&f.value != 0 {
			names = append(names, strings.ToUpper(f.name))
		}
	}
	return strings.Join(names, ",")
}

// ports writes a condition on a port or on the type of an ICMP message.
func (w *iptablesWriter) ports(c clause, not bool, from, to []byte) bool {
	f, ok := fieldOf(c.left[0])
	if !ok || c.left[0].mask != nil {
		return false
	}
	proto, field, _ := strings.Cut(f.name, " ")
	if field != "sport" && field != "dport" || proto == "th" {
		return false
	}
	t := "--" + field + " " + portText(from)
	if !slices.Equal(from, to) {
		t += ":" + portText(to)
	}
	if not {
		t = "! " + t
	}
	return w.match(proto, t)
}

func (w *iptablesWriter) statement(c clause) bool {
	switch e := c.stmt.(type) {
	case decode.CounterExpr:
		return true
	case decode.ImmediateExpr:
		return e.Data.Verdict != nil && w.verdict(*e.Data.Verdict)
	case decode.LimitExpr:
		return w.limit(e)
	case decode.LogExpr:
		return w.log(e)
	case decode.MetaExpr:
		return w.setMark(c, e)
	case *decode.XTMatch:
		return w.extension(e)
	case *decode.XTTarget:
		w.target = "-j " + targetName(e) + w.targetOptions(e)
		return true
	}
	return false
}

func (w *iptablesWriter) verdict(v decode.Verdict) bool {
	switch v.Code {
	case decode.VerdictJump:
		w.target = "-j " + v.Chain
	case decode.VerdictGoto:
		w.target = "-g " + v.Chain
	case decode.VerdictAccept, decode.VerdictDrop, decode.VerdictReturn, decode.VerdictQueue:
		w.target = "-j " + strings.ToUpper(v.String())
	default:
		return false
	}
	return true
}

var limitUnits = map[uint64]string{1: "sec", 60: "min", 3600: "hour", 86400: "day"}

func (w *iptablesWriter) limit(e decode.LimitExpr) bool {
	unit, ok := limitUnits[e.Unit]
	if !ok || e.Bytes || e.Over {
		return false
	}
	t := fmt.Sprintf("--limit %d/%s", e.Rate, unit)
	if e.Burst != 5 {
		t += fmt.Sprintf(" --limit-burst %d", e.Burst)
	}
	return w.match("limit", t)
}

func (w *iptablesWriter) log(e decode.LogExpr) bool {
	if e.Grouped {
		w.target = "-j NFLOG"
		if e.Prefix != "" {
			w.target += " --nflog-prefix " + quoted(e.Prefix)
		}
		if e.Group != 0 {
			w.target += fmt.Sprintf(" --nflog-group %d", e.Group)
		}
		return true
	}
	w.target = "-j LOG" + logOptions(e.Prefix, uint8(e.Level), uint8(e.Flags))
	return true
}

func (w *iptablesWriter) setMark(c clause, e decode.MetaExpr) bool {
	if !e.Set || e.Key != decode.MetaMark && e.Key != decode.MetaTrace {
		return false
	}
	if e.Key == decode.MetaTrace {
		w.target = "-j TRACE"
		return true
	}
	o := c.regs[min(int(e.Reg), len(c.regs)-1)]
	if im, ok := o.load.(decode.ImmediateExpr); ok && o.mask == nil {
		w.target = fmt.Sprintf("-j MARK --set-xmark 0x%x/0xffffffff", hostNumber(im.Data.Value, w.order))
		return true
	}
	if load, ok := o.load.(decode.MetaExpr); ok && load.Key == decode.MetaMark && o.mask != nil && !o.shift {
		w.target = fmt.Sprintf("-j MARK --set-xmark 0x%x/0x%x", hostNumber(o.xor, w.order), ^hostNumber(o.mask, w.order))
		return true
	}
	return false
}

// quoted writes a string as xtables_save_string does.
func quoted(s string) string {
	plain := s != "" && strings.Trim(s, "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
	for _, c := range []byte(s) {
		if !strings.ContainsRune("_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", rune(c)) {
			plain = false
		}
	}
	if plain {
		return s
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, `'`, `\'`).Replace(s) + `"`
}
