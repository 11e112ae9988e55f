package tcpdump

import (
	"net/netip"
	"regexp"
)

// arpMessage is what a line says of an ARP message for IPv4 over Ethernet.
type arpMessage struct {
	op               byte
	sender, target   netip.Addr // invalid: not told
	senderAt, wanted mac        // zero: not told
}

var (
	arpKinds    = regexp.MustCompile(`^Ethernet \(len 6\), IPv4 \(len 4\), `)
	arpRequest  = regexp.MustCompile(`^Request who-has (\S+)(?: \(([0-9a-f:]{17}|Broadcast)[^)]*\))? tell ([^\s,]+)`)
	arpReply    = regexp.MustCompile(`^Reply (\S+) is-at ([0-9a-f:]{17})`)
	arpAnnounce = regexp.MustCompile(`^Announcement (\S+?),? `)
	arpProbe    = regexp.MustCompile(`^Probe (\S+?),? `)
)

// arp reads an ARP message. The hardware address of who asks is not in the line.
func (l *line) arp(s string) {
	s = arpKinds.ReplaceAllString(s, "") + " "
	a := arpMessage{op: 1}
	switch {
	case arpRequest.MatchString(s):
		m := arpRequest.FindStringSubmatch(s)
		a.target, a.sender = l.address(m[1], false), l.address(m[3], false)
		if m[2] != "" {
			a.wanted = macOf(m[2])
		}
		l.known = a.target.IsValid() && a.sender.IsValid()
	case arpReply.MatchString(s):
		m := arpReply.FindStringSubmatch(s)
		a.op, a.sender, a.senderAt = 2, l.address(m[1], false), macOf(m[2])
		l.known = a.sender.IsValid()
	case arpAnnounce.MatchString(s):
		a.sender = l.address(arpAnnounce.FindStringSubmatch(s)[1], false)
		a.target, l.known = a.sender, a.sender.IsValid()
	case arpProbe.MatchString(s):
		a.target = l.address(arpProbe.FindStringSubmatch(s)[1], false)
		a.sender, l.known = netip.IPv4Unspecified(), a.target.IsValid()
	default:
		l.nothing = true // another hardware or protocol
	}
	l.packet.arp = &a
}
