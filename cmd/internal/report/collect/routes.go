package collect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/cmd/internal/changes"
	"dnatrace/cmd/internal/report"
)

// routes are the entries that the kernel would look up: on the host towards the
// server and back to the client, in the container back to the client.
func (w *world) routes() []report.State {
	if w.about == nil {
		return nil
	}
	var out []report.State
	for _, netns := range []string{capture.HostNetns, w.about.Container} {
		s := w.hosts[netns]
		if s == nil {
			continue
		}
		for _, way := range w.ways(netns) {
			st := report.State{Netns: netns, What: "route to " + way[1].String(), Text: w.routed(netns, way[0], way[1])}
			if !slices.Contains(out, st) {
				out = append(out, st)
			}
		}
		for _, r := range s.Rules {
			if r.Priority != 0 && r.Table != 253 && r.Table != 254 && r.Table != 255 {
				out = append(out, report.State{Netns: netns, What: "routing policy", Text: policyText(&r)})
			}
		}
	}
	return out
}

// ways are the sources and destinations that a namespace routes: on the host the
// request before and behind its translation, and the answer.
func (w *world) ways(netns string) (out [][2]netip.Addr) {
	i := w.about
	client, asked := addrOf(i.Client), addrOf(i.Requested)
	server, seen := cmp.Or(addrOf(i.Translated), asked), addrOf(i.ClientSeen)
	if netns == capture.HostNetns {
		out = append(out, [2]netip.Addr{client, asked}, [2]netip.Addr{client, addrOf(i.Translated)})
	}
	out = append(out, [2]netip.Addr{server, client}, [2]netip.Addr{server, seen})
	return slices.DeleteFunc(out, func(way [2]netip.Addr) bool { return !way[1].IsValid() })
}

func addrOf(end string) netip.Addr {
	a, _ := endOf(end)
	return a.Addr()
}

// routed is by which route a namespace sends on what goes from one address to
// another, whatever interface of the host it came in by.
func (w *world) routed(netns string, src, dst netip.Addr) string {
	n := w.state.Namespace(netns)
	q := w.state.Lookup(n, src, dst, "")
	q.AnyIIF = netns == capture.HostNetns
	a := n.Route(q)
	if a.None() {
		a = n.Denied(q)
	}
	r, ok := a.Get()
	switch {
	case ok && r.Dst.IsValid():
		return changes.RouteText(n.State(), &r)
	case ok: // a rule says no
		return r.Type
	case a.None():
		return "none"
	}
	return "not known: " + a.Why()
}

func policyText(r *host.Rule) string {
	text := fmt.Sprintf("%d:", r.Priority)
	if r.Not {
		text += " not"
	}
	if r.From.IsValid() {
		text += " from " + r.From.String()
	}
	if r.To.IsValid() {
		text += " to " + r.To.String()
	}
	if r.IIF != "" {
		text += " iif " + r.IIF
	}
	if r.OIF != "" {
		text += " oif " + r.OIF
	}
	if r.Mark != 0 || r.Mask != 0 {
		text += fmt.Sprintf(" fwmark %#x/%#x", r.Mark, r.Mask)
	}
	if r.Action != "" {
		return text + " " + r.Action
	}
	return text + fmt.Sprintf(" lookup %d", r.Table)
}

// settings are the kernel's switches on the way, and the listeners that could
// have taken the request.
func (w *world) settings() []report.State {
	var out []report.State
	if w.about == nil {
		return nil
	}
	if s := w.hosts[capture.HostNetns]; s != nil {
		for _, line := range changes.SettingLines(s) {
			if w.onTheWay(line) {
				out = append(out, report.State{Netns: capture.HostNetns, What: "setting", Text: line})
			}
		}
	}
	for _, netns := range []string{capture.HostNetns, w.about.Container} {
		if s := w.hosts[netns]; s != nil {
			out = append(out, w.listeners(netns, s)...)
		}
	}
	return out
}

// onTheWay reports whether a setting is one that forwarding hangs on.
func (w *world) onTheWay(line string) bool {
	name, _, _ := strings.Cut(line, " ")
	switch name {
	case "net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net.bridge.bridge-nf-call-iptables", "net.bridge.bridge-nf-call-ip6tables", "net.ipv4.conf.all.rp_filter":
		return true
	}
	for _, h := range w.about.Hops {
		if name == "net.ipv4.conf."+h.Point+".rp_filter" || name == "net.ipv4.conf."+h.Point+".route_localnet" {
			return true
		}
	}
	return false
}

// listeners are the sockets of the request's protocol: in a container all, on
// the host those on the port asked for.
func (w *world) listeners(netns string, s *host.State) []report.State {
	const most = 12
	var out []report.State
	asked, _ := endOf(w.about.Requested)
	for i := range s.Sockets {
		k := &s.Sockets[i]
		if strings.TrimSuffix(k.Proto, "6") != w.about.Protocol || netns == capture.HostNetns && k.Local.Port() != asked.Port() || len(out) == most {
			continue
		}
		out = append(out, report.State{Netns: netns, What: "listener", Text: changes.SocketText(k)})
	}
	return out
}
