package watch

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
)

// Port is one row: a mapping, or something that was asked for and that nobody
// publishes. Its texts are as strangers wrote them, and not fit to be shown.
type Port struct {
	name      string // of what nobody publishes, what was asked for
	protocol  string
	hostPort  uint16
	addresses []netip.Addr // of the host, that it is published on; none is all
	container string
	project   string // compose's, of the container
	service   string
	inner     uint16 // the container's port
	state     string // of the container
	outside   string // whether it can be reached from there: yes, no, unknown
	why       string // if not
	asked     bool   // nobody publishes it
	direct    bool   // a container's own address was asked, if nobody does
	there     bool   // the engine lists it now

	at       time.Time                      // a request was judged last, in the time of the stream
	verdicts [int(correlate.Absent) + 1]int // judged requests
	connect  latency
	first    latency // first byte
	history  history

	groups      []*Group
	uncounted   int // failures of kinds that there was no room for
	last        *Held
	held        ring      // the last requests that failed, or are undetermined
	went        ring      // the last ones that went well
	shown       time.Time // when one of those was told in full last
	room, taken int       // bytes that groups and requests may take, and do
}

// set takes what is known of a mapping. Of several, one that cannot be reached tells
// how the row does.
func (p *Port) set(q *foresee.Port) {
	if !p.there || q.Reachable.Outside == "no" && p.outside != "no" {
		p.outside, p.why = q.Reachable.Outside, q.Why
	}
	p.there, p.inner, p.state = true, q.ContainerPort, q.State
	if ip, err := netip.ParseAddr(q.HostIP); err == nil {
		p.addresses = append(p.addresses, ip)
	}
}

// takes reports whether the mapping is on an address.
func (p *Port) takes(ip netip.Addr) bool {
	if len(p.addresses) == 0 {
		return true
	}
	return slices.ContainsFunc(p.addresses, func(own netip.Addr) bool {
		return own == ip || own.IsUnspecified() && own.Is4() == ip.Is4()
	})
}

// Name is what the row is of: "8080/tcp", "127.0.0.1:9000/tcp".
func (p *Port) Name() string {
	if p.name != "" {
		return p.name
	}
	s := strconv.Itoa(int(p.hostPort)) + "/" + p.protocol
	if len(p.addresses) == 0 || slices.ContainsFunc(p.addresses, netip.Addr.IsUnspecified) {
		return s
	}
	return netip.AddrPortFrom(p.addresses[0], p.hostPort).String() + "/" + p.protocol
}

// Target is the row as a TARGET of the command line; "" if it is none.
func (p *Port) Target() string {
	if p.hostPort == 0 {
		return ""
	}
	return p.Name()
}

// State is that of the container in a word, where it is worth one.
func (p *Port) State() string {
	switch {
	case p.asked:
		return "not published"
	case !p.there:
		return "gone"
	case p.state != "running":
		return p.state
	case p.outside == "no":
		return "not reachable from outside"
	}
	return "up"
}

// count counts a request that is new, or whose earlier count was taken back, and
// keeps it.
func (p *Port) count(i *correlate.Incident, now time.Time, n news) counted {
	p.tally(i.Verdict, i.Timing, now, n)
	c := counted{port: p, verdict: i.Verdict}
	h := &Held{Incident: i, at: i.Last, bytes: sizeOf(i)}
	if h.bytes > p.room/4 {
		h = h.shorn()
	}
	if i.Verdict == correlate.Delivered {
		p.shown = now
		p.keep(&p.went, h, mostWent)
		return c
	}
	if c.kind = p.group(h); c.kind == nil && failed(i.Verdict) {
		p.uncounted++
	}
	p.keep(&p.held, h, mostHeld)
	if failed(i.Verdict) {
		p.last = h
	}
	return c
}

// tally counts a request by its verdict and times.
func (p *Port) tally(v correlate.Verdict, t correlate.Timing, now time.Time, n news) {
	p.at = now
	p.verdicts[v]++
	p.history.add(now, n)
	if n.first {
		p.connect.add(now, t.Connect)
		p.first.add(now, t.FirstByte)
	}
}

// uncount takes a count back.
func (p *Port) uncount(c counted) {
	if p.verdicts[c.verdict] > 0 {
		p.verdicts[c.verdict]--
	}
	if p != c.port {
		return // the sum of all ports
	}
	switch {
	case c.kind != nil:
		c.kind.count--
	case p.uncounted > 0 && failed(c.verdict):
		p.uncounted--
	}
}

// failed reports whether somebody's request did not get through.
func failed(v correlate.Verdict) bool {
	return v != correlate.Delivered && v != correlate.Undetermined
}

func (p *Port) requests() (n int) {
	for _, k := range p.verdicts {
		n += k
	}
	return n
}

// Failed is how many requests did not get through.
func (p *Port) Failed() (n int) {
	for v, k := range p.verdicts {
		if failed(correlate.Verdict(v)) {
			n += k
		}
	}
	return n
}

// Delivered is how many did.
func (p *Port) Delivered() int { return p.verdicts[correlate.Delivered] }

// Undetermined is how many could not be judged.
func (p *Port) Undetermined() int { return p.verdicts[correlate.Undetermined] }

// ByVerdict says of how many requests what became: "2 dropped, 1 refused". Those
// delivered are left out.
func (p *Port) ByVerdict() string {
	var said []string
	for v, n := range p.verdicts {
		if n > 0 && correlate.Verdict(v) != correlate.Delivered {
			said = append(said, fmt.Sprintf("%d %s", n, correlate.Verdict(v)))
		}
	}
	return strings.Join(said, ", ")
}

func (p *Port) clone() *Port {
	c := *p
	c.addresses = slices.Clone(p.addresses)
	c.connect, c.first, c.history = p.connect.clone(), p.first.clone(), p.history.clone()
	c.groups = nil
	for _, g := range p.groups {
		own := *g
		c.groups = append(c.groups, &own)
	}
	c.held, c.went = slices.Clone(p.held), slices.Clone(p.went)
	return &c
}
