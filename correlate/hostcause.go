package correlate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/correlate/known"
)

// hostCause is the first that holds of what makes a host refuse a port.
func (p *path) hostCause(e *engine.Snapshot, h known.Namespace) finding {
	if e == nil {
		return finding{cause: CauseUnknown, proof: Inferred, why: fmt.Sprintf("The host itself %s %s: nothing translates it and nothing listens there.", p.tense("refused", "would refuse"), p.tuple.DstEnd())}
	}
	for _, look := range []func(*path, *engine.Snapshot) (finding, bool){
		portTaken, otherMode, networksUnknown, internalNetwork, withoutNetwork, unmapped, notRunning, publishedElsewhere, leftUntracked, rulesMissing, declaredOnly,
	} {
		if f, ok := look(p, e); ok {
			f.proof = Proven
			if !p.nobodyListens(h) || f.cause == CauseUnknown {
				f.proof = Inferred
			}
			return f
		}
	}
	if mappingsLack(e) != "" {
		return finding{cause: CauseUnknown, proof: Inferred, absent: true, why: fmt.Sprintf("The host itself %s %s, and none of the containers in evidence publishes that port.", p.tense("refused", "would refuse"), p.tuple.DstEnd())}
	}
	return finding{cause: CauseNotPublished, proof: proofOf(p.nobodyListens(h)), absent: true, fact: "no container declares or publishes the port",
		why: fmt.Sprintf("No container publishes port %d/%s, and nothing on the host listens on it.", p.tuple.DstPort, p.tuple.Proto),
		fix: []string{fmt.Sprintf("publish it: docker run -p %d:PORT …", p.tuple.DstPort)}}
}

// nobodyListens reports whether it is known that no process of the host takes what
// is asked for.
func (p *path) nobodyListens(h known.Namespace) bool { return listener(h, p.tuple).None() }

// wants reports whether a container was asked to publish the requested port.
func (p *path) wants(c *engine.Container) *engine.Binding {
	for i := range c.Bindings {
		b := &c.Bindings[i]
		if b.Proto == p.tuple.Proto.String() && b.HostPort != 0 && p.tuple.DstPort >= b.HostPort && p.tuple.DstPort <= max(b.HostPort, b.HostEnd) {
			return b
		}
	}
	return nil
}

func (p *path) exposes(c *engine.Container) bool {
	return slices.Contains(c.Exposed, engine.Port{Proto: p.tuple.Proto.String(), Port: p.tuple.DstPort})
}

func portTaken(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		taken := strings.Contains(c.Error, "port is already allocated") || strings.Contains(c.Error, "address already in use")
		if taken && p.wants(c) != nil {
			return finding{cause: CausePortTaken, fact: fmt.Sprintf("%s could not start: %s", c.Name, c.Error),
				why: fmt.Sprintf("%s failed to start because port %d was taken; the process that held it is gone now.", c.Name, p.tuple.DstPort),
				fix: startAgain(c)}, p.meantFor(c)
		}
	}
	return finding{}, false
}

// startAgain starts a container that could not start. Engines of 29 forget its
// networks then (https://github.com/moby/moby/issues/51758): it would run without
// any, and publish nothing. Where a chain of the engine's is gone, no start works
// until it has made its chains anew.
func startAgain(c *engine.Container) []string {
	var fix []string
	if lacksChain(c.Error) {
		fix = append(fix, "restart the engine, which makes its chains anew: systemctl restart docker")
	}
	if network, ok := networkOf(c); ok && len(c.Endpoints) == 0 {
		fix = append(fix, fmt.Sprintf("docker network connect %s %s", shell(network), shell(c.Name)))
	}
	return append(fix, "docker start "+shell(c.Name))
}

// lacksChain reports whether an engine's error is that iptables did not find a
// chain: libiptc's words for that, and those of iptables-nft.
func lacksChain(err string) bool {
	_, nft, _ := strings.Cut(err, "Chain '")
	return strings.Contains(err, "No chain/target/match by that name") || strings.Contains(nft, "' does not exist")
}

