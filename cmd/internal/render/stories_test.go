package render

import (
	"time"

	"dnatrace/correlate"
	"dnatrace/correlate/stage"
)

// The stories that the golden files tell. Each is a Document made by hand, as a
// run that saw just this would produce it.

var t0 = time.Date(2026, 3, 1, 3, 4, 5, 678901234, time.UTC)

func at(us int) time.Time { return t0.Add(time.Duration(us) * time.Microsecond) }

func watched(names ...string) correlate.Recording {
	r := correlate.Recording{Started: t0.Add(-time.Second), Ended: t0.Add(5 * time.Second)}
	for n, name := range names {
		r.Points = append(r.Points, correlate.PointReport{Name: name, Netns: "host", Role: "nic", Packets: uint64(10 + n)})
	}
	r.Rings = []correlate.RingReport{{Netns: "host", Points: names}}
	return r
}

// document wraps requests as a run that judged them.
func document(requests ...correlate.Incident) *correlate.Document {
	d := &correlate.Document{Schema: correlate.Schema, Target: "8080", Requests: requests,
		Recording: watched("eth0", "docker0", "veth9a1c2f0"), Verdict: correlate.Absent, Cause: correlate.CauseUnknown}
	for _, i := range requests {
		addTo(&d.Summary, i.Verdict)
		d.Verdict, d.Cause = i.Verdict, i.Cause
	}
	return d
}

func addTo(s *correlate.Summary, v correlate.Verdict) {
	switch v {
	case correlate.Delivered:
		s.Delivered++
	case correlate.Dropped:
		s.Dropped++
	case correlate.Refused:
		s.Refused++
	case correlate.Unanswered:
		s.Unanswered++
	default:
		s.Undetermined++
	}
}

func droppedByRule() correlate.Incident {
	return correlate.Incident{
		ID: "a1", Rev: 1, Final: true, Protocol: "tcp",
		Client: "198.51.100.100:50110", Requested: "198.51.100.1:8080", Translated: "172.17.0.2:80",
		Container: "web", Network: "bridge", Via: correlate.ViaDNAT,
		First: at(0), Last: at(3_012_000), Attempts: 3,
		Verdict: correlate.Dropped, Stage: stage.Forward, Between: []string{"eth0", "docker0"}, Cause: correlate.CauseFirewallDrop,
		Why:   "DOCKER-USER rule 1 drops port 80. It acts after translation, so it meets the container's port (80), not the published one (8080).",
		Proof: correlate.Proven,
		Rule: &correlate.RuleHit{Kind: "rule", Backend: "iptables-nft", Table: "ip filter", Chain: "DOCKER-USER", Handle: 12,
			Text: "-A DOCKER-USER -i eth0 -p tcp --dport 80 -j DROP", Owner: "user"},
		Hops: []correlate.Hop{
			{Time: at(0), Point: "eth0", Direction: "request", Kind: correlate.HopSeen, Before: "198.51.100.1:8080", Frame: 17, Detail: "SYN ×3, last after 3.0 s"},
			{Time: at(41), Point: "nat PREROUTING", Direction: "request", Kind: correlate.HopTranslated, Before: "198.51.100.1:8080", After: "172.17.0.2:80"},
			{Time: at(55), Point: "filter FORWARD", Direction: "request", Kind: correlate.HopDropped, Before: "172.17.0.2:80"},
		},
		Unseen: []correlate.Unseen{
			{Point: "docker0", Direction: "request", Detail: "nothing lost"},
			{Point: "veth9a1c2f0", Direction: "request", Detail: "nothing lost"},
		},
		Evidence: []correlate.Evidence{
			{Source: "ruletrace", Time: at(55), Text: "verdict drop, rule handle 12"},
			{Source: "packets", Time: at(0), Text: "3 SYNs at eth0, none behind it"},
		},
		Fix: []string{"iptables -D DOCKER-USER -i eth0 -p tcp --dport 80 -j DROP -m comment --comment 'a comment that makes the command longer than any terminal'"},
	}
}

