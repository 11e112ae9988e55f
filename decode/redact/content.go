package redact

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/drops"
	"dnatrace/capture/engine"
	"dnatrace/capture/host"
	"dnatrace/capture/rules"
	"dnatrace/capture/target"
)

// contents are the records that are JSON, by origin and kind. What is not in
// the types is not passed on.
var contents = map[string]func() any{
	capture.OriginMeta + " " + capture.KindStart:      func() any { return new(capture.Start) },
	capture.OriginMeta + " " + capture.KindEnd:        func() any { return new(capture.End) },
	capture.OriginMeta + " " + capture.KindSource:     func() any { return new(capture.SourceState) },
	capture.OriginMeta + " " + capture.KindDamage:     func() any { return new(capture.Damage) },
	capture.OriginMeta + " " + capture.KindRedacted:   func() any { return new(struct{}) },
	capture.OriginPackets + " " + capture.KindPoint:   func() any { return new(capture.Point) },
	capture.OriginPackets + " " + capture.KindLoss:    func() any { return new(capture.Loss) },
	capture.OriginDrops + " " + capture.KindEvent:     func() any { return new(drops.Drop) },
	capture.OriginEngine + " " + capture.KindSnapshot: func() any { return new(engine.Snapshot) },
	capture.OriginEngine + " " + capture.KindEvent:    func() any { return new(engine.Event) },
	capture.OriginHost + " " + capture.KindSample:     func() any { return new(host.Sample) },
	capture.OriginRules + " " + capture.KindRuleset:   func() any { return new(rules.Ruleset) },
}

// contentOf reads the JSON of a record; nil if it is none that is known.
func contentOf(rec *capture.Record) any {
	made := contents[rec.Origin+" "+rec.Kind]
	if made == nil {
		return nil
	}
	c := made()
	if json.Unmarshal(rec.Data, c) != nil {
		return nil
	}
	return c
}

// content rewrites the JSON of a record; false if it is not known.
func (r *Redactor) content(rec *capture.Record) ([]byte, bool) {
	c := contentOf(rec)
	if c == nil {
		return nil, false
	}
	switch c := c.(type) {
	case *capture.Point:
		r.links[c.ID] = c.Link
	case *capture.Start:
		c.Target = r.targets(c.Target)
		c.Host = ""
		c.Redacted = true
	case *drops.Drop:
		r.ip(c.Packet)
	case *host.Sample:
		c.Sysctls = r.keys(c.Sysctls)
		c.Counters = rekeyed(c.Counters, r.key)
		maps.DeleteFunc(c.Given, func(p host.Part, _ string) bool { return !slices.Contains(host.Parts, p) })
	case *rules.Ruleset:
		c.Data = r.ruleset(c)
	}
	r.value(reflect.ValueOf(c).Elem(), keepText)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(c) != nil {
		return nil, false
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), true
}

// ruleset rewrites what a back end gave.
func (r *Redactor) ruleset(c *rules.Ruleset) []byte {
	data := bytes.Clone(c.Data)
	switch c.Backend {
	case "nft":
		r.nftRuleset(data)
	case rules.Legacy, rules.Legacy6:
		r.legacyRuleset(data, c.Backend == rules.Legacy6, false)
	case "ipset":
		r.ipsets(data)
	case "ipset-text":
		return []byte(r.ipsetText(string(data)))
	default:
		return []byte(r.ruleText(string(data)))
	}
	return data
}

// learnContent notes names, networks and ranges.
func (r *Redactor) learnContent(c any) {
	switch c := c.(type) {
	case *capture.Point:
		r.names.learnIface(c.Name)
		r.names.learn(c.Container)
	case *engine.Snapshot:
		r.learnEngine(c)
	case *engine.Event:
		r.names.learn(c.Name)
	case *host.Sample:
		for _, l := range c.Links {
			r.names.learnIface(l.Name)
		}
	case *rules.Ruleset:
		switch c.Backend {
		case "nft":
			r.learnRules(c.Data)
		case rules.Legacy, rules.Legacy6:
			r.legacyRuleset(c.Data, c.Backend == rules.Legacy6, true)
		case "ipset":
			r.learnIPSets(c.Data)
		default:
			r.learnText(string(c.Data))
		}
	}
}

