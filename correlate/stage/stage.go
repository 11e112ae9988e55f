// Package stage has the places where a request can end, on its way in and for its
// answer on the way back, by the names that the JSON document promises.
//
// It is a closed set: a switch over it names them all or has a default, which
// make lint checks. It must import nothing of ours.
package stage

import "slices"

// Stage is where a request ended: a hook or a place. The zero value is no stage:
// it was delivered, or only the two points are known between which it ended.
type Stage string

// On the way in.
const (
	None        Stage = ""
	NIC         Stage = "nic"
	Ingress     Stage = "ingress"
	Raw         Stage = "raw"        // prerouting, ahead of connection tracking
	Prerouting  Stage = "prerouting" // mangle and other hooks there
	DNAT        Stage = "dnat"
	Route       Stage = "route" // a missing route, forwarding turned off, rp_filter, martians
	Input       Stage = "input"
	Output      Stage = "output"
	Forward     Stage = "forward"
	Postrouting Stage = "postrouting" // and what is behind it: egress hooks, queues
	Neighbour   Stage = "neighbour"
	Bridge      Stage = "bridge"
	Veth        Stage = "veth"
	Container   Stage = "container"
	Proxy       Stage = "proxy"
	Host        Stage = "host"
)

// On the way back.
const (
	ReplyContainer   Stage = "reply-container"
	ReplyPrerouting  Stage = "reply-prerouting"
	ReplyRoute       Stage = "reply-route"
	ReplyForward     Stage = "reply-forward"
	ReplyInput       Stage = "reply-input"
	ReplyOutput      Stage = "reply-output"
	ReplyPostrouting Stage = "reply-postrouting"
	ReplyNIC         Stage = "reply-nic"
)

// all but None, in the order of the way.
var all = []Stage{
	NIC, Ingress, Raw, Prerouting, DNAT, Route, Input, Output, Forward, Postrouting, Neighbour, Bridge, Veth, Proxy, Host, Container,
	ReplyContainer, ReplyPrerouting, ReplyRoute, ReplyForward, ReplyInput, ReplyOutput, ReplyPostrouting, ReplyNIC,
}

// All lists the stages in the order of the way, without None.
func All() []Stage { return slices.Clone(all) }

// Order is the stage's position on the way; -1 of None.
func (s Stage) Order() int { return slices.Index(all, s) }

// BehindRouting reports whether a packet gets there translated and routed, and
// still before its container.
func (s Stage) BehindRouting() bool { return s == Forward || s == Postrouting }

// Reply is where the answer meets what a request meets at s. None for a bridge,
// which has one name for both ways and is told by its points alone.
func (s Stage) Reply() Stage {
	switch s {
	case Raw, DNAT, Ingress, Prerouting:
		return ReplyPrerouting
	case Route:
		return ReplyRoute
	case Forward:
		return ReplyForward
	case Input:
		return ReplyInput
	case Output:
		return ReplyOutput
	case Postrouting:
		return ReplyPostrouting
	case Container:
		return ReplyContainer
	case NIC:
		return ReplyNIC
	case None, Neighbour, Bridge, Veth, Proxy, Host:
		return None
	case ReplyContainer, ReplyPrerouting, ReplyRoute, ReplyForward, ReplyInput, ReplyOutput, ReplyPostrouting, ReplyNIC:
		return s
	}
	return None
}
