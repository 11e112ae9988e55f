package correlate

import (
	"math/rand/v2"
	"testing"
	"time"

	"dnatrace/capture"
	"dnatrace/decode"
)

// flooded is a tracker that is fed packets at the NIC and the bridge.
type flooded struct {
	*Tracker
	t     *testing.T
	frame uint64
	batch decode.Batch
}

func newFlooded(t *testing.T, c Config) *flooded {
	f := &flooded{Tracker: New(c), t: t}
	for i, name := range []string{"eth0", "docker0"} {
		f.Event(&decode.Point{Point: capture.Point{ID: uint16(i), Name: name, Netns: capture.HostNetns, Role: []capture.Role{capture.RoleNIC, capture.RoleBridge}[i], Counting: true}})
	}
	return f
}

var (
	floodedHost   = decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 1}
	floodedServer = decode.IP{10: 0xff, 11: 0xff, 12: 172, 13: 17, 14: 0, 15: 2}
)

// say has a segment go by at both points, from a client or back to it.
func (f *flooded) say(at time.Duration, client decode.IP, port uint16, flags decode.TCPFlags, seq, ack, payload uint32, back bool) {
	for i, to := range []decode.Tuple{{Src: client, SrcPort: port, Dst: floodedHost, DstPort: 8080, Proto: decode.TCP}, {Src: client, SrcPort: port, Dst: floodedServer, DstPort: 80, Proto: decode.TCP}} {
		f.frame++
		p := decode.Packet{Time: 1e18 + int64(at) + int64(i), Frame: f.frame, Tuple: to, Point: uint16(i), Kind: decode.Segment, Flags: flags, Seq: seq, Ack: ack, Payload: payload, Dir: capture.DirIn, Window: 1000}
		if back {
			p.Tuple = to.Reverse()
		}
		if back == (i == 0) {
			p.Dir = capture.DirOut
		}
		f.batch.Packets = append(f.batch.Packets, p)
	}
	f.Packets(&f.batch)
	f.batch.Packets = f.batch.Packets[:0]
}

