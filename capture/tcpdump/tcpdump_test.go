package tcpdump

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func sample(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// withoutBytes is a text printed with -x, as it is without.
func withoutBytes(text []byte) []byte {
	var out bytes.Buffer
	for line := range bytes.Lines(text) {
		if !hexLine.Match(bytes.TrimRight(line, "\n")) {
			out.Write(line)
		}
	}
	return out.Bytes()
}

// What -v prints of a packet is all of its headers but checksums, type of service and
// the like: the bytes that -x prints beside it say so.
func TestHeadersAreThoseOfThePacket(t *testing.T) {
	for _, name := range []string{"whole.txt", "no-listener-udp.txt", "mtu-told.txt", "echo-delivered.txt", "delivered-ipv6-routed.txt"} {
		text := sample(t, name)
		real, told := Read(text, ""), Read(withoutBytes(text), "")
		if real.Unread+told.Unread > 0 || real.Packets == 0 || real.Packets != told.Packets {
			t.Fatalf("%s: %d packets by their bytes and %d by their lines; not read are %q and %q", name, real.Packets, told.Packets, real.Example, told.Example)
		}
		for i := range told.frames {
			want, got := real.frames[i], told.frames[i]
			a, b := masked(want.data), masked(got.data)
			if n := min(len(a), len(b)); !bytes.Equal(a[:n], b[:n]) {
				t.Errorf("%s, packet %d:\n%x is told by its line\n%x it was", name, i+1, b, a)
			}
			if want.orig != got.orig && a[14+6] != 58 { // what discovery has behind it is options
				t.Errorf("%s, packet %d: %d bytes by its line, %d it had", name, i+1, got.orig, want.orig)
			}
		}
	}
}

// masked is a frame without what no line tells: type of service, checksums, the flow
// label, and what ICMP carries and quotes.
func masked(frame []byte) []byte {
	b := slices.Clone(frame)
	transport := 14 + 20
	switch b[12] {
	case 0x86:
		transport = 14 + 40
		copy(b[14:], []byte{0x60, 0, 0, 0})
	case 0x08:
		if b[13] == 6 {
			return withoutUntold(b)
		}
		b[15] = 0
		copy(b[24:], []byte{0, 0})
	}
	proto := b[14+9]
	if b[12] == 0x86 {
		proto = b[14+6]
	}
	for at, n := range map[byte]int{protoTCP: 16, protoUDP: 6, protoICMP: 2, protoICMPv6: 2} {
		if proto == at && len(b) >= transport+n+2 {
			copy(b[transport+n:], []byte{0, 0})
		}
	}
	if proto == protoICMP && len(b) >= transport+8+20 { // of the quoted packet
		copy(b[transport+8+1:], []byte{0})
		copy(b[transport+8+10:], []byte{0, 0})
		b = b[:transport+8+20+4]
	}
	return b
}

// withoutUntold is an ARP message without the hardware address of who asks, and whom a
// reply is for.
func withoutUntold(b []byte) []byte {
	if b[14+7] == 1 {
		clear(b[14+8 : 14+14])
	} else {
		clear(b[14+18:])
	}
	return b
}

func TestInterfacesAndDirectionsAreThoseOfTheLines(t *testing.T) {
	for _, name := range []string{"any.txt", "any-e.txt", "any-names.txt", "any-S-ttt.txt"} {
		c := Read(sample(t, name), "any")
		if c.Unread > 0 || c.Lost > 0 || c.Packets == 0 {
			t.Errorf("%s: %d packets, %d lines not read, such as %q, %d lost", name, c.Packets, c.Unread, c.Example, c.Lost)
		}
		points := slices.Clone(c.points)
		slices.Sort(points)
		if got := strings.Join(points, " "); got != "docker0 eth0 veth1a2b3c4" {
			t.Errorf("%s: interfaces %q", name, got)
		}
		in := 0
		for _, f := range c.frames {
			if f.dir == dirIn {
				in++
			}
			if f.dir == 0 {
				t.Errorf("%s: a packet without a direction", name)
			}
		}
		if in == 0 || in == len(c.frames) {
			t.Errorf("%s: %d of %d packets came in", name, in, len(c.frames))
		}
	}
}

// A connection's numbers are the same with -S and without, and at each interface.
func TestRelativeNumbersBecomeThoseOfThePackets(t *testing.T) {
	c := Read(sample(t, "any.txt"), "any")
	var syn, push uint32
	for _, f := range c.frames {
		if f.data[13] != 0 || f.data[14+9] != protoTCP {
			continue
		}
		tcp := f.data[34:]
		seq, ack := big.Uint32(tcp[4:]), big.Uint32(tcp[8:])
		switch {
		case tcp[13] == flagSYN && syn == 0:
			syn = seq
		case tcp[13] == flagPSH|flagACK && push == 0:
			push = seq
			if seq != syn+1 {
				t.Errorf("the first bytes have number %d behind a SYN of %d", seq, syn)
			}
		case tcp[13] == flagPSH|flagACK && big.Uint16(tcp[2:]) < 10000 && seq != push:
			t.Errorf("the same bytes have number %d at the next interface, and %d before", seq, push)
		case tcp[13] == flagACK && ack < 1000:
			t.Errorf("an acknowledgement of %d was left as it was printed", ack)
		}
	}
	if push == 0 {
		t.Fatal("no bytes seen")
	}
	plain := Read(sample(t, "any-S-ttt.txt"), "any")
	for _, f := range plain.frames {
		if f.data[12] == 8 && f.data[13] == 0 && f.data[14+9] == protoTCP && f.data[34+13] == flagPSH|flagACK {
			if got := big.Uint32(f.data[34+4:]); got != 3391041466 && got>>24 == 0 {
				t.Errorf("a number printed with -S became %d", got)
			}
		}
	}
}

const syn = "IP 198.51.100.100.50110 > 198.51.100.1.8080: Flags [S], seq 7, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0\n"

func TestTimesAreReadAsTheyArePrinted(t *testing.T) {
	const s, ms = int64(1e9), int64(1e6)
	for _, c := range []struct {
		flag  string
		lines []string
		clock Clock
		want  []int64
	}{
		{"none", []string{"12:00:01.000001 ", "12:00:02.500000 "}, Daily, []int64{43201*s + 1000, 43202*s + 500*ms}},
		{"none, past midnight", []string{"23:59:59.000000 ", "00:00:01.000000 "}, Daily, []int64{86399 * s, 86401 * s}},
		{"-tt", []string{"1740830400.000001 ", "1740830401.000000 "}, Epoch, []int64{1740830400*s + 1000, 1740830401 * s}},
		{"-tt --nano", []string{"1740830400.000000001 "}, Epoch, []int64{1740830400*s + 1}},
		{"-tttt", []string{"2025-03-01 12:00:00.000000 "}, Dated, []int64{1740830400 * s}},
		{"-ttt", []string{" 00:00:00.000000 ", " 00:00:01.000000 ", " 00:00:00.500000 "}, Relative, []int64{s, 2 * s, 2*s + 500*ms}},
		{"-ttttt", []string{" 00:00:00.000000 ", " 00:00:01.000000 ", " 00:00:01.500000 "}, Relative, []int64{s, 2 * s, 2*s + 500*ms}},
	} {
		text := ""
		for _, l := range c.lines {
			text += l + syn
		}
		got := Read([]byte(text), "")
		var times []int64
		for _, f := range got.frames {
			times = append(times, f.time)
		}
		if got.Clock != c.clock || !slices.Equal(times, c.want) {
			t.Errorf("%s: clock %v, times %v, want %v, %v", c.flag, got.Clock, times, c.clock, c.want)
		}
	}
}

func TestWhatALineDoesNotTellIsCounted(t *testing.T) {
	const at = "12:00:00.000000 "
	for _, c := range []struct {
		why, line string
		names     string
		nothing   bool
	}{
		{"hosts are named", at + strings.Replace(syn, "198.51.100.100", "client.example", 1), "client.example", false},
		{"-q leaves the flags out", at + "IP 198.51.100.100.50110 > 198.51.100.1.8080: tcp 0\n", "", false},
		{"-t leaves the time out", syn, "", false},
		{"a line is cut", at + "IP 198.51.100.100.50110 > 198.51.100.1.8080: Flags [S], seq 7, win\n", "", false},
		{"a tunnel is not looked into", at + "IP 198.51.100.100 > 198.51.100.1: GREv0, length 88: IP 10.0.0.1.5 > 10.0.0.2.80: Flags [S], seq 1, win 1, length 0\n", "", false},
		{"a tree is no request", at + "STP 802.1d, Config, Flags [none], bridge-id 8000.02:42:00:00:00:01.8001, length 43\n", "", true},
		{"nor are groups", at + "IP6 fe80::1 > ff02::16: HBH ICMP6, multicast listener report v2, 2 group record(s), length 48\n", "", true},
	} {
		got := Read([]byte(c.line), "")
		if got.Packets != 0 || (got.Unread == 0) != c.nothing || strings.Join(got.Names, " ") != c.names {
			t.Errorf("%s: %d packets, %d lines not read, names %q", c.why, got.Packets, got.Unread, got.Names)
		}
	}
}

func TestLinesThatAreMissingAreLost(t *testing.T) {
	for _, c := range []struct {
		end  string
		lost uint64
	}{
		{"1 packet captured\n1 packet received by filter\n0 packets dropped by kernel\n", 0},
		{"1 packet captured\n9 packets received by filter\n8 packets dropped by kernel\n", 8},
		{"5 packets captured\n5 packets received by filter\n0 packets dropped by kernel\n", 4},
	} {
		if got := Read([]byte("12:00:00.000000 "+syn+"\n"+c.end), ""); got.Lost != c.lost {
			t.Errorf("%d lost, want %d, of %q", got.Lost, c.lost, c.end)
		}
	}
}

// A text of all interfaces that does not name them has each packet several times.
func TestOnePacketSeveralTimesIsOfAllInterfaces(t *testing.T) {
	twice := "12:00:00.000000 " + syn + "12:00:00.000010 " + syn
	again := "12:00:00.000000 " + syn + "12:00:01.000010 " + syn
	for text, want := range map[string]bool{twice: true, again: false} {
		if got := Read([]byte(text), "").frames[0].cooked; got != want {
			t.Errorf("of all interfaces: %v, of %q", got, text)
		}
	}
}

// Nothing but lines of tcpdump are taken for some.
func TestIsLine(t *testing.T) {
	for line, want := range map[string]bool{
		"12:00:00.000000 IP 198.51.100.100.50110 > 198.51.100.1.8080: Flags [S], seq 7, win 1, length 0":              true,
		"12:00:00.000000 eth0  In  IP 198.51.100.100.50110 > 198.51.100.1.8080: Flags [S], seq 7, win 1, length 0":    true,
		"12:00:00.000000 02:42:ac:11:00:02 > 02:42:ac:11:00:03, ethertype IPv4 (0x0800), length 74: 1.1.1.1.1 > 1: x": true,
		"2025-03-01 12:00:00.000000 ARP, Request who-has 172.17.0.2 tell 172.17.0.1, length 28":                       true,
		"listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes":                                true,
		"3 packets dropped by kernel":                                            true,
		"12:00:00.000000 sshd[12]: Accepted publickey for root":                  false,
		"2025-03-01 12:00:00.000000 level=info msg=started":                      false,
		"default via 198.51.100.1 dev eth0":                                      false,
		"172.17.0.2 dev docker0 lladdr 02:42:ac:11:00:02 REACHABLE":              false,
		"tcp LISTEN 0 128 0.0.0.0:80 0.0.0.0:*":                                  false,
		"[1700000000.123456] [UPDATE] tcp 6 60 SYN_RECV src=1.1.1.1 dst=1.1.1.2": false,
	} {
		if got := IsLine([]byte(line)); got != want {
			t.Errorf("%v, of %q", got, line)
		}
	}
}

// A capture is laid out as pcapng wants it: every block has its length at both ends.
func TestBlocksHaveTheirLengthTwice(t *testing.T) {
	b := Read(append(sample(t, "any.txt"), "12:00:00.000000 eth0  In  IP a.b > c.d: Flags [S]\n"...), "any").PCAPNG("any", "web")
	blocks := map[uint32]int{}
	for len(b) > 0 {
		size := int(le.Uint32(b[4:]))
		if size < 12 || size > len(b) || size%4 != 0 || int(le.Uint32(b[size-4:])) != size {
			t.Fatalf("a block says that it is %d bytes long", size)
		}
		blocks[le.Uint32(b)]++
		b = b[size:]
	}
	if got := fmt.Sprint(blocks[blockSection], blocks[blockInterface], blocks[blockStats]); got != "1 3 1" {
		t.Errorf("sections, interfaces and losses: %s", got)
	}
}

func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		f.Fatal("no samples")
	}
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := Read(text, "")
		c.PCAPNG("x", "")
		for line := range bytes.Lines(text) {
			IsLine(line)
		}
	})
}
