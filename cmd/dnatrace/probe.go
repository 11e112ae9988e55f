package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/capture/live"
	"dnatrace/capture/probe"
	"dnatrace/capture/target"
	"dnatrace/cmd/internal/pipeline"
	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/correlate/judge"
	"dnatrace/decode"
)

// probeFlags are the command line of probe.
type probeFlags struct {
	captureFlags
	outputFlags
	targets []string
	from    string
	link    string
	udp     bool
	icmp    bool
	data    string
	client  netip.Addr // of from; invalid: chosen
}

func (a *app) probeCommand() *cobra.Command {
	var f probeFlags
	var more []string
	c := &cobra.Command{
		Use:   "probe TARGET…",
		Short: "Make a request as if from outside, without a client, and say what became of it, and why",
		Long: `Make a request as if from outside, without a client, and say what became of it, and
why, as diagnose does. A frame is put into the host's network interface as if it had
been received there, from an address that is made up; it meets the host's rules,
routes and containers like any other.

Nothing leaves the host: a guard, a temporary nf_tables table, stops every answer
behind the last hook, where it counts as having left. The connection is reset then,
connection tracking forgets it, and the guard goes; so it does when this process is
killed. What is not exercised: the interface itself and all before it, and what lies
behind the last hook (the neighbour, the wire). The server sees a connection from the
made-up address, and may log it.

Of TCP the handshake is made, and the connection is held for half a second, or 3.5 s
where the host itself accepted it: it may be a proxy that cannot reach its server.
--data is sent on it, and an answer waited for. A datagram is sent once, and with --icmp an echo
request goes to a container's own address.

` + targetForms + ` One that is asked at an address
of the loopback is no request from outside.

It needs Linux 5.18 or later. Where it cannot be had, dnatrace explain TARGET says
what would become of a request, and dnatrace diagnose TARGET -- CMD watches one.`,
		Example: `  sudo dnatrace probe 8080
  sudo dnatrace probe web:80 --data 'GET / HTTP/1.0\r\n\r\n'
  sudo dnatrace probe 8080 --from 203.0.113.7 --expect delivered
  sudo dnatrace probe 53 --udp --data '\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01'`,
		RunE: func(c *cobra.Command, args []string) error {
			f.targets = append(args, more...)
			if err := checkTargets(c, f.targets); err != nil {
				return err
			}
			if err := f.check(c); err != nil {
				return err
			}
			p := a.printer(f.outputFlags)
			d, closed, err := a.probe(c.Context(), &f, p)
			err = a.conclude(p, d, f.outputFlags, err)
			return errors.Join(err, closed())
		},
	}
	f.captureFlags.window = durationFlag(defaultWindow)
	targetFlag(c, &more)
	fl := c.Flags()
	fl.StringVar(&f.from, "from", "", "the address that asks (default: one far away, or on the wire where no route leads further)")
	fl.StringVar(&f.link, "interface", "", "the interface that the request comes in by (default: that of the host's way out)")
	fl.BoolVar(&f.udp, "udp", false, "send a datagram, as TARGET/udp does")
	fl.BoolVar(&f.icmp, "icmp", false, "send an echo request to the own address of each container that TARGET names")
	fl.StringVar(&f.data, "data", "", `what to send, with \r, \n, \t, \\ and \xHH as in Go`)
	fl.StringVarP(&f.file, "write", "w", "", "write a recording to this file")
	f.engineFlags.add(fl)
	fl.Var(&f.window, "window", "how long the request may go unanswered before it is judged")
	f.addTrace(c, true)
	f.outputFlags.add(c)
	f.addJudgement(c)
	return c
}