// In a flood of SYNs nobody is accused, and it is told as one: whatever the
// senders choose, with SYN-ACKs or without. Real clients beside it are told as ever:
// one that tries again and gets nothing, one that is answered.
func TestAFloodOfSYNsIsToldAsOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	anybody := func(i int) (decode.IP, uint16, uint32) {
		return decode.IP{10: 0xff, 11: 0xff, 12: 203, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}, uint16(1024 + rng.IntN(60000)), rng.Uint32()
	}
	for _, c := range []struct {
		name      string
		next      func(i int) (decode.IP, uint16, uint32)
		answered  bool
		addresses int
		requests  int
	}{
		{"random", anybody, false, 20000, 20000},
		{"answered by SYN-ACKs", anybody, true, 20000, 20000},
		{"equal initial sequence numbers", func(i int) (decode.IP, uint16, uint32) { ip, port, _ := anybody(i); return ip, port, 7 }, false, 20000, 20000},
		{"equal ports", func(i int) (decode.IP, uint16, uint32) { ip, _, isn := anybody(i); return ip, 4000, isn }, false, 20000, 20000},
		{"one address", func(i int) (decode.IP, uint16, uint32) { ip, _, isn := anybody(0); return ip, uint16(1024 + i), isn }, false, 1, 20000},
		{"one address, its ports used again and again", func(i int) (decode.IP, uint16, uint32) {
			ip, _, isn := anybody(0)
			return ip, uint16(1024 + i%3000), isn
		}, false, 1, 20000},
		{"the same SYNs after 1.5 s, all of one sequence number", func(i int) (decode.IP, uint16, uint32) { ip, _, _ := anybody(i % 3000); return ip, 4000, 7 }, true, 3000, 3000},
		{"the same few SYNs sooner than any client sends them", func(i int) (decode.IP, uint16, uint32) {
			ip, _, _ := anybody(i % 50)
			return ip, 4000, uint32(i%50) * 2654435761
		}, false, 50, 50},
	} {
		t.Run(c.name, func(t *testing.T) {
			var begun []FloodReport
			f := newFlooded(t, Config{Keep: -1, OnFlood: func(r *FloodReport) { begun = append(begun, *r) }})
			real := decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 9}
			const count, every = 20000, 500 * time.Microsecond
			for i := range count {
				at := time.Duration(i) * every
				ip, port, isn := c.next(i)
				f.say(at, ip, port, decode.SYN, isn, 0, 0, false)
				if c.answered {
					f.say(at+10000, ip, port, decode.SYN|decode.ACK, 5, isn+1, 0, true)
				}
				switch i {
				case 4000, 6000, 10000: // at 2, 3 and 5 s
					f.say(at+20000, real, 5000, decode.SYN, 99, 0, 0, false)
				case 8000:
					f.say(at+20000, real, 5001, decode.SYN, 100, 0, 0, false)
					f.say(at+30000, real, 5001, decode.SYN|decode.ACK, 200, 101, 0, true)
					f.say(at+40000, real, 5001, decode.ACK, 101, 201, 50, false)
					f.say(at+50000, real, 5001, decode.ACK, 201, 151, 50, true)
				}
			}
			if c.name != "random" { // there it ends in the middle of the flood
				f.Advance(1e18 + int64(30*time.Second))
			}
			d := f.Finish()
			if len(d.Requests) != 2 || d.Summary.Delivered != 1 || d.Requests[0].Attempts != 3 || d.Requests[0].Verdict == Delivered {
				t.Errorf("told of %d requests: %+v", len(d.Requests), d.Summary)
			}
			if len(d.Recording.Floods) != 1 {
				t.Fatalf("%d floods are told", len(d.Recording.Floods))
			}
			got := d.Recording.Floods[0]
			if len(begun) != 1 || begun[0].To != got.To || begun[0].Last.After(got.First.Add(5*time.Second)) {
				t.Errorf("told of as it began: %+v", begun)
			}
			if got.To != "198.51.100.1:8080" || got.Packets != count || got.Requests != c.requests || d.Summary.Flooded != c.requests || d.Summary.Open+d.Summary.Evicted > 0 {
				t.Errorf("%+v, %+v", got, d.Summary)
			}
			if off := got.Addresses - c.addresses; off*100 > c.addresses || -off*100 > c.addresses {
				t.Errorf("%d addresses, want about %d", got.Addresses, c.addresses)
			}
		})
	}
}

// Memory stays bounded in a flood, and no request that is known to be real has to
// go for it.
func TestAFloodTakesNoRequestsPlace(t *testing.T) {
	f := newFlooded(t, Config{Keep: -1, Capacity: 2000})
	real := decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 9}
	f.say(0, real, 5000, decode.SYN, 99, 0, 0, false)
	f.say(time.Second, real, 5000, decode.SYN, 99, 0, 0, false)
	for i := range 50000 {
		f.say(time.Second+time.Duration(i+1)*20*time.Microsecond, decode.IP{12: 10, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}, 4000, decode.SYN, uint32(i)*3, 0, 0, false)
		if live := f.requests.live(); live > 2000 {
			t.Fatalf("%d requests are held", live)
		}
	}
	f.Advance(1e18 + int64(30*time.Second))
	if d := f.Finish(); len(d.Requests) != 1 || d.Requests[0].Attempts != 2 || d.Summary.Flooded != 50000 || d.Summary.Evicted != 0 {
		t.Errorf("told of %d requests: %+v", len(d.Requests), d.Summary)
	}
}