func droppedBetween() correlate.Incident {
	i := droppedByRule()
	i.ID, i.Rule, i.Stage, i.Cause, i.Proof = "a2", nil, "", correlate.CauseUnknown, correlate.Inferred
	i.Client = "198.51.100.100:50111"
	i.Why = "It was seen at eth0 and not at docker0, where nothing was lost."
	i.Hops = i.Hops[:1]
	i.Fix, i.Evidence = nil, nil
	i.Blind = []string{"rule trace: not available, so the rule that did it is not known"}
	return i
}

func delivered() correlate.Incident {
	return correlate.Incident{
		ID: "b1", Rev: 1, Final: true, Protocol: "tcp",
		Client: "198.51.100.100:50112", Requested: "198.51.100.1:8080", Translated: "172.17.0.2:80",
		Container: "web", Network: "bridge", Via: correlate.ViaDNAT,
		First: at(0), Last: at(0), Attempts: 1, Timing: correlate.Timing{Connect: 0.00031, FirstByte: 0.00112},
		Verdict: correlate.Delivered, Cause: correlate.CauseNone, Proof: correlate.Proven,
		Hops: []correlate.Hop{
			{Time: at(0), Point: "eth0", Direction: "request", Kind: correlate.HopSeen, Before: "198.51.100.1:8080", Frame: 1, Detail: "SYN"},
			{Time: at(40), Point: "docker0", Direction: "request", Kind: correlate.HopTranslated, Before: "198.51.100.1:8080", After: "172.17.0.2:80"},
			{Time: at(40), Point: "docker0", Direction: "request", Kind: correlate.HopSeen, Before: "172.17.0.2:80", Frame: 2, Detail: "SYN"},
			{Time: at(44), Point: "veth9a1c2f0", Direction: "request", Kind: correlate.HopSeen, Before: "172.17.0.2:80", Frame: 3, Detail: "SYN"},
			{Time: at(60), Point: "web:eth0", Direction: "request", Kind: correlate.HopDelivered, Before: "172.17.0.2:80", Frame: 4, Detail: "SYN"},
			{Time: at(90), Point: "eth0", Direction: "reply", Kind: correlate.HopAnswered, Before: "198.51.100.1:8080", Frame: 8, Detail: "SYN-ACK"},
			{Time: at(9000), Point: "eth0", Direction: "request", Kind: correlate.HopSeen, Before: "198.51.100.1:8080", Frame: 30, Detail: "last packet"},
		},
	}
}

func refused() correlate.Incident {
	return correlate.Incident{
		ID: "c1", Rev: 1, Final: true, Protocol: "tcp",
		Client: "[2001:db8::100]:50113", Requested: "[2001:db8::1]:8080", Translated: "[fd00:dead:beef::2]:80",
		Container: "web", Network: "bridge", Via: correlate.ViaDNAT, First: at(0), Last: at(0), Attempts: 1,
		Verdict: correlate.Refused, Stage: stage.Container, Cause: correlate.CauseListenerOnLoopback, Proof: correlate.Proven,
		Why: "web refuses port 80: its server listens on [::1]:80 only, which nothing outside the container can reach.",
		Hops: []correlate.Hop{
			{Time: at(0), Point: "eth0", Direction: "request", Kind: correlate.HopSeen, Before: "[2001:db8::1]:8080", Frame: 1, Detail: "SYN"},
			{Time: at(41), Point: "docker0", Direction: "request", Kind: correlate.HopTranslated, Before: "[2001:db8::1]:8080", After: "[fd00:dead:beef::2]:80", Frame: 2, Detail: "SYN"},
			{Time: at(66), Point: "web:eth0", Direction: "request", Kind: correlate.HopSeen, Before: "[fd00:dead:beef::2]:80", Frame: 4, Detail: "SYN"},
			{Time: at(80), Point: "web:eth0", Direction: "reply", Kind: correlate.HopSeen, Before: "[fd00:dead:beef::2]:80", Frame: 5, Detail: "RST"},
			{Time: at(110), Point: "eth0", Direction: "reply", Kind: correlate.HopRefused, Before: "[2001:db8::1]:8080", Frame: 7, Detail: "RST"},
		},
		Evidence: []correlate.Evidence{{Source: "host", Time: at(-500), Text: "listeners in web before and after: [::1]:80"}},
		Fix:      []string{"make the server in web listen on [::]:80 instead of [::1]:80"},
	}
}

