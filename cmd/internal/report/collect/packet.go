package collect

import (
	"fmt"
	"strings"

	"dnatrace/decode"
)

// flagNames are in the order in which they are read out.
var flagNames = []struct {
	flag decode.TCPFlags
	name string
}{{decode.SYN, "SYN"}, {decode.FIN, "FIN"}, {decode.RST, "RST"}, {decode.PSH, "PSH"}, {decode.URG, "URG"}}

// labelOf names a packet in a word or two.
func labelOf(p *decode.Packet) string {
	switch p.Kind {
	case decode.ICMPError:
		return "ICMP " + errorName(p)
	case decode.EchoRequest:
		return fmt.Sprintf("echo request %d", p.Seq)
	case decode.EchoReply:
		return fmt.Sprintf("echo reply %d", p.Seq)
	case decode.Segment:
		return segmentLabel(p)
	case decode.Chunk:
		return chunkName(p.Type)
	}
	return fmt.Sprintf("%d bytes", p.Payload)
}

func segmentLabel(p *decode.Packet) string {
	var said []string
	for _, n := range flagNames[:3] {
		if p.Flags&n.flag != 0 {
			said = append(said, n.name)
		}
	}
	if p.Flags&decode.ACK != 0 && (len(said) > 0 || p.Payload == 0) {
		said = append(said, "ACK")
	}
	label := strings.Join(said, "-")
	if p.Payload > 0 {
		label += fmt.Sprintf(" %d bytes", p.Payload)
	}
	return strings.TrimSpace(label)
}

// chunkName names the first chunk of an SCTP packet (RFC 9260 §3.2).
func chunkName(kind uint8) string {
	names := map[uint8]string{0: "DATA", 1: "INIT", 2: "INIT-ACK", 3: "SACK", 4: "HEARTBEAT", 5: "HEARTBEAT-ACK", 6: "ABORT", 7: "SHUTDOWN", 8: "SHUTDOWN-ACK", 10: "COOKIE-ECHO", 11: "COOKIE-ACK", 14: "SHUTDOWN-COMPLETE"}
	if n := names[kind]; n != "" {
		return n
	}
	return fmt.Sprintf("chunk %d", kind)
}

// errorName names an ICMP error (RFC 792, RFC 1812 §5.2.7.1, RFC 4443).
func errorName(p *decode.Packet) string {
	v4 := map[uint16]string{0x300: "net unreachable", 0x301: "host unreachable", 0x302: "protocol unreachable", 0x303: "port unreachable", 0x304: "fragmentation needed", 0x309: "net prohibited", 0x30a: "host prohibited", 0x30d: "administratively prohibited", 0xb00: "time exceeded"}
	v6 := map[uint16]string{0x100: "no route", 0x101: "administratively prohibited", 0x103: "address unreachable", 0x104: "port unreachable", 0x105: "policy fail", 0x106: "reject route", 0x200: "packet too big", 0x300: "time exceeded"}
	names := v4
	if p.Proto == decode.ICMPv6 {
		names = v6
	}
	if n := names[uint16(p.Type)<<8|uint16(p.Code)]; n != "" {
		return n
	}
	return fmt.Sprintf("error type %d code %d", p.Type, p.Code)
}

func classOf(p *decode.Packet) string {
	switch {
	case p.Kind == decode.ICMPError:
		return "error"
	case p.Kind == decode.Segment && p.Flags&decode.RST != 0, p.Kind == decode.Chunk && p.Type == 6:
		return "reset"
	case p.Kind == decode.Segment && p.Flags&decode.FIN != 0:
		return "close"
	}
	return ""
}

// detailOf says what is in the headers.
func detailOf(p *decode.Packet, q *decode.Quote) string {
	var said []string
	if p.Kind == decode.Segment {
		var flags []string
		for _, n := range flagNames {
			if p.Flags&n.flag != 0 {
				flags = append(flags, n.name)
			}
		}
		if p.Flags&decode.ACK != 0 {
			flags = append(flags, "ACK")
		}
		said = append(said, strings.Join(flags, " "), fmt.Sprintf("seq %d", p.Seq))
		if p.Flags&decode.ACK != 0 {
			said = append(said, fmt.Sprintf("ack %d", p.Ack))
		}
		said = append(said, fmt.Sprintf("window %d", p.Window))
		if p.MSS != 0 && p.Flags&decode.SYN != 0 {
			said = append(said, fmt.Sprintf("MSS %d", p.MSS))
		}
	}
	if q != nil {
		said = append(said, "about "+q.Tuple.String())
		if q.MTU != 0 {
			said = append(said, fmt.Sprintf("MTU %d", q.MTU))
		}
	} else {
		said = append(said, fmt.Sprintf("%d bytes of payload", p.Payload))
	}
	if p.IPID != 0 {
		said = append(said, fmt.Sprintf("IP id %d", p.IPID))
	}
	if p.Truncated {
		said = append(said, "cut")
	}
	return strings.Join(said, ", ")
}

func srcOf(p *decode.Packet) string {
	if p.Kind == decode.ICMPError {
		return p.Src.Addr().String()
	}
	return p.SrcEnd()
}

func dstOf(p *decode.Packet) string {
	if p.Kind == decode.ICMPError {
		return p.Dst.Addr().String()
	}
	return p.DstEnd()
}
