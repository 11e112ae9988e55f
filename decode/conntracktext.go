package decode

import (
	"bytes"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/capture"
)

// conntrackText decodes what conntrack -L prints, one entry a line:
//
//	tcp      6 117 TIME_WAIT src=198.51.100.100 dst=198.51.100.1 sport=40000 dport=8080 src=172.17.0.2 dst=198.51.100.100 sport=80 dport=40000 [ASSURED] mark=0 use=1
//
// and with -o extended "ipv4     2 " before it. Other lines are passed over: the
// program counts the entries at the end.
func conntrackText(r capture.Record) ([]Event, error) {
	var events []Event
	var bad error
	number := 0
	for b := r.Data; len(b) > 0; {
		line, rest, _ := bytes.Cut(b, []byte{'\n'})
		b = rest
		number++
		if !bytes.Contains(line, []byte("src=")) {
			continue
		}
		c := &Conntrack{Time: r.Time, Netns: r.Netns, Change: ConntrackListed, Undated: true}
		if err := c.readLine(string(line)); err == nil {
			events = append(events, c)
		} else if bad == nil {
			bad = fmt.Errorf("decode conntrack text, line %d: %w", number, err)
		}
	}
	return events, bad
}

// tcpStates are the names that conntrack gives the states (libnetfilter_conntrack,
// src/conntrack/snprintf_default.c).
var tcpStates = map[string]uint8{
	"SYN_SENT": StateSynSent, "SYN_RECV": StateSynRecv, "ESTABLISHED": StateEstablished, "FIN_WAIT": StateFinWait,
	"CLOSE_WAIT": StateCloseWait, "LAST_ACK": StateLastAck, "TIME_WAIT": StateTimeWait, "CLOSE": StateClose, "SYN_SENT2": StateSynSent2,
}

// readLine fills c from the words of a line. What is said twice belongs to the
// original direction first.
func (c *Conntrack) readLine(line string) error {
	words := strings.Fields(line)
	if len(words) > 2 && (words[0] == "ipv4" || words[0] == "ipv6") {
		words = words[2:]
	}
	if len(words) < 2 {
		return errCut
	}
	proto, err := strconv.ParseUint(words[1], 10, 8)
	if err != nil {
		return fmt.Errorf("protocol %.20q is no number", words[1])
	}
	c.Orig.Proto, c.Reply.Proto = Proto(proto), Proto(proto)
	c.Status = StatusConfirmed | StatusSeenReply
	way, seen := &c.Orig, false
	for _, w := range words[2:] {
		key, value, pair := strings.Cut(w, "=")
		if key == "src" {
			if seen {
				way = &c.Reply
			}
			seen = true
		}
		if err := c.word(way, key, value, pair); err != nil {
			return err
		}
	}
	if c.Orig.Src == (IP{}) || c.Orig.Dst == (IP{}) || c.Reply.Src == (IP{}) || c.Reply.Dst == (IP{}) {
		return fmt.Errorf("entry without both tuples: %w", errCut)
	}
	c.translation()
	return nil
}

func (c *Conntrack) word(way *Tuple, key, value string, pair bool) (err error) {
	switch key {
	case "src", "dst":
		a, err := netip.ParseAddr(value)
		if err != nil {
			return fmt.Errorf("address %.60q is none", value)
		}
		if key == "src" {
			way.Src = IPFrom(a)
		} else {
			way.Dst = IPFrom(a)
		}
	case "sport":
		way.SrcPort, err = port(value)
	case "dport":
		way.DstPort, err = port(value)
	case "id":
		way.SrcPort, err = port(value)
		way.DstPort = way.SrcPort
	case "zone":
		c.Zone, err = port(value)
	case "[ASSURED]":
		c.Status |= StatusAssured
	case "[UNREPLIED]":
		c.Status &^= StatusSeenReply
	default:
		if s, ok := tcpStates[key]; ok && !pair && c.Orig.Proto == TCP {
			c.State = s
		}
	}
	return err
}

// translation sets the status that the tuples imply.
func (c *Conntrack) translation() {
	if c.Reply.Src != c.Orig.Dst || c.Reply.SrcPort != c.Orig.DstPort {
		c.Status |= StatusDstNAT
	}
	if c.Reply.Dst != c.Orig.Src || c.Reply.DstPort != c.Orig.SrcPort {
		c.Status |= StatusSrcNAT
	}
}

func port(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil {
		return 0, fmt.Errorf("number %.20q is none of 16 bits", s)
	}
	return uint16(n), nil
}
