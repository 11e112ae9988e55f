// Package rules records the rulesets of every packet-filter back end with their
// counters, raw: judging by them is the work of later stages, and no recording
// may need to be made again for it. It reads nf_tables over netlink and legacy
// tables over getsockopt, so that no nft or iptables binary is needed; where
// they exist, their text is kept beside it.
//
// The package must not import decode, correlate or cmd.
package rules

// Ruleset is one back end's rules in one namespace at one time (JSON of
// KindRuleset). Data is base64 in JSON.
type Ruleset struct {
	Backend string `json:"backend"`         // "nft" (raw netlink), "iptables-legacy", "ip6tables-legacy" (raw getsockopt), "nft-text", "iptables-save", "ip6tables-save"
	Why     string `json:"why"`             // "start", "change", "end"
	Table   string `json:"table,omitempty"` // legacy: "filter", "nat", …
	Data    []byte `json:"data,omitempty"`
	// Same repeats the previous ruleset of this backend, netns and table: Data
	// is empty.
	Same bool `json:"same,omitempty"`
}
