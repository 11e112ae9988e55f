package compare

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/correlate"
	"dnatrace/correlate/known"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
	"dnatrace/decode/programs"
)

// mostNamed bounds how many differences of one kind are listed one by one.
const mostNamed = 12

// state compares what the requests met, as far as it concerns them.
func (r *Result) state(good, bad *Side) {
	r.versions(good.World, bad.World)
	r.engine(good, bad)
	r.kernel(good, bad)
	r.rules(good, bad)
}

func (r *Result) versions(g, b *World) {
	v := func(name, x, y string) {
		if x != "" && y != "" {
			r.add(Difference{What: "version", Name: name, Good: x, Bad: y})
		}
	}
	v("dnatrace", g.Program, b.Program)
	v("kernel", g.Kernel, b.Kernel)
	x, y := g.Engine(), b.Engine()
	if x == nil || y == nil {
		if x != y {
			r.Unknown = append(r.Unknown, "what the engine said is in evidence on one side only")
		}
		return
	}
	v("engine", x.Version, y.Version)
	v("operating system", x.OS, y.OS)
	v("engine's firewall", x.Firewall, y.Firewall)
	v("userland proxy", x.Proxy, y.Proxy)
}

// engine compares the container that is concerned, and its mapping.
func (r *Result) engine(good, bad *Side) {
	if good.World.Engine() == nil || bad.World.Engine() == nil {
		return
	}
	x, y := good.container(), bad.container()
	for _, f := range []struct {
		what, name string
		of         func(*engine.Container) string
	}{
		{"container", "state", func(c *engine.Container) string { return c.State }},
		{"container", "network mode", func(c *engine.Container) string { return c.Mode }},
		{"container", "image", func(c *engine.Container) string { return c.Image }},
		{"container", "networks", networks},
		{"mapping", "in force", mappings},
		{"container", "error", func(c *engine.Container) string { return c.Error }},
	} {
		if x != nil && y != nil {
			r.add(Difference{Stage: published, What: f.what, Name: f.name, Good: f.of(x), Bad: f.of(y)})
		}
	}
}

// container is the one that a request concerns: the one it reached, or which
// publishes what it asked for.
func (s *Side) container() *engine.Container {
	e := s.World.Engine()
	for i := range e.Containers {
		if c := &e.Containers[i]; c.Name == s.Incident.Container && c.Name != "" {
			return c
		}
	}
	c, _ := s.World.Mapping(s.tuple())
	return c
}

// tuple is the request as it was sent.
func (s *Side) tuple() decode.Tuple {
	from, _ := netip.ParseAddrPort(s.Incident.Client)
	to, _ := netip.ParseAddrPort(s.Incident.Requested)
	return decode.Tuple{
		Src: decode.IPFrom(from.Addr()), Dst: decode.IPFrom(to.Addr()), SrcPort: from.Port(), DstPort: to.Port(),
		Proto: decode.ParseProto(s.Incident.Protocol),
	}
}

func networks(c *engine.Container) string {
	var out []string
	for _, e := range c.Endpoints {
		out = append(out, e.Network)
	}
	return strings.Join(out, ", ")
}

