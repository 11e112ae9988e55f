package ruleset_test

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/correlate/ruleset"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
	"dnatrace/decode/programs"
	"dnatrace/fixtures"
)

// incident is what a fixture holds that matters here.
type incident struct {
	name  string
	start map[string]*ruleset.Set // by namespace
	end   map[string]*ruleset.Set
	hosts map[string]*host.Sample // the first of each namespace
	texts map[string]recorded     // by namespace and moment
	flows []*decode.Conntrack
	want  document
}

// document is what of a golden document matters here.
type document struct {
	Requests []struct {
		Client, Requested, Translated, Protocol, Via, Verdict string
		Stage                                                 stage.Stage

		Rule *struct {
			Table, Chain, Text string
			Owner              programs.Owner
		}
	}
}

// openIncident reads a fixture.
func openIncident(t *testing.T, name string) incident {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	in := incident{name: name, start: map[string]*ruleset.Set{}, end: map[string]*ruleset.Set{}, hosts: map[string]*host.Sample{}, texts: map[string]recorded{}}
	if err := json.Unmarshal(c.Want, &in.want); err != nil && len(c.Want) > 0 {
		t.Fatal(err)
	}
	source, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range source(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			in.take(t, r)
		}
	}
	return in
}

func (in *incident) take(t *testing.T, r capture.Record) {
	t.Helper()
	events, err := decode.Control(r)
	if err != nil {
		return
	}
	for _, e := range events {
		switch e := e.(type) {
		case *decode.HostSample:
			if in.hosts[e.Netns] == nil {
				in.hosts[e.Netns] = &e.Sample
			}
		case *decode.Conntrack:
			in.flows = append(in.flows, e)
		case *decode.Ruleset:
			in.rules(t, e)
		}
	}
}

func (in *incident) rules(t *testing.T, e *decode.Ruleset) {
	t.Helper()
	key := e.Netns + " " + e.Why
	if in.texts[key] == nil {
		in.texts[key] = recorded{}
	}
	if e.Same {
		e.Data = in.texts[e.Netns+" start"][e.Backend]
	}
	in.texts[key][e.Backend] = e.Data
	if e.Backend != "nft" {
		return
	}
	if e.Why == "start" {
		in.start[e.Netns] = parse(t, e.Data)
	} else {
		in.end[e.Netns] = parse(t, e.Data)
	}
}

// recorded are the rulesets of one namespace at one time, by backend.
type recorded map[string][]byte

func parse(t *testing.T, data []byte) *ruleset.Set {
	t.Helper()
	r, err := decode.ParseNFTables(data)
	if err != nil {
		t.Fatal(err)
	}
	return ruleset.New(r)
}

// packet is the first packet of the incident's request as the namespace's rules
// meet it.
func (in *incident) packet(t *testing.T, netns string) ruleset.Packet {
	t.Helper()
	req := in.want.Requests[0]
	p := ruleset.Packet{IIF: "eth0", TCPFlags: 2, Tuple: tuple(t, req.Client, req.Requested, req.Protocol)}
	if netns != capture.HostNetns && req.Translated != "" {
		p.Tuple = tuple(t, req.Client, req.Translated, req.Protocol)
	}
	in.place(&p, netns)
	return p
}

// place gives a packet what the namespace's routing tables say.
func (in *incident) place(p *ruleset.Packet, netns string) {
	h := in.hosts[netns]
	var local []netip.Addr
	for _, a := range h.Addrs {
		local = append(local, a.Prefix.Addr())
	}
	p.AddrType = ruleset.LocalAddrs(local...)
	p.Route = func(a netip.Addr) (string, bool) { return route(h, a), true }
	if src := p.Tuple.Src.Addr(); slices.Contains(local, src) {
		p.Sent = true
	} else {
		p.IIF = route(h, src)
	}
}

func route(h *host.Sample, a netip.Addr) string {
	best, link := -1, 0
	for _, r := range h.Routes {
		if r.Table == 254 && r.Dst.Contains(a) && r.Dst.Bits() > best {
			best, link = r.Dst.Bits(), r.Link
		}
	}
	for _, l := range h.Links {
		if l.Index == link {
			return l.Name
		}
	}
	return ""
}

func tuple(t *testing.T, src, dst, proto string) decode.Tuple {
	t.Helper()
	u := decode.Tuple{Proto: decode.ParseProto(proto)}
	s, err := netip.ParseAddrPort(src)
	if err != nil {
		t.Fatal(err)
	}
	d, err := netip.ParseAddrPort(dst)
	if err != nil {
		t.Fatal(err)
	}
	u.Src, u.SrcPort = decode.IPFrom(s.Addr()), s.Port()
	u.Dst, u.DstPort = decode.IPFrom(d.Addr()), d.Port()
	return u
}

// answer is the first packet of the answer as the host's rules meet it.
func (in *incident) answer(t *testing.T) ruleset.Packet {
	t.Helper()
	req := in.want.Requests[0]
	for _, f := range in.flows {
		if f.Orig != tuple(t, req.Client, req.Requested, req.Protocol) {
			continue
		}
		p := ruleset.Packet{Tuple: f.Reply, TCPFlags: 0x12, State: decode.CtEstablished, Flow: &ruleset.Flow{Orig: f.Orig, Reply: f.Reply}}
		in.place(&p, capture.HostNetns)
		return p
	}
	t.Fatalf("%s: the request's connection is not in the recording", in.name)
	return ruleset.Packet{}
}

// moved is by how much a rule's or policy's counter went up.
func (in *incident) moved(netns string, r *ruleset.Rule) uint64 {
	_, table, _ := strings.Cut(r.Table, " ")
	get := func(s *ruleset.Set) *decode.Counter {
		now, _ := s.Rule(r.Family, table, r.Chain, r.Handle)
		if r.Policy {
			now, _ = s.Policy(r.Family, table, r.Chain)
		}
		return now.Counter
	}
	before, after := get(in.start[netns]), get(in.end[netns])
	if before == nil || after == nil {
		return 0
	}
	return after.Packets - before.Packets
}

// told is an outcome as the table below writes it.
type told struct {
	Verdict     string
	Stage       stage.Stage
	Owner       programs.Owner
	Backend     ruleset.Backend
	Where, Text string
}

func tell(o ruleset.Outcome) told {
	w := told{Verdict: o.Verdict.String(), Stage: o.Stage}
	if o.Rule != nil {
		w.Owner, w.Backend, w.Where, w.Text = o.Rule.Owner, o.Rule.Backend, o.Rule.Table+" "+o.Rule.Chain, o.Rule.Text
	}
	return w
}

func show(steps []ruleset.Step) string {
	var b strings.Builder
	for _, s := range steps {
		b.WriteString("\n  " + string(s.Stage) + ": " + s.Rule.Table + " " + s.Rule.Chain + " " + strconv.FormatUint(s.Rule.Handle, 10) + ": " + s.Rule.Text + " → " + s.Verdict)
	}
	return b.String()
}
