package render

import (
	"fmt"
	"strings"
	"time"

	"dnatrace/correlate"
	"dnatrace/correlate/stage"
	"dnatrace/decode/programs"
)

// stageWords say a stage of the contract as a place.
var stageWords = map[stage.Stage]string{
	stage.NIC:              "at the NIC",
	stage.Ingress:          "at the NIC's ingress hook",
	stage.Raw:              "in PREROUTING (raw)",
	stage.Prerouting:       "in PREROUTING",
	stage.DNAT:             "at the translation (DNAT)",
	stage.Route:            "at the routing decision",
	stage.Input:            "in INPUT",
	stage.Output:           "in OUTPUT",
	stage.Forward:          "in FORWARD",
	stage.Postrouting:      "in POSTROUTING",
	stage.Neighbour:        "at the neighbour lookup",
	stage.Bridge:           "on the bridge",
	stage.Veth:             "at the veth",
	stage.Container:        "in the container",
	stage.Proxy:            "at docker-proxy",
	stage.Host:             "on the host itself",
	stage.ReplyContainer:   "on the way back, in the container",
	stage.ReplyPrerouting:  "on the way back, in PREROUTING",
	stage.ReplyRoute:       "on the way back, at the routing decision",
	stage.ReplyForward:     "on the way back, in FORWARD",
	stage.ReplyInput:       "on the way back, in INPUT",
	stage.ReplyOutput:      "on the way back, in OUTPUT",
	stage.ReplyPostrouting: "on the way back, in POSTROUTING",
	stage.ReplyNIC:         "on the way back, at the NIC",
}

// refusers say who said no, where the stage is a someone and not a place.
var refusers = map[stage.Stage]string{
	stage.Container: "by the container",
	stage.Host:      "by the host itself",
	stage.Proxy:     "by docker-proxy",
}

// where says in words where a request ended, and by whose rule.
func where(i *correlate.Incident) string {
	s := place(i)
	if i.Rule == nil {
		return s
	}
	return strings.TrimPrefix(s+", by "+ruleName(i.Rule), ", ")
}

func place(i *correlate.Incident) string {
	if i.Stage == stage.Container && i.Container != "" {
		if i.Verdict == correlate.Refused {
			return "by container " + i.Container
		}
		return "in container " + i.Container
	}
	if s := refusers[i.Stage]; s != "" && i.Verdict == correlate.Refused {
		return s
	}
	if s := stageWords[i.Stage]; s != "" {
		return s
	}
	if len(i.Between) == 2 {
		return "between " + i.Between[0] + " and " + i.Between[1]
	}
	return string(i.Stage)
}

func ruleName(r *correlate.RuleHit) string {
	what := "a rule"
	if r.Kind == "policy" {
		what = "the policy of " + r.Chain
	}
	return what + ownerOf(r.Owner)
}

func ownerOf(owner programs.Owner) string {
	switch owner {
	case "":
		return ""
	case programs.User:
		return " of yours"
	default:
		return " of " + string(owner)
	}
}

// tries says how often and for how long the client tried.
func tries(i *correlate.Incident) string {
	if i.Attempts < 1 {
		return ""
	}
	s := plural(i.Attempts, "try", "tries")
	if d := i.Last.Sub(i.First); i.Attempts > 1 && d > 0 {
		s += " in " + seconds(d)
	}
	return s
}

func seconds(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func plural[N int | uint64](n N, one, many string) string {
	if n == 1 {
		many = one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// requestedOf is what was asked for: "198.51.100.1:8080/tcp".
func requestedOf(i *correlate.Incident) string { return i.Requested + "/" + i.Protocol }

// clientOf names the client, its container first.
func clientOf(i *correlate.Incident, numeric bool) string {
	if i.ClientContainer != "" && !numeric {
		return i.ClientContainer + " " + i.Client
	}
	return i.Client
}