// networkOf names the network that a container was made for. False if it was
// made for none of its own, or that is not known.
func networkOf(c *engine.Container) (string, bool) {
	switch {
	case c.Mode == "", c.Mode == "host", c.Mode == "none", strings.HasPrefix(c.Mode, "container:"):
		return "", false
	case c.Mode == "default":
		return "bridge", true
	}
	return c.Mode, true
}

// withoutNetwork: a container that publishes runs on no network any more.
func withoutNetwork(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		network, ok := networkOf(c)
		wanted := p.wants(c)
		if !ok || wanted == nil || len(c.Endpoints) > 0 || !isUp(c) {
			continue
		}
		return finding{cause: CauseNotPublished, fact: fmt.Sprintf("%s is on no network", c.Name),
			why: fmt.Sprintf("%s is to publish its port %d, but it is on no network any more: it was taken off %s, or the engine forgot that at a start that failed.", c.Name, wanted.Container, network),
			fix: []string{fmt.Sprintf("docker network connect %s %s", shell(network), shell(c.Name)), "docker restart " + shell(c.Name)}}, p.meantFor(c)
	}
	return finding{}, false
}

// meantFor notes the container a request was meant for.
func (p *path) meantFor(c *engine.Container) bool {
	p.container, p.home = c, c.Name
	return true
}

func otherMode(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		wanted, declared := p.wants(c), p.exposes(c)
		mode, _, _ := strings.Cut(c.Mode, ":")
		switch {
		case mode == "host" && wanted != nil:
			return finding{cause: CauseModeHost, fact: fmt.Sprintf("%s runs with --network host", c.Name),
				why: fmt.Sprintf("%s uses the host's own network: -p %d:%d means nothing there, and the server answers on the port it listens on itself.", c.Name, wanted.HostPort, wanted.Container),
				fix: []string{fmt.Sprintf("ask for port %d, or run %s without --network host", wanted.Container, c.Name)}}, p.meantFor(c)
		case mode == "host" && declared && isUp(c):
			return finding{cause: CauseNoListener, fact: fmt.Sprintf("%s runs with --network host and declares the port", c.Name),
				why: fmt.Sprintf("%s uses the host's own network and declares port %d, but nothing listens on it.", c.Name, p.tuple.DstPort),
				fix: []string{fmt.Sprintf("start the server in %s", c.Name)}}, p.meantFor(c)
		case mode == "none" && wanted != nil:
			return finding{cause: CauseModeNone, fact: fmt.Sprintf("%s runs with --network none", c.Name),
				why: fmt.Sprintf("%s has no network at all, so -p %d:%d has no effect.", c.Name, wanted.HostPort, wanted.Container),
				fix: []string{fmt.Sprintf("run %s on a bridge network", c.Name)}}, p.meantFor(c)
		case mode == "container" && (wanted != nil || declared):
			return finding{cause: CauseModeContainer, fact: fmt.Sprintf("%s runs with --network %s", c.Name, c.Mode),
				why: fmt.Sprintf("%s shares another container's network: ports are published by that one.", c.Name),
				fix: []string{fmt.Sprintf("publish port %d on the container that owns the network: docker run -p %d:%d …", p.tuple.DstPort, p.tuple.DstPort, p.tuple.DstPort)}}, p.meantFor(c)
		}
	}
	return finding{}, false
}