func undetermined() correlate.Incident {
	return correlate.Incident{
		ID: "d1", Rev: 1, Protocol: "udp", Client: "198.51.100.100:5353", Requested: "198.51.100.1:8080",
		First: at(0), Last: at(2_000), Attempts: 2,
		Verdict: correlate.Undetermined, Cause: correlate.CauseUnknown, Proof: correlate.Inferred,
		Why: "Two datagrams were seen at eth0; whether they went further cannot be told.",
		Hops: []correlate.Hop{
			{Time: at(0), Point: "eth0", Direction: "request", Kind: correlate.HopSeen, Before: "198.51.100.1:8080", Frame: 1, Detail: "12 bytes"},
		},
		Unseen: []correlate.Unseen{{Point: "docker0", Direction: "request", Detail: "not watched"}},
		Blind:  []string{"docker0 was not watched", "the ring of the host's namespace lost 212 packets between 03:04:05.6 and 03:04:06.1, in which the missing sighting may have been"},
		Notes:  []string{"the request was made by another host"},
	}
}

func unanswered() correlate.Incident {
	i := delivered()
	i.ID, i.Verdict, i.Stage, i.Cause, i.Attempts, i.Last = "f1", correlate.Unanswered, stage.Container, correlate.CauseContainerFirewall, 3, at(3_000_000)
	i.Proof, i.Timing = correlate.Inferred, correlate.Timing{}
	i.Why = "web got the request and did not answer."
	i.Hops = append(i.Hops[:4:4],
		correlate.Hop{Time: at(60), Point: "web:eth0", Direction: "request", Kind: correlate.HopSeen, Before: "172.17.0.2:80", Frame: 4, Detail: "SYN ×3, last after 3.0 s"},
		correlate.Hop{Time: at(3_000_060), Point: "web:eth0", Direction: "request", Kind: correlate.HopSeen, Before: "172.17.0.2:80", Frame: 12, Detail: "last packet"})
	return i
}

func answerLost() correlate.Incident {
	i := delivered()
	i.ID, i.Verdict, i.Stage, i.Cause = "g1", correlate.AnswerLost, stage.ReplyForward, correlate.CauseReplyFiltered
	i.Why = "The answer left web and did not come out at eth0."
	i.Hops = append(i.Hops[:5:5], correlate.Hop{Time: at(90), Point: "docker0", Direction: "reply", Kind: correlate.HopSeen, Before: "172.17.0.2:80", Frame: 8, Detail: "SYN-ACK"})
	i.Unseen = []correlate.Unseen{{Point: "eth0", Direction: "reply", Detail: "nothing lost"}}
	return i
}

// hostile carries what an attacker would put where he can: in names, rules,
// errors and payload.
func hostile() correlate.Incident {
	const evil = "\x1b[2J\x1b]0;owned\x07\r\n\u202egnp.exe\u2066\x9b31m\xff\xfe\u200b"
	i := droppedByRule()
	i.ID = "e1" + evil
	i.Container, i.Why = "web"+evil, "why"+evil
	i.Fix, i.Notes, i.Blind = []string{"rm" + evil}, []string{evil}, []string{evil}
	i.Rule = &correlate.RuleHit{Table: evil, Chain: evil, Text: evil, Owner: evil, Kind: "policy"}
	i.Hops = []correlate.Hop{{Time: at(0), Point: evil, Direction: evil, Kind: correlate.HopKind(evil), Before: evil, After: evil, Detail: evil}}
	i.Unseen = []correlate.Unseen{{Point: evil, Direction: evil, Detail: evil}}
	i.Evidence = []correlate.Evidence{{Source: evil, Text: evil}}
	return i
}