func (r *Redactor) learnEngine(s *engine.Snapshot) {
	for _, c := range s.Containers {
		for _, name := range []string{c.Name, c.Image, c.Project, c.Service} {
			r.names.learn(name)
		}
	}
	for _, n := range s.Networks {
		r.names.learn(n.Name)
		r.names.learnIface(n.Bridge)
		for _, p := range n.Subnets {
			if p.IsValid() && p.Addr().IsPrivate() && n.Driver != "macvlan" && n.Driver != "ipvlan" {
				r.v4.keep(p.Masked(), true)
				r.v6.keep(p.Masked(), true)
			}
		}
	}
}

// How a string is rewritten.
type manner func(r *Redactor, s string) string

var (
	keepText  manner = func(_ *Redactor, s string) string { return s }
	asText    manner = (*Redactor).text
	asName    manner = func(r *Redactor, s string) string { return r.names.name(s) }
	asIface   manner = (*Redactor).iface
	asPoint   manner = func(r *Redactor, s string) string { return r.point(s) }
	asMAC     manner = (*Redactor).macText
	asProcess manner = func(r *Redactor, s string) string { return r.names.process(s) }
	asAction  manner = func(r *Redactor, s string) string { return r.names.action(s) }
	nothing   manner = func(*Redactor, string) string { return "" }
)

// manners are of the fields that are strings, by type and name. All others are
// rewritten as text: a field that is new to this table may lose words, never give
// one away.
var manners = map[string]manner{
	"Start.Program": asSystem, "Start.Target": keepText, "Start.Kernel": asSystem, "Start.Filter": asText, "Start.Origin": oneOf(fixtureOrigins),
	"SourceState.Name": oneOf(sourceNames), "SourceState.State": oneOf(sourceStates), "SourceState.Why": asText, "SourceState.Outside": asName,
	"Damage.File": nothing, "Damage.Why": asText,
	"Point.Name": asPoint, "Point.Netns": asName, "Point.MAC": asMAC, "Point.Container": asName,

	"Drop.Reason": shaped(aReason), "Drop.Location": shaped(aFunction),

	"Snapshot.Version": asSystem, "Snapshot.API": asSystem, "Snapshot.Firewall": oneOf(firewalls), "Snapshot.Proxy": oneOf([]string{"on", "off"}),
	"Snapshot.OS": asSystem, "Snapshot.Kernel": asSystem,
	"Container.ID": asName, "Container.Name": asName, "Container.Image": asName, "Container.Project": asName,
	"Container.Service": asName, "Container.State": oneOf(containerStates), "Container.Error": asText, "Container.Mode": asName,
	"Port.Proto": oneOf(protocols), "Binding.Proto": oneOf(protocols),
	"Endpoint.Network": asName, "Endpoint.MAC": asMAC,
	"Network.ID": asName, "Network.Name": asName, "Network.Driver": oneOf(drivers), "Network.Bridge": asIface,
	"Network.Mode4": oneOf(gatewayModes), "Network.Mode6": oneOf(gatewayModes),
	"Event.Type": oneOf(eventTypes), "Event.Action": asAction, "Event.ID": asName, "Event.Name": asName, "Event.Container": asName,

	"State.Container": asName, "State.Sysctls": asSetting, "State.Missing": asText, "State.Given": asText,
	"Link.Name": asIface, "Link.Kind": oneOf(linkKinds), "Link.MAC": asMAC, "Link.PortState": oneOf(linkStates),
	"Route.Type": oneOf(routeTypes), "Rule.IIF": asIface, "Rule.OIF": asIface, "Rule.Action": oneOf(ruleActions),
	"Neighbour.MAC": asMAC, "Neighbour.State": oneOf(neighbourStates),
	"Socket.Proto": oneOf(protocols), "Socket.Process": asProcess, "Socket.Container": asName, "Proxy.Proto": oneOf(protocols),

	"Ruleset.Backend": oneOf(backends), "Ruleset.Why": oneOf(rulesetCauses), "Ruleset.Table": oneOf(legacyTables), "Ruleset.Error": asText,
}

