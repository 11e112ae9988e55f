package tcpdump

import (
	"regexp"
	"strconv"
)

// What tcpdump says of itself, on standard error, which a terminal mixes with lines of
// packets.
var (
	listening = regexp.MustCompile(`^(?:tcpdump: )?listening on ([^\s,]+), link-type`)
	reading   = regexp.MustCompile(`^reading from file .*, link-type|^tcpdump: (?:verbose output suppressed|data link type|WARNING)`)
	counts    = regexp.MustCompile(`^(\d+) packets? (captured|received by filter|dropped by kernel|dropped by interface)$`)
)

func isRemark(line []byte) bool {
	return listening.Match(line) || reading.Match(line) || counts.Match(line)
}

// remark takes in such a line.
func (r *reader) remark(line string) bool {
	if m := listening.FindStringSubmatch(line); m != nil {
		r.iface, r.any, r.listens = m[1], m[1] == "any", true
		return true
	}
	if m := counts.FindStringSubmatch(line); m != nil {
		n, err := strconv.ParseUint(m[1], 10, 32)
		switch {
		case err != nil:
		case m[2] == "captured":
			r.c.captured += n
		case m[2] != "received by filter":
			r.c.Lost += n
		}
		return true
	}
	return reading.MatchString(line)
}
