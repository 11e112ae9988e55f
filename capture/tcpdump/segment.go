package tcpdump

import (
	"regexp"
	"strings"
)

// Flags of TCP, as in its header.
const (
	flagFIN = 1 << iota
	flagSYN
	flagRST
	flagPSH
	flagACK
	flagURG
	flagECE
	flagCWR
)

// flagLetters are as tcpdump writes them.
var flagLetters = map[rune]byte{'F': flagFIN, 'S': flagSYN, 'R': flagRST, 'P': flagPSH, '.': flagACK, 'U': flagURG, 'E': flagECE, 'W': flagCWR}

// segment is what a line says of a TCP segment.
type segment struct {
	flags    byte
	seq, ack uint32
	hasSeq   bool // without bytes, SYN, FIN and RST, tcpdump leaves it out
	window   uint16
	options  []byte // those that the line tells, as the header has them
}

var (
	segFlags   = regexp.MustCompile(`^Flags \[([^\]]*)\]`)
	segSeq     = regexp.MustCompile(`, seq (\d+)`)
	segAck     = regexp.MustCompile(`, ack (\d+)`)
	segWindow  = regexp.MustCompile(`, win (\d+)`)
	segOptions = regexp.MustCompile(`, options \[([^\]]*)\]`)
	segLength  = regexp.MustCompile(`, length (\d+)`)
	optMSS     = regexp.MustCompile(`^mss (\d+)$`)
	optScale   = regexp.MustCompile(`^wscale (\d+)$`)
	optStamp   = regexp.MustCompile(`^TS val (\d+) ecr (\d+)$`)
)

// readSegment reads what follows the ends. A line without a length is cut.
func (l *line) readSegment(s string) {
	t := &l.tcp
	if m := segFlags.FindStringSubmatch(s); m != nil && m[1] != "none" {
		for _, c := range m[1] {
			t.flags |= flagLetters[c]
		}
	}
	t.hasSeq = segSeq.MatchString(s)
	t.seq, t.ack = uint32(count(segSeq, s)), uint32(count(segAck, s))
	t.window = uint16(count(segWindow, s))
	if m := segOptions.FindStringSubmatch(s); m != nil {
		t.readOptions(m[1])
	}
	l.known = l.known && segLength.MatchString(s)
	l.payload = count(segLength, s)
}

// readOptions turns the list of options back into bytes, in its order, and fills them
// up to a multiple of four. Those that are of no use here are left out.
func (t *segment) readOptions(s string) {
	for _, o := range strings.Split(s, ",") {
		switch {
		case o == "nop":
			t.options = append(t.options, 1)
		case o == "sackOK":
			t.options = append(t.options, 4, 2)
		case optMSS.MatchString(o):
			t.options = big.AppendUint16(append(t.options, 2, 4), uint16(count(optMSS, o)))
		case optScale.MatchString(o):
			t.options = append(t.options, 3, 3, byte(count(optScale, o)))
		case optStamp.MatchString(o):
			m := optStamp.FindStringSubmatch(o)
			t.options = big.AppendUint32(append(t.options, 8, 10), uint32(number(m[1])))
			t.options = big.AppendUint32(t.options, uint32(number(m[2])))
		}
	}
	for len(t.options)%4 != 0 {
		t.options = append(t.options, 1)
	}
	t.options = t.options[:min(len(t.options), 40)]
}