// check reads what the flags say.
func (f *probeFlags) check(c *cobra.Command) (err error) {
	if len(f.targets) == 0 {
		return usagef(c, "give a target")
	}
	f.snap = defaultSnap
	if err := f.captureFlags.check(c); err != nil {
		return err
	}
	if f.file == "-" {
		return usagef(c, "-w -: standard output gets the result")
	}
	if f.from != "" {
		ip, err := netip.ParseAddr(f.from)
		if err != nil {
			return usagef(c, "--from %q: is no address", f.from)
		}
		f.client = ip.Unmap()
		if err := probe.CheckClient(f.client); err != nil {
			return usagef(c, "--from: %v", err)
		}
	}
	if f.data, err = unescape(f.data); err != nil {
		return usagef(c, "--data: %v", err)
	}
	if len(f.data) > probe.MostData {
		return usagef(c, "--data: %d bytes are more than %d", len(f.data), probe.MostData)
	}
	if f.udp && f.icmp {
		return usagef(c, "--udp and --icmp: choose one")
	}
	for _, t := range f.targets {
		if p, err := target.ParseAll([]string{t}); f.icmp && err == nil && slices.ContainsFunc(p, func(t target.Target) bool { return !t.Named() }) {
			return usagef(c, "--icmp %s: name a container; a mapping is of ports, and an echo asks for none", t)
		}
	}
	if f.udp {
		for i, t := range f.targets {
			if !strings.HasSuffix(t, "/udp") {
				f.targets[i] = t + "/udp"
			}
		}
	}
	f.since.settled(time.Now())
	return f.choose(c)
}

