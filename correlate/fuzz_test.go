package correlate_test

import (
	"testing"

	"dnatrace/decode"
)

// FuzzTracker makes a stream of bytes: no stream makes a Tracker panic, and how
// it is cut into batches changes nothing.
func FuzzTracker(f *testing.F) {
	for _, r := range everyRow() {
		f.Add(encode(r.tell()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole := document(decoded(data).run(feeding{batch: 256}))
		single := document(decoded(data).run(feeding{batch: 1}))
		if whole != single {
			diff(t, whole, single)
		}
	})
}

// A happening takes 8 bytes: what, where, two ends, flags, numbers and the time
// since the last one.
const sizeOf = 8

// endsOf are the ends a fuzzed packet may have.
var endsOf = []string{"C", "D", "H", "W", "U", "V", "P", "Q", "C6", "H6", "W6", "198.51.100.1", "172.17.0.2", "127.0.0.1:8080", "172.17.0.3:80", "224.0.0.1:5"}

var kindsOf = []decode.Kind{decode.Segment, decode.Datagram, decode.EchoRequest, decode.EchoReply, decode.Chunk, decode.ARPRequest, decode.ARPReply, decode.Solicit, decode.Advertise, decode.ICMPError, decode.Tail, decode.Other}

var protosOf = map[decode.Kind]decode.Proto{decode.Segment: decode.TCP, decode.Datagram: decode.UDP, decode.EchoRequest: decode.ICMP, decode.EchoReply: decode.ICMP, decode.Chunk: decode.SCTP, decode.ICMPError: decode.ICMP}

// decoded is the story that bytes tell.
func decoded(data []byte) *story {
	s := dockerHost()
	withPeer(s)
	proxyFor8080(s)
	s.config.Capacity = 8
	st := &story{scene: s, opening: s.opening()}
	at := epoch
	for frame := uint64(1); len(data) >= sizeOf; frame++ {
		b := [sizeOf]byte(data)
		data = data[sizeOf:]
		at += 1 << (b[7] % 34) // up to 17 s
		switch b[0] % 16 {
		case 13:
			st.event(at, conntrack(at, []string{"new", endsOf[b[2]%11], ">", endsOf[b[3]%11], "translated", endsOf[b[4]%11], ">", endsOf[b[5]%11]}))
		case 14:
			st.event(at, &decode.Loss{Time: at})
		case 15:
			s.web().State = []string{"running", "paused", "exited"}[b[2]%3]
			st.events(at, s.state(at))
		default:
			st.lines = append(st.lines, fuzzed(b, at, frame, uint16(len(s.points))))
		}
	}
	st.end = at
	return st
}

func fuzzed(b [sizeOf]byte, at int64, frame uint64, points uint16) happening {
	p := decode.Packet{Time: at, Frame: frame, Kind: kindsOf[b[0]%16%12], Point: uint16(b[1]) % (points + 1)}
	p.Tuple = tuple(endsOf[b[2]%16], endsOf[b[3]%16])
	p.Proto = protosOf[p.Kind]
	p.Flags = decode.TCPFlags(b[4])
	p.Seq, p.Ack, p.Payload = 100+uint32(b[5]), 100+uint32(b[6]), uint32(b[6]%4)
	p.Type, p.Code = b[5]%16, b[6]%16
	h := happening{at: at, packet: p}
	if p.Kind == decode.ICMPError {
		h.packet.Quote = 1
		q := decode.Quote{Ports: b[4]&1 == 0, MTU: uint32(b[6] % 2)}
		q.Tuple = tuple(endsOf[b[4]%11], endsOf[b[5]%11])
		h.quote = &q
	}
	return h
}

// encode is a seed: the packets of a story as bytes that decode to something
// much like them.
func encode(st *story) []byte {
	var out []byte
	for i := range st.lines {
		l := &st.lines[i]
		if l.event != nil {
			out = append(out, 13, 0, 0, 2, 3, 0, 0, 10)
			continue
		}
		p := &l.packet
		kind := byte(0)
		for k := range kindsOf {
			if kindsOf[k] == p.Kind {
				kind = byte(k)
			}
		}
		out = append(out, kind, byte(p.Point), place(p.Tuple.SrcEnd()), place(p.Tuple.DstEnd()), byte(p.Flags), byte(p.Seq), byte(p.Payload), 13)
	}
	return out
}

func place(e string) byte {
	for i, name := range endsOf {
		if ends[name] == e {
			return byte(i)
		}
	}
	return 0
}
