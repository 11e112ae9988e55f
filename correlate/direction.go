package correlate

import (
	"encoding/hex"
	"strings"

	"dnatrace/capture"
	"dnatrace/decode"
)

// facing is the direction in which a packet crossed its point: what the capture
// says, else what the interface's own link-layer address tells, else the
// addresses that are known to be the host's. Unknown is an answer.
func (t *Tracker) facing(p *decode.Packet, pt *point) capture.Direction {
	if p.Dir != capture.DirUnknown {
		return p.Dir
	}
	if pt.macs.usable() {
		from, to := p.SrcMAC == pt.macs.own, p.DstMAC == pt.macs.own
		switch {
		case from && !to:
			return capture.DirOut
		case to && !from:
			return capture.DirIn
		}
	}
	if pt.Role != capture.RoleNIC {
		return capture.DirUnknown
	}
	switch from, to := t.ours(p.Src), t.ours(p.Dst); {
	case from && !to:
		return capture.DirOut
	case to && !from:
		return capture.DirIn
	}
	return capture.DirUnknown
}

// macs are what is known of the link-layer addresses at one point. An address
// that is given counts once a frame bears it: dumps may be of another day, and
// generated captures bear any. One that the traffic contradicts is of no use.
type macs struct {
	own       [6]byte // of the interface; zero unknown
	confirmed bool    // a frame came from it, or went to it
	denied    bool    // the captured frames contradict it
}

func (m *macs) usable() bool { return m.confirmed && !m.denied && m.own != [6]byte{} }

// given takes the interface's address as the host tells it.
func (m *macs) given(own [6]byte) {
	if own != m.own {
		m.own, m.confirmed = own, false
	}
}

// bears notes that a frame bears the interface's address.
func (m *macs) bears(p *decode.Packet) {
	if !m.confirmed && m.own != [6]byte{} && (p.SrcMAC == m.own || p.DstMAC == m.own) && p.SrcMAC != p.DstMAC {
		m.confirmed = true
	}
}

// sent takes the interface's address from what the capture says that it sent: the
// host's own packets, and what it forwards. What a bridge passes on keeps its
// sender's, and what is in a tunnel bears those of another network.
func (m *macs) sent(p *decode.Packet) {
	switch {
	case p.Dir != capture.DirOut || m.denied || p.Tunneled || p.SrcMAC == [6]byte{} || p.SrcMAC == p.DstMAC:
	case m.own == [6]byte{}:
		m.own, m.confirmed = p.SrcMAC, true
	case m.own != p.SrcMAC && m.confirmed:
		m.denied = true // it passes on what others send
	}
}

// learned takes the interface's address from a request that was sent to it, and
// the answer to that.
func (m *macs) learned(to, from, answerFrom [6]byte) {
	switch {
	case m.denied || to == [6]byte{} || to[0]&1 != 0:
	case to == from || answerFrom != to:
		m.denied = true // both ways bear the same, or answers leave by another interface
	case m.own == [6]byte{}:
		m.own, m.confirmed = to, true
	case m.own != to:
		m.denied = m.confirmed
		m.own, m.confirmed = to, true
	}
}

// giveMACs takes the link-layer addresses of the points from what the host tells
// of its links.
func (t *Tracker) giveMACs() {
	for i := range t.points {
		pt := &t.points[i]
		h := t.world.host(pt.Netns)
		if h == nil {
			continue
		}
		for k := range h.Links {
			l := &h.Links[k]
			if mac, ok := parseMAC(l.MAC); ok && l.Name == pt.Name {
				pt.macs.given(mac)
			}
		}
	}
}

// parseMAC reads "02:00:00:00:00:01".
func parseMAC(s string) (mac [6]byte, ok bool) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(b) != len(mac) {
		return mac, false
	}
	return [6]byte(b), true
}
