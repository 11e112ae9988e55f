// Package rules has the words for the rulesets of every packet-filter back end
// with their counters, raw: judging by them is the work of later stages, and no
// recording may need to be made again for it.
//
// Rulesets are read by rules/netfilter. The later stages read them from
// recordings on any OS, so the package must import nothing that acts, and of
// ours only capture.
package rules

// OwnPrefix begins the names of the tables that dnatrace makes for as long as it
// runs: to have rules traced, and to keep a probe's packets from leaving. They are
// no part of a Ruleset.
const (
	OwnPrefix   = "dnatrace_"
	TracePrefix = OwnPrefix + "trace_"
	GuardPrefix = OwnPrefix + "guard_"
)

// Backends of the tables of iptables-legacy as the kernel gives them.
const (
	Legacy  = "iptables-legacy"
	Legacy6 = "ip6tables-legacy"
)

// Sets reports whether a back end has sets alone, which rules of others refer to.
func Sets(backend string) bool { return backend == "ipset" || backend == "ipset-text" }

// FamilyOf is the family, 4 or 6, that a back end's rules are all of; false if they
// may be of any.
func FamilyOf(backend string) (family int, one bool) {
	switch backend {
	case Legacy, "iptables-save", "iptables-legacy-save":
		return 4, true
	case Legacy6, "ip6tables-save", "ip6tables-legacy-save":
		return 6, true
	}
	return 0, false
}

// Ruleset is one back end's rules in one namespace at one time (JSON of
// KindRuleset). Data is base64 in JSON.
type Ruleset struct {
	// Backend says what Data is: "nft" raw netlink messages, one after the
	// other (tables, chains, rules, sets, elements of each set, objects,
	// flowtables); "iptables-legacy" and "ip6tables-legacy" struct
	// ipt_getinfo (84 bytes) and struct ipt_get_entries (40 bytes and the
	// entries) of one table, in host byte order; "ipset" raw netlink messages
	// (IPSET_CMD_LIST of each set; of a very large one the header alone; before
	// Linux 4.20 one of IPSET_CMD_GET_BYNAME with its number behind it);
	// "nft-text", "iptables-save", "ip6tables-save", "iptables-legacy-save",
	// "ip6tables-legacy-save" and "ipset-text" what these programs print.
	Backend string `json:"backend"`
	Why     string `json:"why"`             // "start", "change", "end"
	Table   string `json:"table,omitempty"` // legacy: "filter", "nat", …
	Data    []byte `json:"data,omitempty"`
	// Same repeats the previous ruleset of this backend, netns and table: Data
	// is empty.
	Same bool `json:"same,omitempty"`
	// Torn says that the rules kept changing while they were read: Data may
	// mix two generations. Only nft can tell.
	Torn bool `json:"torn,omitempty"`
	// Undated says that they were read at a time that nobody noted.
	Undated bool `json:"undated,omitempty"`
	// Error says why the back end is there and could not be read; Data is then
	// empty.
	Error string `json:"error,omitempty"`
}
