package correlate

import "slices"

// vaguer says which causes tell less of the same thing than each other one does:
// what is told in its place where the evidence for it is missing. Unknown is
// vaguer than every other, and is not repeated. No cause stands for another that
// is not here: taking evidence away may lead down this table, and nowhere else.
var vaguer = map[Cause][]Cause{
	// A reset from the container: without its sockets, that nobody listens. Another
	// that has its address resets as one that does not listen does.
	CauseListenerOnLoopback: {CauseNoListener},
	CauseListenerElsewhere:  {CauseNoListener},
	CauseWrongContainerPort: {CauseNoListener},
	CauseDuplicateAddress:   {CauseNoListener},
	// Without docker-proxy's own connection, that it failed: what failed is told by
	// that connection alone.
	CauseNoListener:  {CauseProxyBackendFailed},
	CauseServerReset: {CauseProxyBackendFailed},
	// A filter decided: without what it was there for, that it decided.
	CauseDirectAccess:       {CauseFirewallDrop, CauseFirewallReject},
	CauseNetworkIsolated:    {CauseFirewallDrop, CauseFirewallReject},
	CauseInternalNetwork:    {CauseFirewallDrop, CauseFirewallReject},
	CausePublishedElsewhere: {CauseFirewallDrop, CauseFirewallReject},
	CauseRulesMissing:       {CauseFirewallDrop, CauseFirewallReject},
	// Nobody answers behind a port that forwards nothing.
	CauseBridgePortBlocked: {CauseNeighbourUnresolved},
	CauseRoutedElsewhere:   {CauseFirewallDrop, CauseFirewallReject, CauseNeighbourUnresolved},
	// Nothing translated it: without the rules, that the engine's are not in force.
	CauseUntracked: {CauseRulesMissing},
	// Nobody answers for the address: without the engine, just that.
	CauseStaleTranslation: {CauseFirewallDrop, CauseFirewallReject, CauseNeighbourUnresolved},
	// The engine did not start it: without the error it gave, that it does not run.
	CausePortTaken: {CauseContainerNotRunning},
	// The bytes were taken and no answer came: without the engine, just that.
	CauseContainerPaused: {CauseServerSilent},
	CauseServerSilent:    {CauseProxyBackendFailed},
	// Nothing came from docker-proxy: without the points behind it, that it failed.
	CauseProxyExhausted: {CauseProxyBackendFailed},
}

// Vaguer lists the causes that tell less of the same thing than c does, unknown
// among them unless c is that. None, the cause of what is delivered, is vaguer
// than what answers wrongly is for: without the evidence it is an answer.
func (c Cause) Vaguer() []Cause {
	if c == CauseUnknown {
		return nil
	}
	var out []Cause
	for _, next := range vaguer[c] {
		for _, v := range append([]Cause{next}, next.Vaguer()...) {
			if v != CauseUnknown {
				out = appendUnlisted(out, v)
			}
		}
	}
	return append(out, CauseUnknown)
}

func appendUnlisted(list []Cause, c Cause) []Cause {
	if slices.Contains(list, c) {
		return list
	}
	return append(list, c)
}

// Vaguer lists the verdicts that tell less of the same thing than v does: any
// may become undetermined, and an answer from the wrong one is an answer.
func (v Verdict) Vaguer() []Verdict {
	switch v {
	case Undetermined:
		return nil
	case Misdelivered:
		return []Verdict{Delivered, Undetermined}
	case Delivered, Refused, Dropped, Unanswered, AnswerLost, Stalled, Absent:
	}
	return []Verdict{Undetermined}
}

// Agrees reports whether less evidence may lead from what j says to what i says:
// to the same, or to something vaguer. The cause of a vaguer verdict is its own
// and not compared.
func (i *Incident) Agrees(j *Incident) bool {
	if i.Verdict != j.Verdict {
		return slices.Contains(j.Verdict.Vaguer(), i.Verdict)
	}
	return i.Cause == j.Cause || slices.Contains(j.Cause.Vaguer(), i.Cause)
}