// networksUnknown: a container is to publish the port, and of what kind its networks
// are is not in evidence. Onto some the engine maps nothing.
func networksUnknown(p *path, e *engine.Snapshot) (finding, bool) {
	if len(e.Networks) > 0 {
		return finding{}, false
	}
	for i := range e.Containers {
		c := &e.Containers[i]
		if mapped, _ := p.t.world.mapping(e, p.tuple); mapped != nil || p.wants(c) == nil || len(c.Endpoints) == 0 || !isUp(c) {
			continue
		}
		return finding{cause: CauseUnknown, fact: fmt.Sprintf("%s is to publish port %d", c.Name, p.tuple.DstPort),
			why: fmt.Sprintf("%s is to publish port %d, and the host itself %s it; what networks it is on is not in evidence.", c.Name, p.tuple.DstPort, p.tense("refused", "would refuse")),
			fix: []string{"docker network inspect " + shell(c.Endpoints[0].Network)}}, p.meantFor(c)
	}
	return finding{}, false
}

func internalNetwork(p *path, e *engine.Snapshot) (finding, bool) {
	internal := func(name string) bool {
		return slices.ContainsFunc(e.Networks, func(n engine.Network) bool { return n.Name == name && n.Internal })
	}
	for i := range e.Containers {
		c := &e.Containers[i]
		if p.wants(c) == nil || len(c.Endpoints) == 0 || !isUp(c) {
			continue
		}
		if !slices.ContainsFunc(c.Endpoints, func(ep engine.Endpoint) bool { return !internal(ep.Network) }) {
			return finding{cause: CauseInternalNetwork, fact: fmt.Sprintf("%s is on internal networks only", c.Name),
				why: fmt.Sprintf("%s is only on network %s, which is internal: nothing is published from there.", c.Name, c.Endpoints[0].Network),
				fix: []string{"docker network connect bridge " + shell(c.Name), "or recreate the network without --internal"}}, p.meantFor(c)
		}
	}
	return finding{}, false
}

func notRunning(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		if isUp(c) || p.wants(c) == nil {
			continue
		}
		why := fmt.Sprintf("%s publishes port %d, but it is not running: its state is %s.", c.Name, p.tuple.DstPort, c.State)
		if c.Error != "" {
			why += " " + c.Error
		}
		return finding{cause: CauseContainerNotRunning, why: why,
			fact: fmt.Sprintf("%s is %s (exit code %d)", c.Name, c.State, c.ExitCode),
			fix:  startAgain(c)}, p.meantFor(c)
	}
	return finding{}, false
}

func publishedElsewhere(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		for _, b := range c.Mappings {
			if b.HostPort == 0 {
				continue
			}
			where := netip.AddrPortFrom(b.HostIP, b.HostPort)
			sameProto := b.Proto == p.tuple.Proto.String()
			onPort := b.HostPort == p.tuple.DstPort && (!sameProto || !bindsTo(b.HostIP, p.tuple.Dst.Addr()))
			byTarget := sameProto && b.Container == p.tuple.DstPort && b.HostPort != p.tuple.DstPort
			if !onPort && !byTarget {
				continue
			}
			if other, _ := p.t.world.mapping(e, p.tuple); other != nil {
				return finding{}, false // it is published here as well
			}
			fix := fmt.Sprintf("ask for %s/%s", where, b.Proto)
			if onPort && sameProto {
				fix = fmt.Sprintf("recreate %s with -p %d:%d", c.Name, b.HostPort, b.Container)
			}
			return finding{cause: CausePublishedElsewhere, fact: fmt.Sprintf("%s publishes %d/%s on %s/%s", c.Name, b.Container, b.Proto, where, b.Proto),
				why: fmt.Sprintf("%s publishes its port %d/%s on %s, not on %s/%s.", c.Name, b.Container, b.Proto, where, p.tuple.DstEnd(), p.tuple.Proto),
				fix: []string{fix}}, p.meantFor(c)
		}
	}
	return finding{}, false
}

