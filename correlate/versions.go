package correlate

import (
	"fmt"

	"dnatrace/capture/engine"
)

// KernelNotes says what a kernel ("Linux 5.10.0-28-amd64") is too old for.
func KernelNotes(release string) []string {
	var major, minor int
	if _, err := fmt.Sscanf(release, "Linux %d.%d", &major, &minor); err != nil {
		return nil
	}
	older := func(ma, mi int) bool { return major < ma || major == ma && minor < mi }
	var notes []string
	for _, k := range []struct {
		major, minor int
		note         string
	}{
		{4, 19, "older than 4.19: not tried"},
		{5, 12, "older than 5.12: nf_tables cannot hold a table that goes away with its process, so rules are not traced"},
		{5, 17, "older than 5.17: the kernel gives no reasons for the packets it drops"},
	} {
		if older(k.major, k.minor) {
			notes = append(notes, k.note)
		}
	}
	return notes
}

// EngineNotes says what is different, for requests, between this engine and
// others.
func EngineNotes(s *engine.Snapshot) []string {
	var major int
	if _, err := fmt.Sscanf(s.Version, "%d.", &major); err != nil {
		return nil
	}
	var notes []string
	switch {
	case s.Firewall == "nftables":
		notes = append(notes, "writes nftables tables of its own (docker-bridges): there is no DOCKER-USER chain, rules of yours go into a table of yours")
	case major >= 28:
		notes = append(notes, "28 and later drop, in table raw, packets from other hosts to a container's own address, and unpublished ports even where forwarding is accepted")
	case major > 0:
		notes = append(notes, "before 28 a host on the same network that routes to a container's address reaches ports that are not published, where forwarding is accepted")
	}
	if s.Proxy == "off" {
		notes = append(notes, "without docker-proxy: published ports are reached over loopback by NAT alone")
	}
	if s.Rootless {
		notes = append(notes, "rootless: the containers' network is in a namespace of its own, see --netns")
	}
	return notes
}
