package correlate

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"dnatrace/correlate/ruleset"
	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// removal is what lets the packet by that a rule stopped, at the least cost: what
// changes a set that the rule asks, or else takes the rule away.
func (f *filtering) removal() []string {
	if l := f.lookup(); l != nil && !l.Stays {
		return l.fix()
	}
	return f.hit.removal()
}

// setLookup is what a rule asked a set, where a change of that set undoes it.
type setLookup ruleset.Lookup

// lookup is what the rule asked a set, nil for nothing.
func (f *filtering) lookup() *setLookup {
	for i := range f.lookups {
		l := (*setLookup)(&f.lookups[i])
		if in := l.Entry != "" && !l.NoMatch; in && !l.Not || l.Not && (l.Entry != "" && l.NoMatch || l.Lacks != "") {
			return l
		}
	}
	return nil
}

// fix is the command that takes an entry out of a set, or puts one in.
func (l *setLookup) fix() []string {
	if l.Not && l.Lacks != "" {
		return l.adding()
	}
	out := []string{l.removing()}
	for i := range l.Also {
		out = append(out, (*setLookup)(&l.Also[i]).removing())
	}
	return out
}

// adding puts in what is lacking. An exception of just that has to make room; a
// wider one gives way.
func (l *setLookup) adding() (out []string) {
	if l.Entry == l.Lacks {
		out = append(out, l.command("del", l.Entry))
	}
	for i := range l.Also {
		if a := (*setLookup)(&l.Also[i]); a.Entry == l.Lacks {
			out = append(out, a.command("del", a.Entry))
		}
	}
	add := l.command("add", l.Lacks)
	if l.Passing {
		add += " timeout 0"
	}
	return append(out, add)
}

func (l *setLookup) removing() string {
	if c := l.ofOwner(); c != "" {
		return c
	}
	return l.command("del", l.Entry)
}

func (l *setLookup) command(verb, entry string) string {
	if l.IPSet {
		return fmt.Sprintf("ipset %s %s %s", verb, shell(l.Set), shell(entry))
	}
	family, table, _ := strings.Cut(l.Table, " ")
	verb = map[string]string{"del": "delete", "add": "add"}[verb]
	return fmt.Sprintf("nft %s element %s %s %s %s", verb, family, shell(table), shell(l.Set), shell("{ "+entry+" }"))
}

// ofOwner is the command of the program that keeps the set, which would else put
// the entry back; "" if there is none that is known.
func (l *setLookup) ofOwner() string {
	ip, err := netip.ParseAddr(l.Entry)
	if err != nil || l.Not {
		return ""
	}
	switch {
	case l.Owner == programs.Fail2ban:
		return fmt.Sprintf("fail2ban-client set %s unbanip %s", shell(jailOf(l.Set, ip)), ip)
	case l.Owner == programs.CrowdSec:
		return fmt.Sprintf("cscli decisions delete --ip %s", ip)
	}
	return ""
}

// jailOf is the jail of fail2ban that a set belongs to: f2b-JAIL of ipset, with a
// 6 behind it for IPv6 (iptables-ipset.conf), addr-set-JAIL and addr6-set-JAIL of
// nf_tables (nftables.conf).
func jailOf(set string, ip netip.Addr) string {
	for _, prefix := range []string{"f2b-", "fail2ban-", "addr-set-", "addr6-set-"} {
		if jail, ok := strings.CutPrefix(set, prefix); ok {
			if ip.Is6() && !strings.HasPrefix(prefix, "addr") {
				jail = strings.TrimSuffix(jail, "6")
			}
			return jail
		}
	}
	return set
}

// place names the set.
func (l *setLookup) place() string {
	if !l.IPSet {
		return "set " + l.Set
	}
	if l.List != "" {
		return "ipset " + l.Set + " of " + l.List
	}
	return "ipset " + l.Set
}

// words name the entry, as evidence.
func (l *setLookup) words() string {
	if l.Entry == "" {
		return l.Lacks + " is not in " + l.place()
	}
	t := l.Entry + " in " + l.place()
	if l.NoMatch {
		t += ", nomatch"
	}
	if l.Timeout != 0 {
		t += fmt.Sprintf(", timeout %d s", l.Timeout)
	}
	return t
}

// sentence names it as what there is to change.
func (l *setLookup) sentence() string {
	switch {
	case l.Entry == "":
		return l.words()
	case l.NoMatch:
		return l.Entry + " is kept out of " + l.place()
	}
	return l.Entry + " is in " + l.place()
}

// asked says in a judgement what the rule asked a set.
func (j *judgement) asked(f *filtering) {
	l := f.lookup()
	if l == nil {
		return
	}
	j.fact("rules", f.at, "%s", l.words())
	j.why += " " + l.sentence() + "."
}

// lookupsOf are what a rule that is known to have stopped a traced packet asked
// sets, as far as the recorded ones tell.
func (p *path) lookupsOf(set *ruleset.Set, s, base *decode.TraceStep) []ruleset.Lookup {
	k := ruleset.Packet{Tuple: base.Packet.Tuple, Mark: s.Mark, IIFIndex: base.IIF, OIFIndex: base.OIF, Age: p.age(s.Netns, s.Time)}
	if sample := p.t.world.host(s.Netns); sample != nil {
		k.IIF, k.OIF = sample.LinkName(int(base.IIF)), sample.LinkName(int(base.OIF))
	}
	return set.Lookups(s.Family, s.Table, s.Chain, s.Handle, k)
}

// age is how long before a time the sets of ipset of a namespace were read, which
// no message tells of.
func (p *path) age(netns string, at int64) time.Duration {
	for k, versions := range p.t.world.rules {
		if v := before(versions, at); k.netns == netns && k.backend == "ipset" && v != nil {
			return time.Duration(at - v.time)
		}
	}
	return 0
}