// A client that tries again is known by its hash where its first request had to go.
func TestWhoTriesAgainIsKnownAlthoughItsRequestHadToGo(t *testing.T) {
	f := newFlooded(t, Config{Keep: -1})
	real := decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 9}
	const count, every = 300_000, 10 * time.Microsecond
	for i := range count {
		f.say(time.Duration(i)*every, decode.IP{12: 10, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)}, 4000, decode.SYN, uint32(i)*2654435761, 0, 0, false)
		if i == 250_000 {
			f.say(time.Duration(i)*every, real, 5000, decode.SYN, 99, 0, 0, false)
		}
		if i == 150_000 {
			f.say(time.Duration(i)*every, real, 5000, decode.SYN, 99, 0, 0, false)
		}
		if live := f.requests.live(); live > floodHeld+50_000 {
			t.Fatalf("%d requests are held", live)
		}
	}
	f.Advance(1e18 + int64(30*time.Second))
	if d := f.Finish(); len(d.Requests) != 1 || d.Requests[0].Verdict == Delivered || d.Summary.Flooded != count || d.Recording.Floods[0].Requests != count {
		t.Errorf("told of %d requests: %+v, %+v", len(d.Requests), d.Summary, d.Recording.Floods)
	}
}

// send has a datagram go by at both points, and ask or answer.
func (f *flooded) send(at time.Duration, client decode.IP, port uint16, digest uint32, back bool) {
	for i, to := range []decode.Tuple{{Src: client, SrcPort: port, Dst: floodedHost, DstPort: 8080, Proto: decode.UDP}, {Src: client, SrcPort: port, Dst: floodedServer, DstPort: 80, Proto: decode.UDP}} {
		f.frame++
		p := decode.Packet{Time: 1e18 + int64(at) + int64(i), Frame: f.frame, Tuple: to, Point: uint16(i), Kind: decode.Datagram, Seq: digest, Payload: 40, Dir: capture.DirIn}
		if back {
			p.Tuple = to.Reverse()
		}
		if back == (i == 0) {
			p.Dir = capture.DirOut
		}
		f.batch.Packets = append(f.batch.Packets, p)
	}
	f.Packets(&f.batch)
	f.batch.Packets = f.batch.Packets[:0]
}

// refuse has an ICMP error go back to the client at the NIC.
func (f *flooded) refuse(at time.Duration, client decode.IP, port uint16) {
	f.frame++
	quoted := decode.Tuple{Src: client, SrcPort: port, Dst: floodedHost, DstPort: 8080, Proto: decode.UDP}
	f.batch.Packets = append(f.batch.Packets, decode.Packet{
		Time: 1e18 + int64(at), Frame: f.frame, Tuple: decode.Tuple{Src: floodedHost, Dst: client, Proto: decode.ICMP}, Kind: decode.ICMPError, Type: 3, Code: 3, Quote: 1, Dir: capture.DirOut,
	})
	f.batch.Quotes = []decode.Quote{{Tuple: quoted, Ports: true}}
	f.Packets(&f.batch)
	f.batch.Packets = f.batch.Packets[:0]
}

// Datagrams of many strangers that nobody answers are told as one flood, and so are
// those that ICMP errors answer, once the first of them were told. A client that
// goes on, or is answered, is told as ever; and so are the senders of a protocol
// that has no answers.
func TestAFloodOfDatagramsIsToldAsOne(t *testing.T) {
	const count, every = 20000, 500 * time.Microsecond
	real := decode.IP{10: 0xff, 11: 0xff, 12: 198, 13: 51, 14: 100, 15: 9}
	stranger := func(i int) (decode.IP, uint16) {
		return decode.IP{10: 0xff, 11: 0xff, 12: 203, 13: 0, 14: byte(i >> 8), 15: byte(i)}, 4000
	}
	for _, c := range []struct {
		name    string
		next    func(i int) (decode.IP, uint16)
		refused bool
		floods  int
		one     int // requests that are told one by one, at most
	}{
		{"unanswered", stranger, false, 1, 2},
		{"refused", stranger, true, 1, 2500},
		{"from one address", func(i int) (decode.IP, uint16) { return decode.IP{12: 10, 15: 1}, uint16(1024 + i) }, false, 0, count + 2},
		{"streams of many", func(i int) (decode.IP, uint16) { return stranger(i % 2000) }, false, 0, 2002},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFlooded(t, Config{Keep: -1})
			for i := range count {
				at := time.Duration(i) * every
				ip, port := c.next(i)
				f.send(at, ip, port, 5, false) // all say the same
				if c.refused {
					f.refuse(at+20000, ip, port)
				}
				switch i {
				case 9000, 19000: // twice, and is not answered
					f.send(at+30000, real, 5000, 77, false)
				case 8000:
					f.send(at+30000, real, 5001, 78, false)
					f.send(at+40000, real, 5001, 79, true)
				}
			}
			f.Advance(1e18 + int64(60*time.Second))
			d := f.Finish()
			if len(d.Recording.Floods) != c.floods {
				t.Fatalf("%d floods are told, of %+v", len(d.Recording.Floods), d.Summary)
			}
			found := 0
			for i := range d.Requests {
				switch q := &d.Requests[i]; q.Client {
				case "198.51.100.9:5000":
					found += q.Attempts
				case "198.51.100.9:5001":
					if q.Verdict == Delivered {
						found++
					}
				}
			}
			if found != 3 || len(d.Requests) > c.one || d.Summary.Flooded+len(d.Requests) != min(c.one, count+2) && c.floods == 0 || d.Summary.Open+d.Summary.Evicted > 0 {
				t.Errorf("%d requests are told, of the client %d of 3 packets: %+v", len(d.Requests), found, d.Summary)
			}
			if c.floods == 0 {
				return
			}
			got := d.Recording.Floods[0]
			if got.Protocol != "udp" || got.To != "198.51.100.1:8080" || got.Requests != d.Summary.Flooded || got.Requests+len(d.Requests) != count+2 || c.refused != (got.Refused == got.Requests) {
				t.Errorf("%+v, %d requests, %+v", got, len(d.Requests), d.Summary)
			}
		})
	}
}

