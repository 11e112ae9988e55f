package correlate

// Cause names what to change, in the vocabulary of the JSON document.
type Cause string

// Causes. CauseUnknown means that the packets show the verdict and the reason
// is not in evidence.
const (
	CauseNone                Cause = "none"
	CauseNotPublished        Cause = "not-published"
	CausePublishedElsewhere  Cause = "published-elsewhere"
	CausePortTaken           Cause = "port-taken"
	CauseContainerNotRunning Cause = "container-not-running"
	CauseContainerPaused     Cause = "container-paused"
	CauseNoListener          Cause = "no-listener"
	CauseWrongContainerPort  Cause = "wrong-container-port"
	CauseListenerOnLoopback  Cause = "listener-on-loopback"
	CauseListenerElsewhere   Cause = "listener-elsewhere"
	CauseModeHost            Cause = "mode-host"
	CauseModeNone            Cause = "mode-none"
	CauseModeContainer       Cause = "mode-container"
	CauseInternalNetwork     Cause = "internal-network"
	CauseDirectAccess        Cause = "direct-access"
	CauseNetworkIsolated     Cause = "network-isolated"
	CauseFirewallDrop        Cause = "firewall-drop"
	CauseFirewallReject      Cause = "firewall-reject"
	CauseRulesMissing        Cause = "rules-missing"
	CauseForwardingDisabled  Cause = "forwarding-disabled"
	CauseReversePathFilter   Cause = "reverse-path-filter"
	CauseNoRoute             Cause = "no-route"
	CauseReplyNoRoute        Cause = "reply-no-route"
	CauseReplyFiltered       Cause = "reply-filtered"
	CauseNeighbourUnresolved Cause = "neighbour-unresolved"
	CauseStaleTranslation    Cause = "stale-translation"
	CauseContainerFirewall   Cause = "container-firewall"
	CauseBacklogFull         Cause = "backlog-full"
	CauseServerSilent        Cause = "server-silent"
	CauseServerReset         Cause = "server-reset"
	CauseProxyBackendFailed  Cause = "proxy-backend-failed"
	CauseMTU                 Cause = "mtu"
	CauseZeroWindow          Cause = "zero-window"
	CauseUnknown             Cause = "unknown"
)
