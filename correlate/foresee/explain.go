package foresee

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/target"
	"dnatrace/correlate"
	"dnatrace/decode"
)

// Explanation is what would become of requests to targets (schema dnatrace/1).
type Explanation struct {
	Schema   string    `json:"schema"`
	Target   string    `json:"target"` // all of them; "" for everything
	Paths    []Path    `json:"paths"`
	Skipped  []string  `json:"skipped,omitempty"`  // ports of long ranges that were not asked for, and why
	Checked  int       `json:"checked,omitempty"`  // ports looked at; of everything only
	Problems []Problem `json:"problems,omitempty"` // the worst first; of everything only
	Missing  []string  `json:"missing"`            // what is not in evidence at all
}

// Explain foresees requests to targets from every place, one target after the
// other, and of a range one port after the other. An unknown name is a
// *target.UnknownError.
func Explain(s *correlate.State, ts []target.Target, o Options) (*Explanation, error) {
	for _, t := range ts {
		if _, err := target.Resolve(t, s.Engine()); err != nil {
			return nil, err
		}
	}
	a, out := newAsker(s, o), &Explanation{Schema: correlate.Schema, Paths: []Path{}, Missing: Missing(s)}
	var texts []string
	seen := map[Request]bool{}
	for _, t := range ts {
		texts = append(texts, t.Text)
		single, skipped := onePort(s, t)
		if skipped != "" {
			out.Skipped = append(out.Skipped, skipped)
		}
		for _, t := range single {
			out.Paths = append(out.Paths, a.paths(t, seen)...)
		}
	}
	out.Target = strings.Join(texts, " ")
	return out, nil
}

// FromOutside are the requests from outside that Explain would foresee for targets,
// and the ports of long ranges that are left out.
func FromOutside(s *correlate.State, ts []target.Target, o Options) (all []Request, skipped []string, err error) {
	a := newAsker(s, o)
	seen := map[Request]bool{}
	for _, t := range ts {
		if _, err := target.Resolve(t, s.Engine()); err != nil {
			return nil, nil, err
		}
		single, left := onePort(s, t)
		if left != "" {
			skipped = append(skipped, left)
		}
		for _, t := range single {
			if onLoopback(t) {
				continue
			}
			wanted := selected(s, t)
			for i := range wanted {
				for _, r := range a.outside(&wanted[i]) {
					if r.Link = a.door(r.Link, r.Tuple.Dst.Is4()); !seen[r] {
						seen[r] = true
						all = append(all, r)
					}
				}
			}
		}
	}
	return all, skipped, nil
}

// Echoes are echo requests from outside to the containers that targets name, at
// their own addresses: a mapping is of ports.
func Echoes(s *correlate.State, ts []target.Target, o Options) (all []Request, err error) {
	a := newAsker(s, o)
	for _, t := range ts {
		if _, err := target.Resolve(t, s.Engine()); err != nil {
			return nil, err
		}
		if !t.Named() {
			continue
		}
		for _, c := range target.Find(t, s.Engine()) {
			for _, ep := range owner(s.Engine(), c).Endpoints {
				all = append(all, a.echoes(ep.IPv4, decode.ICMP)...)
				all = append(all, a.echoes(ep.IPv6, decode.ICMPv6)...)
			}
		}
	}
	return all, nil
}

// echoes is an echo request to an address, if there is one.
func (a *asker) echoes(ip netip.Addr, proto decode.Proto) []Request {
	if !ip.IsValid() {
		return nil
	}
	own, link := a.nic(ip.Is4())
	src := a.o.Client
	if !src.IsValid() || src.Is4() != ip.Is4() {
		src = a.client(own, link)
	}
	if !own.IsValid() || src.Is4() != ip.Is4() {
		return nil
	}
	r := request(Outside, link, proto, src, ip, 0)
	r.Tuple.SrcPort = 0
	return []Request{r}
}

// door is the interface that requests from outside come in by: that of the way out,
// where the address asked for is not of an interface towards the outside.
func (a *asker) door(link string, v4 bool) string {
	if a.host == nil {
		return link
	}
	if l := a.host.LinkNamed(link); l != nil && !l.Loopback && !a.isEngines(link) {
		return link
	}
	_, link = a.nic(v4)
	return link
}