func rulesMissing(p *path, e *engine.Snapshot) (finding, bool) {
	c, b := p.t.world.mapping(e, p.tuple)
	if c == nil {
		return finding{}, false
	}
	if p.maybeRejected() {
		return finding{cause: CauseUnknown, fact: fmt.Sprintf("the engine says that %s publishes %d on port %d", c.Name, b.Container, b.HostPort),
			why: fmt.Sprintf("The engine publishes %s on port %d, but a reset came from the host, and connection tracking knows nothing of the request: a rule may have rejected it.", c.Name, b.HostPort),
			fix: []string{"look for a REJECT rule: nft list ruleset, iptables-save"}}, p.meantFor(c)
	}
	if away, ok := p.t.world.elsewhere(e, p.onHost()).Get(); ok {
		return finding{cause: CauseUnknown, fact: fmt.Sprintf("the engine says that %s publishes %d on port %d", c.Name, b.Container, b.HostPort),
			why: fmt.Sprintf("The engine publishes %s on port %d, but %s, and nothing here takes what is asked of that port.", c.Name, b.HostPort, away),
			fix: []string{"look in the engine's own namespace: --netns"}}, p.meantFor(c)
	}
	if p.proxyServes() && p.t.world.proxyAt(p.onHost(), p.tuple).None() {
		return finding{cause: CauseRulesMissing, fact: fmt.Sprintf("no docker-proxy serves port %d", b.HostPort),
			why: fmt.Sprintf("The engine publishes %s on port %d, and docker-proxy, which serves such requests where NAT does not, is not running.", c.Name, b.HostPort),
			fix: []string{"docker restart " + shell(c.Name)}}, p.meantFor(c)
	}
	return finding{cause: CauseRulesMissing, fact: fmt.Sprintf("the engine says that %s publishes %d on port %d", c.Name, b.Container, b.HostPort),
		why: fmt.Sprintf("The engine publishes %s on port %d, but the host %s it untranslated: the engine's NAT rule is not in force.", c.Name, b.HostPort, p.tense("refused", "would refuse")),
		fix: []string{"docker restart " + shell(c.Name), "if that does not help: systemctl restart docker"}}, p.meantFor(c)
}

// proxyServes reports whether a request is one that the engine leaves to
// docker-proxy: the host's own on its loopback, and what containers ask of the
// host (before engine 29).
func (p *path) proxyServes() bool {
	e := p.engineThen()
	return e != nil && e.Proxy != "off" && (p.tuple.Dst.Addr().IsLoopback() || p.containerAt(p.tuple.Src) != nil)
}

// maybeRejected reports that a reset on behalf of the host may be a rule's
// doing. A connection that reaches the host's own stack is tracked; one that a
// rule rejects on its way is not.
func (p *path) maybeRejected() bool {
	if p.x.conntrack != nil || p.supposed {
		return false
	}
	if _, _, translated := p.ruledTranslation(); translated {
		return true
	}
	if p.rulesLack(capture.HostNetns) != "" || p.t.journal.sources[capture.OriginConntrack].State == capture.SourceOK && p.t.world.hasRules(capture.HostNetns) {
		return true
	}
	_, followed := p.evaluate(request, false, p.now) // what translates it would be known
	return !followed && p.t.world.hasRules(capture.HostNetns) || !p.surelyPassed()
}

func declaredOnly(p *path, e *engine.Snapshot) (finding, bool) {
	for i := range e.Containers {
		c := &e.Containers[i]
		if !p.exposes(c) || slices.ContainsFunc(c.Mappings, func(b engine.Binding) bool { return b.HostPort != 0 && b.Container == p.tuple.DstPort }) {
			continue
		}
		return finding{cause: CauseNotPublished, fact: fmt.Sprintf("%s exposes %d/%s and publishes nothing for it", c.Name, p.tuple.DstPort, p.tuple.Proto),
			why: fmt.Sprintf("%s only EXPOSEs port %d: that declares it, and publishes nothing.", c.Name, p.tuple.DstPort),
			fix: []string{fmt.Sprintf("recreate %s with -p %d:%d", c.Name, p.tuple.DstPort, p.tuple.DstPort)}}, p.meantFor(c)
	}
	return finding{}, false
}
