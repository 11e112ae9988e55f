package main

import (
	"fmt"
	"net"
	"net/netip"

	"dnatrace/capture/target"
	"dnatrace/cmd/internal/render"
)

// targetForms tell in the help of commands what a TARGET may be.
const targetForms = `TARGET is a port of the host or a range of them (8080, 8080/udp, 7000-7010, :8080), one
of an address (127.0.0.1:8080, localhost:8080, [::1]:8080), a URL (its port), a
container or the beginning of its id (web, web:80), a compose service or project
(project/service, project, project/*). There may be several, as arguments or with
commas between them (8080,8081).`

// elsewhere says of which targets the URL names another host than this one, whose
// addresses are given: its port counts all the same.
func (a *app) elsewhere(targets []target.Target, own []netip.Addr) {
	for _, t := range targets {
		if t.Elsewhere(own) {
			fmt.Fprintf(a.err, "%s: %s is none of this host's addresses; port %d is looked for at all of them\n",
				render.Clean(withoutUser(t)), render.Clean(t.URLHost), t.Port)
		}
	}
}

// withoutUser is a URL's beginning as it may be shown: without name and password.
func withoutUser(t target.Target) string {
	return net.JoinHostPort(t.URLHost, fmt.Sprint(t.Port))
}

// ownAddresses are those of this host; none if they cannot be had.
func ownAddresses() (all []netip.Addr) {
	found, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, a := range found {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			all = append(all, p.Addr())
		}
	}
	return all
}