// paths are those of one target that were not seen before.
func (a *asker) paths(t target.Target, seen map[Request]bool) (out []Path) {
	wanted := selected(a.s, t)
	for _, place := range Places {
		if len(a.o.From) > 0 && !slices.Contains(a.o.From, place) || onLoopback(t) && place != Loopback {
			continue
		}
		for i := range wanted {
			for _, r := range a.from(place, &wanted[i]) {
				if !seen[r] {
					seen[r] = true
					p := a.foresee(r, &wanted[i])
					p.Target = t.Text
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// onLoopback reports whether a target is an address that nobody but the host
// itself can ask.
func onLoopback(t target.Target) bool { return t.Loopback || t.Addr.IsValid() && t.Addr.IsLoopback() }

// mostAsked is how many ports of a range are asked for whatever is known of them.
const mostAsked = 64

// onePort makes of a range a target for each port of it. Of a long one, what
// nobody publishes, declares or listens at is left out, but for the first port
// where there is nothing else.
func onePort(s *correlate.State, t target.Target) (single []target.Target, skipped string) {
	if t.Last == 0 || t.Named() {
		return []target.Target{t}, ""
	}
	long := int(t.Last-t.Port) >= mostAsked
	known := map[uint16]bool{}
	if long {
		known = knownPorts(s, t)
	}
	if long && len(known) == 0 {
		known[t.Port] = true
	}
	left := 0
	for p := int(t.Port); p <= int(t.Last); p++ {
		if long && !known[uint16(p)] {
			left++
			continue
		}
		one := t
		one.Port, one.Last = uint16(p), 0
		one.Text = strings.Replace(t.Text, fmt.Sprintf("%d-%d", t.Port, t.Last), strconv.Itoa(p), 1)
		single = append(single, one)
	}
	if left > 0 {
		skipped = fmt.Sprintf("%s: %d of its %d ports were not asked for, as nothing publishes, declares or listens at them", t.Text, left, int(t.Last)-int(t.Port)+1)
	}
	return single, skipped
}

// knownPorts are those of a range that something is known of.
func knownPorts(s *correlate.State, t target.Target) map[uint16]bool {
	known := map[uint16]bool{}
	for _, v := range matching(services(s), t.Proto, func(*service) bool { return true }) {
		for _, p := range []uint16{v.port, v.hostPort} {
			if t.Has(p) {
				known[p] = true
			}
		}
	}
	if h := s.Host(capture.HostNetns); h != nil {
		for _, k := range h.Sockets {
			proto := decode.ParseProto(strings.TrimSuffix(k.Proto, "6"))
			if t.Has(k.Local.Port()) && (t.Proto == 0 || decode.Proto(t.Proto) == proto) {
				known[k.Local.Port()] = true
			}
		}
	}
	return known
}

// selected are the services that a target stands for.
func selected(s *correlate.State, t target.Target) []service {
	if !t.Named() {
		return numbered(s, t)
	}
	var out []service
	for _, c := range target.Find(t, s.Engine()) {
		out = append(out, namedServices(s, t, c)...)
	}
	return out
}

// namedServices are those of a container, and of the one whose namespace it is
// in; of one port, if the target names one.
func namedServices(s *correlate.State, t target.Target, c *engine.Container) []service {
	all := servicesOf(s, c)
	if o := owner(s.Engine(), c); o != c {
		all = append(all, servicesOf(s, o)...)
	}
	if t.Port == 0 {
		return all
	}
	byPort := matching(all, t.Proto, func(v *service) bool { return t.Has(v.port) })
	if len(byPort) == 0 {
		byPort = matching(all, t.Proto, func(v *service) bool { return t.Has(v.hostPort) })
	}
	if len(byPort) == 0 {
		byPort = []service{{container: c, proto: protoOf(t.Proto), port: t.Port}}
	}
	return byPort
}

// numbered are the services behind a port of the host: published there, else
// declaring it, else the bare port.
func numbered(s *correlate.State, t target.Target) []service {
	all := services(s)
	out := matching(all, t.Proto, func(v *service) bool { return v.hostPort == t.Port && (v.published || v.own) })
	if len(out) == 0 {
		out = matching(all, t.Proto, func(v *service) bool { return v.hostPort == t.Port && v.onHost() })
	}
	if len(out) == 0 {
		out = matching(all, t.Proto, func(v *service) bool { return v.port == t.Port })
		for i := range out { // that number of the host is what is asked for
			out[i].hostPort, out[i].published = t.Port, false
		}
	}
	if len(out) == 0 {
		out = []service{{proto: protoOf(t.Proto), hostPort: t.Port, port: t.Port}}
	}
	switch {
	case t.Addr.IsValid():
		return at(out, t.Addr)
	case t.Loopback:
		return append(at(slices.Clone(out), netip.AddrFrom4([4]byte{127, 0, 0, 1})), at(out, netip.IPv6Loopback())...)
	}
	return out
}

// at has services asked for at an address of the host.
func at(all []service, ip netip.Addr) []service {
	for i := range all {
		all[i].hostIP = ip
	}
	return all
}

func matching(all []service, proto uint8, is func(*service) bool) []service {
	var out []service
	for _, v := range all {
		if (proto == 0 || decode.Proto(proto) == v.proto) && is(&v) {
			out = append(out, v)
		}
	}
	return out
}

func protoOf(p uint8) decode.Proto {
	if p == 0 {
		return decode.TCP
	}
	return decode.Proto(p)
}

// Missing says which kinds of evidence are not there at all.
func Missing(s *correlate.State) []string {
	out := []string{}
	if s.Engine() == nil {
		out = append(out, withWhy("what the engine publishes", s.Source("engine").Why))
	}
	if s.Host("host") == nil {
		out = append(out, withWhy("the state of the host", s.Source("host").Why))
	}
	_, why4 := s.Rules("host", 4)
	_, why6 := s.Rules("host", 6)
	switch {
	case why4 != "" && why6 != "":
		out = append(out, withWhy("the host's rules", s.Source("rules").Why))
	case why4 != "":
		out = append(out, "the host's rules of IPv4")
	case why6 != "":
		out = append(out, "the host's rules of IPv6")
	}
	return out
}

func withWhy(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}