// A request that was counted in a flood is judged as any other as soon as its
// client goes on, however late.
func TestWhoComesBackIsTakenOutOfTheFlood(t *testing.T) {
	f := newFlooded(t, Config{Keep: -1})
	client := func(i int) decode.IP { return decode.IP{12: 10, 14: byte(i >> 8), 15: byte(i)} }
	for i := range 3000 {
		f.say(time.Duration(i)*100*time.Microsecond, client(i), 4000, decode.SYN, uint32(i)*7, 0, 0, false)
	}
	for i := range 100 { // again
		f.say(5*time.Second+time.Duration(i)*time.Millisecond, client(i), 4000, decode.SYN, uint32(i)*7, 0, 0, false)
	}
	for i := 100; i < 200; i++ { // accepted late, and served
		at, isn := 6*time.Second+time.Duration(i)*time.Millisecond, uint32(i)*7
		f.say(at, client(i), 4000, decode.SYN|decode.ACK, 50, isn+1, 0, true)
		f.say(at+100000, client(i), 4000, decode.ACK, isn+1, 51, 9, false)
		f.say(at+200000, client(i), 4000, decode.ACK, 51, isn+10, 9, true)
	}
	f.Advance(1e18 + int64(60*time.Second))
	d := f.Finish()
	if d.Summary.Flooded != 2800 || d.Summary.Delivered != 100 || len(d.Requests) != 200 || d.Recording.Floods[0].Requests != 2800 {
		t.Errorf("%d requests are told, %+v", len(d.Requests), d.Summary)
	}
}

// Many clients whose SYNs are dropped are no flood: they try again. Nor are few
// that do not.
func TestAnOutageIsNoFlood(t *testing.T) {
	for _, c := range []struct {
		name         string
		clients, try int
	}{{"many clients that try again", 3000, 2}, {"few that do not", 900, 1}} {
		f := newFlooded(t, Config{Keep: -1})
		for try := range c.try {
			for i := range c.clients {
				f.say(time.Duration(try)*time.Second+time.Duration(i)*100*time.Microsecond, decode.IP{12: 10, 14: byte(i >> 8), 15: byte(i)}, 4000, decode.SYN, uint32(i)*7, 0, 0, false)
			}
		}
		f.Advance(1e18 + int64(30*time.Second))
		if d := f.Finish(); len(d.Requests) != c.clients || len(d.Recording.Floods) > 0 || d.Summary.Flooded > 0 {
			t.Errorf("%s: told of %d requests, %+v", c.name, len(d.Requests), d.Summary)
		}
	}
}