// unescape reads the escapes of data.
func unescape(s string) (string, error) {
	var b strings.Builder
	for rest := s; rest != ""; {
		if rest[0] != '\\' {
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		n, err := escape(rest, &b)
		if err != nil {
			return "", err
		}
		rest = rest[n:]
	}
	return b.String(), nil
}

// escape reads one escape, and says how long it is.
func escape(s string, b *strings.Builder) (int, error) {
	plain := map[byte]byte{'r': '\r', 'n': '\n', 't': '\t', '\\': '\\', '0': 0}
	if len(s) > 1 {
		if c, ok := plain[s[1]]; ok {
			b.WriteByte(c)
			return 2, nil
		}
		var c byte
		if n, err := fmt.Sscanf(s[1:min(len(s), 4)], "x%02x", &c); n == 1 && err == nil && len(s) >= 4 {
			b.WriteByte(c)
			return 4, nil
		}
	}
	return 0, fmt.Errorf(`%q is none of \r \n \t \0 \\ \xHH`, s[:min(len(s), 4)])
}

// probe makes the requests and judges them. What it returns beside the document
// takes them back, and lets go of everything.
func (a *app) probe(ctx context.Context, f *probeFlags, p render.Printer) (d *correlate.Document, closed func() error, err error) {
	closed = func() error { return nil }
	f.noCollector = true // it is made where the engine is
	f.looks = true
	s, err := a.open(ctx, &f.captureFlags, f.targets, false)
	if err != nil {
		return nil, closed, orElse(err)
	}
	closed = s.close
	w, err := a.plan(ctx, f, s)
	if err != nil {
		return nil, closed, err
	}
	file, err := s.opener.Probe(f.netns, *w)
	if err != nil {
		return nil, closed, orElse(err)
	}
	made := probe.New(file, *w)
	closed = func() error {
		s.leave = !a.takenBack(made)
		return s.close()
	}
	s.here.Probe(made, clients(w))
	o := pipeline.Options{Options: judge.Options{Targets: f.targets, Window: time.Duration(f.window), Memory: liveRequests}, Record: s.record}
	f.tell(&o, p)
	a.probing(w)
	o.Drain = pipeline.Do(ctx, func(ctx context.Context) {
		if err := made.Begin(); err != nil {
			return
		}
		select {
		case <-made.Over():
		case <-ctx.Done():
		}
	})
	d, err = pipeline.Run(ctx, s.Source(), o)
	return d, closed, errors.Join(err, failedToAsk(made))
}

// orElse offers what can be done without a probe.
func orElse(err error) error {
	if err == nil {
		return nil
	}
	offer := "dnatrace explain TARGET says what would become of a request, and dnatrace diagnose TARGET -- CMD watches one"
	if r := remedy(err); r != "" {
		offer = r + "; " + offer
	}
	return remedied{fmt.Errorf("probe: %w", err), offer}
}

// plan settles who asks for what, and where.
func (a *app) plan(ctx context.Context, f *probeFlags, s *session) (*probe.Want, error) {
	targets, err := target.ParseAll(f.targets)
	if err != nil {
		return nil, err
	}
	records, err := live.Look(ctx, live.Glance{Netns: f.netns, Program: "dnatrace " + buildVersion(), Engine: s.intent(), Opener: s.opener})
	if err != nil {
		return nil, err
	}
	state := correlate.NewState()
	state.Read(records)
	here := state.Host(capture.HostNetns)
	if here == nil {
		return nil, orElse(fmt.Errorf("nothing is known of the host's interfaces: %s", state.Source(capture.OriginHost).Why))
	}
	asked, skipped, err := f.asked(state, targets)
	if err != nil {
		return nil, err
	}
	for _, line := range skipped {
		fmt.Fprintln(a.err, render.Clean(line))
	}
	return f.want(&here.State, asked)
}

// asked are the requests that targets stand for.
func (f *probeFlags) asked(state *correlate.State, targets []target.Target) (all []foresee.Request, skipped []string, err error) {
	o := foresee.Options{Client: f.client}
	if f.icmp {
		all, err = foresee.Echoes(state, targets, o)
		return all, nil, err
	}
	return foresee.FromOutside(state, targets, o)
}

// want makes of requests what is to be put into which interface.
func (f *probeFlags) want(here *host.State, asked []foresee.Request) (*probe.Want, error) {
	if len(asked) == 0 {
		return nil, orElse(errors.New("no request from outside asks for this: the host has no address towards the outside for it, or it is one of the loopback"))
	}
	if len(asked) > probe.MostAsks {
		return nil, fmt.Errorf("probe: %d requests are more than %d: name fewer ports", len(asked), probe.MostAsks)
	}
	w := &probe.Want{Link: f.link, Wait: time.Duration(f.window)}
	if w.Link == "" {
		w.Link = asked[0].Link
	}
	l := here.LinkNamed(w.Link)
	switch {
	case l == nil:
		return nil, fmt.Errorf("probe: the host has no interface %q", w.Link)
	case l.Loopback || len(l.MAC) != len("00:00:00:00:00:00"):
		return nil, orElse(fmt.Errorf("%s takes no Ethernet frames", w.Link))
	case !l.Up:
		return nil, orElse(fmt.Errorf("%s is down", w.Link))
	}
	w.To, w.Outside = l.MAC, probe.Outside(here, w.Link)
	first := uint16(32768 + rand.IntN(28000-probe.MostAsks))
	for i, r := range asked {
		client := r.Tuple.Src.Addr()
		if f.client.IsValid() && client != f.client {
			continue // it is of the other family
		}
		w.From = probe.Sender(here, w.Link, client)
		w.Asks = append(w.Asks, probe.Ask{
			Proto: uint8(r.Tuple.Proto), Client: netip.AddrPortFrom(client, first+uint16(i)),
			Server: netip.AddrPortFrom(r.Tuple.Dst.Addr(), r.Tuple.DstPort), Data: []byte(f.data),
		})
	}
	if len(w.Asks) == 0 {
		return nil, fmt.Errorf("probe: --from %s is not of the family of what is asked for, %s", f.client, asked[0].Tuple.DstEnd())
	}
	w.Known = probe.Known(here, clients(w))
	return w, w.Check()
}

// clients are those made up.
func clients(w *probe.Want) (all []netip.Addr) {
	seen := map[netip.Addr]bool{}
	for _, a := range w.Asks {
		if ip := a.Client.Addr(); !seen[ip] {
			seen[ip] = true
			all = append(all, ip)
		}
	}
	return all
}

// probing says what is put in where.
func (a *app) probing(w *probe.Want) {
	first := w.Asks[0]
	more := ""
	if n := len(w.Asks); n > 1 {
		more = fmt.Sprintf(", and %d more", n-1)
	}
	fmt.Fprintf(a.err, "probing %s/%s from %s (made up) at %s%s; a guard keeps all of it from leaving (temporary table)\n",
		first.Server, decode.Proto(first.Proto), first.Client, render.Clean(w.Link), more)
}

// failedToAsk is why a frame could not be put in, or nil.
func failedToAsk(p *probe.Probe) error {
	for _, e := range p.Told() {
		if e.Kind == probe.Failed {
			return orElse(errors.New(e.Why))
		}
	}
	return nil
}

// patience is how long the end of a probe is waited for before it is left to
// itself.
const patience = 5 * time.Second

// takenBack has the connections reset and the guard removed. It reports whether
// that is done: if not, it goes on when this process has ended.
func (a *app) takenBack(p *probe.Probe) bool {
	err := p.Close(patience)
	if why := p.Lingers(); why != "" {
		fmt.Fprintln(a.err, render.Clean(why))
	}
	return err == nil
}