func mappings(c *engine.Container) string {
	var out []string
	for _, m := range c.Mappings {
		out = append(out, fmt.Sprintf("%s → %d/%s", netip.AddrPortFrom(m.HostIP, m.HostPort), m.Container, m.Proto))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// kernel compares settings, routes, neighbours and sockets.
func (r *Result) kernel(good, bad *Side) {
	x, y := good.World.Host(capture.HostNetns), bad.World.Host(capture.HostNetns)
	if x == nil || y == nil {
		if x != y {
			r.Unknown = append(r.Unknown, "what the kernel is set to do is in evidence on one side only")
		}
		return
	}
	r.settings(x.Sysctls, y.Sysctls)
	r.add(Difference{Stage: stage.Proxy, What: "proxy", Name: "for the port", Good: good.proxy(), Bad: bad.proxy()})
	r.route(stage.ReplyRoute, "to the client", good.routed(good.target(), good.client()), bad.routed(bad.target(), bad.client()))
	if !bothTranslated(good.Incident, bad.Incident) {
		return // they are not known to have gone to the same place
	}
	r.route(stage.Route, "to the container", good.routed(good.client(), good.target()), bad.routed(bad.client(), bad.target()))
	r.add(Difference{Stage: stage.Neighbour, What: "neighbour", Name: "of the container", Good: neighbour(&x.State, good.target()), Bad: neighbour(&y.State, bad.target())})
	r.add(Difference{Stage: stage.Container, What: "socket", Name: "that serves the port", Good: good.listener(), Bad: bad.listener()})
}

// settings compares what both sides have. Where a setting of all interfaces
// differs, those of single ones that follow it are left out.
func (r *Result) settings(x, y map[string]string) {
	n := 0
	for _, k := range slices.Sorted(maps.Keys(x)) {
		v, ok := y[k]
		if all := ofAll(k); !ok || v == x[k] || all != k && x[all] == x[k] && y[all] == v {
			continue
		}
		if n++; n <= mostNamed {
			r.add(Difference{Stage: stage.Route, What: "setting", Name: k, Good: x[k], Bad: v})
		}
	}
}

// ofAll is the setting for all interfaces that one for a single interface
// follows; other settings are their own.
func ofAll(k string) string {
	for _, begin := range []string{"net.ipv4.conf.", "net.ipv6.conf."} {
		rest, ok := strings.CutPrefix(k, begin)
		if i := strings.LastIndexByte(rest, '.'); ok && i > 0 {
			return begin + "all" + rest[i:]
		}
	}
	return k
}

func (s *Side) target() netip.Addr {
	if ap, err := netip.ParseAddrPort(s.Incident.Translated); err == nil {
		return ap.Addr()
	}
	ap, _ := netip.ParseAddrPort(s.Incident.Requested)
	return ap.Addr()
}

func (s *Side) client() netip.Addr {
	ap, _ := netip.ParseAddrPort(s.Incident.Client)
	return ap.Addr()
}

// route compares where the host routes what goes from one address to another.
// Where a side does not tell, that alone is said.
func (r *Result) route(at stage.Stage, name string, good, bad known.Answer[string]) {
	for _, side := range []struct {
		name   string
		answer known.Answer[string]
	}{{"good", good}, {"bad", bad}} {
		if !side.answer.Known() {
			r.Unknown = append(r.Unknown, fmt.Sprintf("the route %s of the %s request: %s", name, side.name, side.answer.Why()))
			return
		}
	}
	x, _ := good.Get()
	y, _ := bad.Get()
	r.add(Difference{Stage: at, What: "route", Name: name, Good: x, Bad: y})
}

// routed is by which route the host sends on what goes from one address to another,
// whatever interface it came in by, in words that do not depend on addresses.
func (s *Side) routed(src, dst netip.Addr) known.Answer[string] {
	n := s.World.Namespace(capture.HostNetns)
	q := s.World.Lookup(n, src, dst, "")
	q.AnyIIF = true
	a := n.Route(q)
	t, ok := a.Get()
	switch {
	case !dst.IsValid() || a.None():
		return known.None[string]()
	case !ok:
		return known.Unknown[string](a.Why())
	}
	text := t.Type
	if t.Gateway.IsValid() {
		text += " through a gateway"
	}
	if name := n.State().LinkName(t.Link); name != "" && t.Type == "unicast" {
		text += " by " + place(name)
	}
	return known.Is(text)
}

// place is the name of an interface, but for what is made up anew each time.
func place(name string) string {
	for _, begin := range []string{"veth", "br-"} {
		if strings.HasPrefix(name, begin) {
			return begin + "…"
		}
	}
	return name
}

// neighbour is the state of an entry that does not work; "" for one that does,
// or none.
func neighbour(s *host.State, a netip.Addr) string {
	for _, n := range s.Neighbours {
		if n.IP == a && (n.State == "failed" || n.State == "incomplete") {
			return n.State
		}
	}
	return ""
}

func (s *Side) proxy() string {
	if s.World.Proxy(s.tuple()).Is() {
		return "docker-proxy listens"
	}
	return ""
}

// listener is the socket that takes the request, in the container's namespace
// or, for what is not translated, in the host's.
func (s *Side) listener() string {
	netns, t := capture.HostNetns, s.tuple()
	if to, err := netip.ParseAddrPort(s.Incident.Translated); err == nil {
		t.Dst, t.DstPort = decode.IPFrom(to.Addr()), to.Port()
		if netns = s.home(); netns == "" {
			return "not in evidence"
		}
	}
	k, ok := s.World.Listener(netns, t).Get()
	if !ok {
		return ""
	}
	if k.Process == "" {
		return "there is one"
	}
	return k.Process
}

func (s *Side) home() string {
	if s.World.Engine() == nil {
		return ""
	}
	if c := s.container(); c != nil {
		return s.World.Home(c)
	}
	return ""
}

// rules compares the rules of the host, as sets of lines.
func (r *Result) rules(good, bad *Side) {
	x, whyX := lines(good.World, known.Family(good.client()))
	y, whyY := lines(bad.World, known.Family(bad.client()))
	if x == nil || y == nil {
		if why := whyX + whyY; why != "" && (x != nil || y != nil) {
			r.Unknown = append(r.Unknown, why)
		}
		return
	}
	only := func(a, b map[string]line) (out []line) {
		for _, k := range slices.Sorted(maps.Keys(a)) {
			if _, ok := b[k]; !ok {
				out = append(out, a[k])
			}
		}
		return out
	}
	n := 0
	for _, l := range only(x, y) {
		if n++; n <= mostNamed {
			r.add(Difference{Stage: l.stage, What: "rule", Name: l.name, Good: l.text})
		}
	}
	for _, l := range only(y, x) {
		if n++; n <= 2*mostNamed {
			r.add(Difference{Stage: l.stage, What: "rule", Name: l.name, Bad: l.text})
		}
	}
	if n > 2*mostNamed {
		r.Unknown = append(r.Unknown, fmt.Sprintf("%d rules differ, not all of which are listed", n))
	}
}

// line is one rule or policy.
type line struct {
	stage      stage.Stage
	name, text string
}

// lines are the rules of the host, each once, by what they say and where.
func lines(w *World, family int) (map[string]line, string) {
	set, why := w.Rules(capture.HostNetns, family)
	if set == nil {
		return nil, why
	}
	out := map[string]line{}
	for _, r := range set.Rules() {
		_, table, _ := strings.Cut(r.Table, " ")
		l := line{cmp.Or(set.Stage(r.Family, table, r.Chain), stageOf(r.Table, r.Chain)), r.Table + " " + r.Chain + ", " + ownedBy(r.Owner), r.Text}
		out[l.name+" "+l.text] = l
	}
	return out, ""
}

// stageOf guesses at which stage the rules of a chain act that has no hook of its
// own.
func stageOf(table, chain string) stage.Stage {
	table, chain = strings.ToLower(table), strings.ToLower(chain)
	switch {
	case strings.Contains(table, " raw"):
		return stage.Raw
	case strings.Contains(table, " nat") && !strings.Contains(chain, "post"):
		return stage.DNAT
	case strings.Contains(chain, "post"):
		return stage.Postrouting
	case strings.Contains(chain, "pre"):
		return stage.Prerouting
	case strings.Contains(chain, "input"):
		return stage.Input
	case strings.Contains(chain, "output"):
		return stage.Output
	}
	return stage.Forward
}

// Choose picks the request of a document that is compared: the one with the id,
// if one is given; of the good side the first that was delivered, of the bad
// side the first with the verdict and cause of the run. Nil if there is none.
func Choose(d *correlate.Document, id string, good bool) *correlate.Incident {
	for i := range d.Requests {
		r := &d.Requests[i]
		switch {
		case id != "" && r.ID != id:
		case id != "", good && r.Verdict == correlate.Delivered, !good && r.Verdict == d.Verdict && r.Cause == d.Cause:
			return r
		}
	}
	if id == "" && good && len(d.Requests) > 0 {
		return &d.Requests[0]
	}
	return nil
}

// ownedBy names the owner of a rule as the rest of the output does.
func ownedBy(owner programs.Owner) string {
	if owner == programs.User {
		return "yours"
	}
	return string(owner) + "'s"
}
