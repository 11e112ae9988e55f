package correlate

import "dnatrace/capture"

// Limit is a judgement that cannot be come to, or not be proven, where a source
// of evidence does not work.
type Limit struct {
	Source   string   `json:"source"`   // the source that is missing, as the JSON document names it
	Verdicts []string `json:"verdicts"` // judged as undetermined, or not told apart
	Causes   []Cause  `json:"causes"`   // told as unknown, or as a coarser one
	Proof    bool     `json:"proof"`    // true: still told, but inferred, never proven
	Why      string   `json:"why"`      // one plain sentence
}

// limits are what each source is needed for, the weightiest first.
var limits = []Limit{
	{Source: "packets", Verdicts: verdictNames[1:], Why: "without packets no request is seen, and nothing is judged"},
	{Source: "rules", Causes: []Cause{CauseFirewallDrop, CauseFirewallReject, CauseDirectAccess, CauseNetworkIsolated, CauseRulesMissing, CauseReplyFiltered, CauseContainerFirewall},
		Why: "without the rulesets a filter that drops or refuses is not named: the request is dropped between two points, and the cause is unknown"},
	{Source: "ruletrace", Proof: true, Causes: []Cause{CauseFirewallDrop, CauseFirewallReject, CauseDirectAccess, CauseNetworkIsolated, CauseRulesMissing, CauseReplyFiltered, CauseContainerFirewall},
		Why: "without the rule trace the deciding rule is found by evaluating the recorded ruleset, and is inferred"},
	{Source: "conntrack", Proof: true, Causes: []Cause{CauseStaleTranslation},
		Why: "without conntrack the two sides of a translation are joined by the mapping and by what translation leaves alone, and are inferred"},
	{Source: "engine", Causes: []Cause{CauseNotPublished, CausePublishedElsewhere, CausePortTaken, CauseContainerNotRunning, CauseContainerPaused, CauseModeHost, CauseModeNone, CauseModeContainer, CauseInternalNetwork, CauseStaleTranslation},
		Why: "without the engine containers have no names, their namespaces are not entered, and what was meant to be published is not known"},
	{Source: "host", Causes: []Cause{CauseListenerOnLoopback, CauseListenerElsewhere, CauseWrongContainerPort, CauseBacklogFull, CauseForwardingDisabled, CauseReversePathFilter, CauseNoRoute, CauseRoutedElsewhere, CauseReplyNoRoute, CauseNeighbourUnresolved},
		Why: "without the host's state a refusal is told without the socket behind it, and a drop without the setting or route behind it"},
	{Source: "drops", Proof: true, Causes: []Cause{CauseReversePathFilter, CauseForwardingDisabled, CauseNoRoute},
		Why: "without the kernel's drop reasons, drops outside the firewall are found from settings and counters, and are inferred"},
}

// OutOfReach says what cannot be judged, or proven, with these sources: those
// that are not ok, or not among them, are taken to be missing.
func OutOfReach(sources []SourceReport) []Limit {
	works := map[string]bool{}
	for _, s := range sources {
		works[s.Name] = s.State == capture.SourceOK
	}
	var out []Limit
	for _, l := range limits {
		if works[l.Source] || l.Source == "ruletrace" && !works["rules"] {
			continue
		}
		out = append(out, l)
	}
	return out
}
