package ruleset

import (
	"slices"
	"strings"

	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// isIptables reports whether a table looks as iptables makes it: the name of
// one of its tables, and base chains at the hook and priority of theirs.
func (s *Set) isIptables(k tableKey) bool {
	priority, known := iptablesTables[k.name]
	if !known || k.family != decode.FamilyIPv4 && k.family != decode.FamilyIPv6 {
		return false
	}
	for ck, c := range s.chains {
		if ck.table != k || !c.Base {
			continue
		}
		want := priority
		if k.name == "nat" {
			want = natPriority(c.Hook)
		}
		if c.Name != iptablesHooks[c.Hook] || c.Priority != want {
			return false
		}
	}
	return true
}

// iptablesTables are iptables' own tables, with the priority of their chains.
var iptablesTables = map[string]int32{"raw": -300, "mangle": -150, "nat": 0, "filter": 0, "security": 50}

var iptablesHooks = map[uint32]string{
	decode.HookPrerouting:  "PREROUTING",
	decode.HookInput:       "INPUT",
	decode.HookForward:     "FORWARD",
	decode.HookOutput:      "OUTPUT",
	decode.HookPostrouting: "POSTROUTING",
}

// hasDocker reports whether the engine's chains are in a table. In raw it has
// rules alone: its chains are in the family's other tables then.
func (s *Set) hasDocker(k tableKey) bool {
	if k.name == "raw" {
		k.name = "nat"
	}
	_, ok := s.chains[chainKey{k, "DOCKER"}]
	return ok || programs.OfTable(k.name) == programs.Docker
}

// ruleOwner is who wrote a rule: the chain's or table's owner; in a chain of
// the kernel's or of the users', whoever leads from there to a chain of his, or
// says so in the comment, or writes such rules.
func ruleOwner(c *chain, raw *decode.Rule, r Rule) programs.Owner {
	if c.table.owner != "" {
		return c.table.owner
	}
	if c.Name == programs.DockerUser {
		if r.Text == "-A "+programs.DockerUser+" -j RETURN" || r.Text == "counter return" {
			return programs.Docker
		}
		return programs.User
	}
	if o := programs.OfChain(c.Name); o != "" {
		return o
	}
	if o := programs.OfChain(target(raw)); o != "" {
		return o
	}
	if o := programs.OfComment(r.Comment); o != "" {
		return o
	}
	if c.table.docker && dockerWrote(c, r) {
		return programs.Docker
	}
	return programs.User
}

// target is the chain that a rule leads to, "" for none.
func target(r *decode.Rule) string {
	for _, e := range r.Exprs {
		if im, ok := e.(decode.ImmediateExpr); ok && im.Data.Verdict != nil {
			return im.Data.Verdict.Chain
		}
	}
	return ""
}

// dockerWrote reports whether a rule of a built-in chain is of the forms that
// the engine writes there: in FORWARD before 28, in nat POSTROUTING, and in raw
// PREROUTING since 28.
func dockerWrote(c *chain, r Rule) bool {
	words := strings.Fields(r.Text)
	if len(words) < 4 || r.Comment != "" {
		return false
	}
	verdict := words[len(words)-1]
	switch c.Chain.Table + " " + c.Name {
	case "filter FORWARD":
		return dockerForward(words[2:], verdict)
	case "nat POSTROUTING":
		return dockerMasquerade(words[2:])
	case "raw PREROUTING":
		return verdict == "DROP" && len(words) > 6 && words[2] == "-d" && words[4] == "!" && words[5] == "-i"
	}
	return false
}

// dockerForward: -o BRIDGE -m conntrack … -j ACCEPT, -i BRIDGE [!] -o BRIDGE -j
// ACCEPT or DROP.
func dockerForward(words []string, verdict string) bool {
	var bridge string
	for i := range words[:len(words)-1] {
		switch name := words[i+1]; words[i] {
		case "-s", "-d", "-p":
			return false
		case "-i", "-o":
			if name != "docker0" && name != "docker_gwbridge" && !strings.HasPrefix(name, "br-") || bridge != "" && bridge != name {
				return false
			}
			bridge = name
		}
	}
	return bridge != "" && (verdict == "ACCEPT" || verdict == "DROP" && slices.Contains(words, "-i") && slices.Contains(words, "-o"))
}

// dockerMasquerade: -s SUBNET ! -o BRIDGE -j MASQUERADE, -s IP -d IP -p … -j
// MASQUERADE, -o BRIDGE -m addrtype --src-type LOCAL -j MASQUERADE.
func dockerMasquerade(words []string) bool {
	line := strings.Join(words, " ")
	if !strings.Contains(line, "-j MASQUERADE") {
		return strings.HasPrefix(line, "-s ") && strings.Contains(line, " ! -o ") && strings.Contains(line, "-j SNAT")
	}
	switch {
	case strings.HasPrefix(line, "-s ") && strings.Contains(line, " ! -o "):
		return true
	case len(words) > 4 && words[0] == "-s" && words[2] == "-d" && words[1] == words[3]:
		return true
	}
	return strings.HasPrefix(line, "-o ") && strings.Contains(line, "-m addrtype --src-type LOCAL")
}

// policyOwner is who set a policy. The engine sets FORWARD to drop in the table
// where its chains are.
func policyOwner(c *chain) programs.Owner {
	if c.table.owner != "" {
		return c.table.owner
	}
	if c.Drop && c.table.docker && c.Hook == decode.HookForward {
		return programs.Docker
	}
	for _, r := range c.rules {
		for _, e := range r.Exprs {
			if im, ok := e.(decode.ImmediateExpr); ok && im.Data.Verdict != nil && programs.OfChain(im.Data.Verdict.Chain) == programs.UFW {
				return programs.UFW
			}
		}
	}
	return programs.User
}
