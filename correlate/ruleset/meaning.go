package ruleset

import (
	"slices"
	"strings"

	"dnatrace/decode/programs"
)

// Meaning is what the engine has a rule for that drops. The zero value is none
// that is known: a rule of someone else, or one that does not drop.
type Meaning string

// Meanings of the engine's rules, in its layouts from 20.10 to 29, with either
// back end.
const (
	// MeaningIsolation keeps its networks apart (DOCKER-ISOLATION-STAGE-2, until 28).
	MeaningIsolation Meaning = "isolation"
	// MeaningInternal keeps an internal network to itself.
	MeaningInternal Meaning = "internal"
	// MeaningDirect drops, ahead of connection tracking, what is sent to a
	// container's own address and does not come from its bridge (since 28).
	MeaningDirect Meaning = "direct"
	// MeaningLoopback drops what comes from elsewhere for a port that is published
	// on a loopback address (since 28).
	MeaningLoopback Meaning = "loopback"
	// MeaningUnpublished drops what comes to a bridge for ports that are not
	// published there: what is published was accepted ahead of it (since 28).
	MeaningUnpublished Meaning = "unpublished"
	// MeaningICC keeps the containers of one network apart (enable_icc=false).
	MeaningICC Meaning = "icc"
	// MeaningPolicy is the policy of FORWARD, which drops what no rule accepts.
	MeaningPolicy Meaning = "policy"
)

// nativeMeanings are the comments on the engine's rules in its own tables.
var nativeMeanings = map[string]Meaning{
	"UNPUBLISHED PORT DROP":    MeaningUnpublished,
	"DROP DIRECT ACCESS":       MeaningDirect,
	"DROP REMOTE LOOPBACK":     MeaningLoopback,
	"INTERNAL NETWORK INGRESS": MeaningInternal,
	"INTERNAL NETWORK EGRESS":  MeaningInternal,
	"ICC":                      MeaningICC,
}

// Meaning is what the engine has the rule or policy for.
func (r Rule) Meaning() Meaning {
	if r.Owner != programs.Docker {
		return ""
	}
	words := strings.Fields(r.Text)
	switch {
	case r.Policy && r.Drop:
		return MeaningPolicy
	case r.Policy || len(words) == 0:
		return ""
	case r.Backend == NFT && slices.Contains(words, "drop"):
		return nativeMeanings[r.Comment]
	case words[len(words)-1] == "DROP":
		return r.iptablesMeaning(" " + strings.Join(words[2:], " "))
	}
	return ""
}

// iptablesMeaning tells by the chain, and by the conditions where a chain has
// rules of several kinds.
func (r Rule) iptablesMeaning(line string) Meaning {
	_, table, _ := strings.Cut(r.Table, " ")
	not := func(option string) bool { return strings.Contains(line, " ! "+option+" ") }
	both := strings.Contains(line, " -i ") && strings.Contains(line, " -o ")
	switch {
	case table == "raw" && strings.Contains(line, " ! -i lo "):
		return MeaningLoopback
	case table == "raw":
		return MeaningDirect
	case not("-s") || not("-d"):
		return MeaningInternal
	case r.Chain == "DOCKER-ISOLATION-STAGE-2":
		return MeaningIsolation
	case both && not("-i"):
		return MeaningUnpublished
	case both && !not("-o"):
		return MeaningICC
	}
	return ""
}
