package correlate

import (
	"fmt"
	"slices"
	"strings"
)

// Cause names what to change, in the vocabulary of the JSON document.
type Cause string

// Causes. CauseUnknown means that the packets show the verdict and the reason
// is not in evidence.
const (
	CauseNone                  Cause = "none"
	CauseNotPublished          Cause = "not-published"
	CausePublishedElsewhere    Cause = "published-elsewhere"
	CausePortTaken             Cause = "port-taken"
	CauseContainerNotRunning   Cause = "container-not-running"
	CauseContainerPaused       Cause = "container-paused"
	CauseNoListener            Cause = "no-listener"
	CauseWrongContainerPort    Cause = "wrong-container-port"
	CauseListenerOnLoopback    Cause = "listener-on-loopback"
	CauseListenerElsewhere     Cause = "listener-elsewhere"
	CauseModeHost              Cause = "mode-host"
	CauseModeNone              Cause = "mode-none"
	CauseModeContainer         Cause = "mode-container"
	CauseInternalNetwork       Cause = "internal-network"
	CauseDirectAccess          Cause = "direct-access"
	CauseNetworkIsolated       Cause = "network-isolated"
	CauseFirewallDrop          Cause = "firewall-drop"
	CauseFirewallReject        Cause = "firewall-reject"
	CauseRulesMissing          Cause = "rules-missing"
	CauseForwardingDisabled    Cause = "forwarding-disabled"
	CauseReversePathFilter     Cause = "reverse-path-filter"
	CauseNoRoute               Cause = "no-route"
	CauseReplyNoRoute          Cause = "reply-no-route"
	CauseReplyFiltered         Cause = "reply-filtered"
	CauseNeighbourUnresolved   Cause = "neighbour-unresolved"
	CauseStaleTranslation      Cause = "stale-translation"
	CauseContainerFirewall     Cause = "container-firewall"
	CauseBacklogFull           Cause = "backlog-full"
	CauseServerSilent          Cause = "server-silent"
	CauseServerReset           Cause = "server-reset"
	CauseProxyBackendFailed    Cause = "proxy-backend-failed"
	CauseMTU                   Cause = "mtu"
	CauseZeroWindow            Cause = "zero-window"
	CauseReplyMisrouted        Cause = "reply-misrouted"
	CauseUntranslatedSource    Cause = "untranslated-source"
	CauseLoopbackNotRouted     Cause = "loopback-not-routed"
	CauseDuplicateAddress      Cause = "duplicate-address"
	CauseConntrackFull         Cause = "conntrack-full"
	CauseConntrackInvalid      Cause = "conntrack-invalid"
	CauseOtherTranslation      Cause = "other-translation"
	CauseRoutedElsewhere       Cause = "routed-elsewhere"
	CauseTTLExpired            Cause = "ttl-expired"
	CauseUntracked             Cause = "untracked"
	CauseFragmentsMissing      Cause = "fragments-missing"
	CauseContainerAddress      Cause = "container-address"
	CauseNetworkWithoutMapping Cause = "network-without-mapping"
	CauseWrongMAC              Cause = "wrong-mac"
	CauseBridgePortBlocked     Cause = "bridge-port-blocked"
	CauseQueueDrop             Cause = "queue-drop"
	CauseProxyExhausted        Cause = "proxy-exhausted"
	CauseAddressUnanswered     Cause = "address-unanswered"
	CauseUpstream              Cause = "upstream"
	CauseUnknown               Cause = "unknown"
)

// causes are all there are, in the order above.
var causes = []Cause{
	CauseNone, CauseNotPublished, CausePublishedElsewhere, CausePortTaken, CauseContainerNotRunning, CauseContainerPaused,
	CauseNoListener, CauseWrongContainerPort, CauseListenerOnLoopback, CauseListenerElsewhere, CauseModeHost,
	CauseModeNone, CauseModeContainer, CauseInternalNetwork, CauseDirectAccess, CauseNetworkIsolated, CauseFirewallDrop,
	CauseFirewallReject, CauseRulesMissing, CauseForwardingDisabled, CauseReversePathFilter, CauseNoRoute,
	CauseReplyNoRoute, CauseReplyFiltered, CauseNeighbourUnresolved, CauseStaleTranslation, CauseContainerFirewall,
	CauseBacklogFull, CauseServerSilent, CauseServerReset, CauseProxyBackendFailed, CauseMTU, CauseZeroWindow,
	CauseReplyMisrouted, CauseUntranslatedSource, CauseLoopbackNotRouted, CauseDuplicateAddress, CauseConntrackFull,
	CauseConntrackInvalid, CauseOtherTranslation, CauseRoutedElsewhere, CauseTTLExpired, CauseUntracked, CauseFragmentsMissing,
	CauseContainerAddress, CauseNetworkWithoutMapping, CauseWrongMAC, CauseBridgePortBlocked, CauseQueueDrop, CauseProxyExhausted, CauseAddressUnanswered, CauseUpstream, CauseUnknown,
}

// Causes lists the vocabulary.
func Causes() []Cause { return slices.Clone(causes) }

// ParseCause reads a cause as the JSON document writes it. The error names those
// that look like it.
func ParseCause(s string) (Cause, error) {
	if slices.Contains(causes, Cause(s)) {
		return Cause(s), nil
	}
	var near []string
	for _, c := range causes {
		for _, word := range strings.Split(s, "-") {
			if len(word) > 2 && strings.Contains(string(c), word) {
				near = appendNew(near, string(c))
			}
		}
	}
	if len(near) > 0 {
		return "", fmt.Errorf("parse cause: there is no %q: did you mean %s?", s, strings.Join(near, ", "))
	}
	return "", fmt.Errorf("parse cause: there is no %q", s)
}