// value rewrites whatever v holds: addresses wherever they are, strings in the
// manner of their field.
func (r *Redactor) value(v reflect.Value, as manner) {
	switch x := v.Addr().Interface().(type) {
	case *netip.Addr:
		*x = r.addr(*x)
		return
	case *netip.Prefix:
		*x = r.prefix(*x)
		return
	case *netip.AddrPort:
		if x.IsValid() {
			*x = netip.AddrPortFrom(r.addr(x.Addr()), x.Port())
		}
		return
	case *[]byte:
		return // rewritten by who knows what it is
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(as(r, v.String()))
	case reflect.Struct:
		r.fields(v)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			r.value(v.Index(i), as)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			r.value(v.Elem(), as)
		}
	case reflect.Map:
		r.entries(v, as)
	}
}

func (r *Redactor) fields(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		as, ok := manners[v.Type().Name()+"."+f.Name]
		if !ok {
			as = asText
		}
		r.value(v.Field(i), as)
	}
}

func (r *Redactor) entries(v reflect.Value, as manner) {
	for _, k := range v.MapKeys() {
		e := reflect.New(v.Type().Elem()).Elem()
		e.Set(v.MapIndex(k))
		r.value(e, as)
		v.SetMapIndex(k, e)
	}
}

// keys rewrites the names of settings.
func (r *Redactor) keys(m map[string]string) map[string]string { return rekeyed(m, r.key) }

// rekeyed leaves out what f gives no name.
func rekeyed[T any](m map[string]T, f func(string) string) map[string]T {
	if m == nil {
		return nil
	}
	to := make(map[string]T, len(m))
	for k, v := range m {
		if k := f(k); k != "" {
			to[k] = v
		}
	}
	return to
}

// before are what names of interfaces follow in keys.
var before = []string{
	"net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh.", "net.mpls.conf.", "link.",
}

// plainKey are the names of settings of the network and of counters (/proc/sys/net,
// /proc/net/netstat, /proc/net/snmp).
var plainKey = regexp.MustCompile(`^((net|kernel)(\.[a-z0-9][a-z0-9_-]*){1,5}|[A-Z][A-Za-z0-9]*\.[A-Z][A-Za-z0-9]*|nf_conntrack\.[a-z_]+)$`)

var settingName = regexp.MustCompile(`^\.[a-z][a-z0-9_]*$`)

// key rewrites the name of an interface in "net.ipv4.conf.eth0.rp_filter" and
// "link.eth0.rx_dropped"; "" if it is the name of nothing that is known.
func (r *Redactor) key(k string) string {
	for _, b := range before {
		rest, ok := strings.CutPrefix(k, b)
		if !ok {
			continue
		}
		if i := strings.LastIndexByte(rest, '.'); i > 0 && settingName.MatchString(rest[i:]) {
			return b + r.iface(rest[:i]) + rest[i:]
		}
	}
	if plainKey.MatchString(k) {
		return k
	}
	r.Cleared["settings and counters"]++
	return ""
}

// targets rewrites what was asked for on the command line.
func (r *Redactor) targets(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		words[i] = r.target(w)
	}
	return strings.Join(words, " ")
}

// target rewrites one word of them, which may be several with commas between.
func (r *Redactor) target(word string) string {
	all := target.Split(word)
	for i, s := range all {
		all[i] = r.oneTarget(s)
	}
	return strings.Join(all, ",")
}

func (r *Redactor) oneTarget(s string) string {
	t, err := target.Parse(s)
	switch {
	case err != nil:
		return r.text(s)
	case strings.Contains(s, "://"): // its port is what it says; host, user and path are nobody's business
		return strconv.Itoa(int(t.Port))
	case t.Service == target.EveryService:
		project, rest, _ := strings.Cut(s, "/")
		return r.names.name(project) + "/" + rest
	case t.Named():
		return r.names.name(s)
	case t.Addr.IsValid():
		host, rest := s[:strings.LastIndexByte(s, ':')], s[strings.LastIndexByte(s, ':'):]
		to := r.addr(t.Addr).String()
		if strings.HasPrefix(host, "[") {
			to = "[" + to + "]"
		}
		return to + rest
	}
	return s
}

// learnIface notes the name of an interface, or of a point.
func (n *names) learnIface(s string) {
	if in, iface, ok := strings.Cut(s, ":"); ok {
		n.learn(in)
		s = iface
	}
	if s != "" && !slices.Contains([]string{"all", "default"}, s) {
		n.ifaces[s] = true
	}
}
