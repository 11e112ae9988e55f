package tcpdump

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Clock says what the times of a text are measured from. Those of different clocks
// cannot be put in order.
type Clock uint8

// Clocks, the one that says most first.
const (
	Untimed  Clock = iota // -t: no times
	Epoch                 // -tt: seconds since 1970
	Dated                 // -tttt: date and time, in a time zone that is not told
	Daily                 // the time of day
	Relative              // -ttt, -ttttt: since the packet before, or the first
)

// String says what a clock is, as a sentence needs it.
func (c Clock) String() string {
	return [...]string{"no times", "seconds since 1970", "dates without a time zone", "times without a date", "times since another packet"}[c]
}

// stamp is the time of one line.
type stamp struct {
	clock Clock
	ns    int64 // since 1970, midnight, or the other packet
}

var (
	epochTime = regexp.MustCompile(`^\s*(\d{9,11})\.(\d{6,9})\s+`)
	datedTime = regexp.MustCompile(`^\s*(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(\d{6,9})\s+`)
	dailyTime = regexp.MustCompile(`^\s*(\d\d):(\d\d):(\d\d)\.(\d{6,9})\s+`)
	// told is how a line goes on behind its time.
	told = regexp.MustCompile(`^(?:(?:\S{1,15}\s+)?(?:In|Out|B|M|P)\s+)?(?:IP6?[ ,]|ARP, |(?:ifindex \d+ )?(?:[0-9a-f]{2}:){5}[0-9a-f]{2} |\[\|)`)
	bare = regexp.MustCompile(`^(?:\S{1,15}\s+(?:In|Out|B|M|P)\s+)?(?:IP6? \S+ > \S+: |ARP, (?:Request who-has|Reply \S+ is-at) )`)
)

// IsLine reports whether tcpdump printed a line: one that begins a packet, or says
// something of the run.
func IsLine(line []byte) bool {
	if isRemark(line) {
		return true
	}
	_, head, ok := begins(string(line))
	return ok && told.MatchString(head)
}

// begins parts a line that begins a packet into its time and the rest.
func begins(line string) (stamp, string, bool) {
	if m := datedTime.FindStringSubmatch(line); m != nil {
		if t, err := time.Parse(time.DateTime, m[1]); err == nil {
			return stamp{Dated, t.UnixNano() + fraction(m[2])}, line[len(m[0]):], true
		}
	}
	if m := dailyTime.FindStringSubmatch(line); m != nil {
		s := number(m[1])*3600 + number(m[2])*60 + number(m[3])
		return stamp{Daily, s*1e9 + fraction(m[4])}, line[len(m[0]):], true
	}
	if m := epochTime.FindStringSubmatch(line); m != nil {
		return stamp{Epoch, number(m[1])*1e9 + fraction(m[2])}, line[len(m[0]):], true
	}
	if bare.MatchString(strings.TrimLeft(line, " ")) && !strings.HasPrefix(line, "    ") && !strings.HasPrefix(line, "\t") {
		return stamp{}, strings.TrimLeft(line, " "), true
	}
	return stamp{}, "", false
}

// number is a run of digits that a pattern has bounded.
func number(digits string) int64 {
	n, _ := strconv.ParseInt(digits, 10, 64)
	return n
}

// fraction is nanoseconds by the six to nine digits behind the point.
func fraction(digits string) int64 {
	return number((digits + "000")[:9])
}

const (
	day    = 24 * 3600e9
	second = 1e9
)

// times are those of the packets, Unix ns. A time of day is taken to be of the first
// of January 1970, as no date is told; midnight makes it the second. Times since the
// packet before, or the first, begin one second after 1970 began.
func (c *Clock) times(groups []group) []int64 {
	out := make([]int64, len(groups))
	if *c == Daily && len(groups) > 0 && groups[0].stamp.ns == 0 {
		*c = Relative
		relative(groups, out)
		return out
	}
	midnights, last := int64(0), int64(0)
	for i := range groups {
		t := groups[i].stamp.ns
		if *c == Daily && groups[i].stamp.clock == Daily {
			if t < last-day/2 {
				midnights++
			}
			last, t = t, t+midnights*day
		}
		out[i] = t
	}
	return out
}

// relative adds up times since the packet before. Where they never decrease, they are
// since the first: pauses between packets are hardly ever in order.
func relative(groups []group, out []int64) {
	sum, last, rising := int64(second), int64(0), true
	for i := range groups {
		s := &groups[i].stamp
		if s.clock != Daily {
			continue
		}
		s.clock = Relative
		rising = rising && s.ns >= last
		last = s.ns
		sum += s.ns
		out[i] = sum
	}
	if !rising {
		return
	}
	for i := range groups {
		out[i] = second + groups[i].stamp.ns
	}
}
