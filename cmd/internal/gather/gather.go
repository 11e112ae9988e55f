// Package gather knows the commands whose output, in one folder, is all that dnatrace
// can be told by other tools: for hosts where it cannot be put itself.
//
// It writes them as a shell script, and runs that. It must not import anything of ours.
package gather

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Options say what is gathered.
type Options struct {
	// Ports narrow the capture to these, and what they are translated to is asked of the
	// rules and the engine all the same; none captures every port of a connection's
	// beginning, and all of ARP, ND and ICMP.
	Ports []uint16
	// For is how long packets are captured.
	For time.Duration
}

// command is one whose output goes to a file.
type command struct {
	file, line string
}

// ofHost are those about the host; ofContainer those about a container's namespace.
var (
	ofHost = []command{
		{"inspect.json", `docker inspect $(docker ps -aq) | sed '/"Env": \[$/,/^ *\],\{0,1\}$/d'`},
		{"networks.json", "docker network inspect $(docker network ls -q)"},
		{"rules.txt", "iptables-save"},
		{"rules6.txt", "ip6tables-save"},
		{"sets.txt", "ipset save"},
		{"nft.txt", "nft list ruleset"},
		{"link.json", "ip -j -d link"},
		{"addr.json", "ip -j addr"},
		{"route.json", "ip -j route show table all"},
		{"route6.json", "ip -j -6 route show table all"},
		{"policy.json", "ip -j rule"},
		{"policy6.json", "ip -j -6 rule"},
		{"neigh.json", "ip -j neigh"},
		{"sockets.txt", "ss -lnp"},
		{"sysctl.txt", "sysctl -a"},
		{"conntrack.txt", "conntrack -L"},
	}
	ofContainer = []command{
		{"addr.json", "ip -j addr"},
		{"route.json", "ip -j route show table all"},
		{"route6.json", "ip -j -6 route show table all"},
		{"neigh.json", "ip -j neigh"},
		{"sockets.txt", "ss -lntup"},
		{"rules.txt", "iptables-save"},
	}
)

// Script is the shell script that gathers. It takes the folder to make as its argument.
func Script(o Options) string {
	var b strings.Builder
	fmt.Fprintf(&b, `#!/bin/sh
# Gathers on a Docker host what dnatrace replays elsewhere. Run it as root:
#
#     sh gather.sh [FOLDER]
#
# It changes nothing, and needs no dnatrace. What is not installed is left out. Of
# containers, environment variables are left out.
set -u
umask 077
dir=${1:-dnatrace-$(hostname)-$(date +%%Y%%m%%d-%%H%%M%%S)}
mkdir "$dir" && cd "$dir" || exit 2
lacks() { echo "without $1: it is not installed, or not permitted" >&2; }

if command -v tcpdump >/dev/null; then
    tcpdump -i any -U -s 256 -w any.pcap '%s' 2>tcpdump.log & capture=$!
    sleep 1
    echo 'capturing for %d s: send the request that fails now' >&2
    sleep %d
else
    lacks tcpdump
    capture=
fi

`, captureFilter(o.Ports), int(o.For.Seconds()), int(o.For.Seconds()))
	for _, c := range ofHost {
		fmt.Fprintf(&b, "%s >%s 2>/dev/null || lacks '%s'\n", c.line, c.file, toolOf(c.line))
	}
	b.WriteString(`
# of each running container, from within its network namespace
for name in $(docker ps --format '{{.Names}}' 2>/dev/null); do
    pid=$(docker inspect -f '{{.State.Pid}}' "$name")
    mode=$(docker inspect -f '{{.HostConfig.NetworkMode}}' "$name")
    [ "$pid" -gt 0 ] && [ "$mode" != host ] && mkdir "$name" || continue
`)
	for _, c := range ofContainer {
		fmt.Fprintf(&b, "    nsenter -t \"$pid\" -n %s >\"$name/%s\" 2>/dev/null\n", c.line, c.file)
	}
	b.WriteString(`done

if [ -n "$capture" ]; then
    sleep 4                           # a request is judged three seconds after its last try,
    ping -c 1 127.0.0.1 >/dev/null    # and a capture ends with its last packet: the ping
    sleep 1
    kill "$capture"
    wait "$capture"
fi
find . -size 0 -exec rm {} +
echo "dnatrace replay $PWD" >&2
`)
	return b.String()
}

// captureFilter is what is captured: of ports, both as they are asked for and as they
// are translated, which is not known here, so that without ports it is the beginning and
// end of every connection.
func captureFilter(ports []uint16) string {
	aside := "arp or icmp or icmp6"
	if len(ports) == 0 {
		return "tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst|tcp-push) != 0 or ip6 or udp or " + aside
	}
	var words []string
	for _, p := range ports {
		words = append(words, fmt.Sprintf("port %d", p))
	}
	return strings.Join(append(words, aside), " or ")
}

func toolOf(line string) string {
	words := strings.Fields(line)
	return strings.Join(words[:min(2, len(words))], " ")
}

// Run gathers into a folder, which it makes. What the script says goes to said.
func Run(ctx context.Context, o Options, folder string, said io.Writer) error {
	c := exec.CommandContext(ctx, "sh", "-s", "--", folder)
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(Script(o)), said, said
	c.WaitDelay = 5 * time.Second
	if err := c.Run(); err != nil {
		return fmt.Errorf("gather into %s: %w", folder, err)
	}
	return nil
}
