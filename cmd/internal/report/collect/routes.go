package collect

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/host"
	"dnatrace/cmd/internal/report"
)

// routes are the entries that the kernel would look up: on the host towards the
// server and back to the client, in the container back to the client.
func (w *world) routes() []report.State {
	if w.about == nil {
		return nil
	}
	i := w.about
	var out []report.State
	for _, netns := range []string{capture.HostNetns, i.Container} {
		s := w.hosts[netns]
		if s == nil {
			continue
		}
		for _, end := range []string{i.Requested, i.Translated, i.Client, i.ClientSeen} {
			a, ok := endOf(end)
			if !ok || netns != capture.HostNetns && (end == i.Requested || end == i.Translated) {
				continue
			}
			st := report.State{Netns: netns, What: "route to " + a.Addr().String(), Text: "none"}
			if r := lookup(s, a.Addr()); r != nil {
				st.Text = routeText(s, r)
			}
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

// lookup is the longest match of the local and main tables, the local one
// first, as the default routing policy has it.
func lookup(s *host.State, a netip.Addr) *host.Route {
	for _, table := range []int{255, 254} {
		var best *host.Route
		for i := range s.Routes {
			r := &s.Routes[i]
			if r.Table != table || !r.Dst.IsValid() || !r.Dst.Contains(a) || r.Down {
				continue
			}
			if best == nil || cmp.Or(cmp.Compare(r.Dst.Bits(), best.Dst.Bits()), cmp.Compare(best.Metric, r.Metric)) > 0 {
				best = r
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
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
		for _, line := range settingLines(s) {
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
		out = append(out, report.State{Netns: netns, What: "listener", Text: socketText(k)})
	}
	return out
}
