package catalogue

import (
	"maps"

	"dnatrace/correlate"
)

// Code is what is said about a cause whatever its shape.
type Code struct {
	Cause  correlate.Cause
	About  string   // what the code means, one sentence
	ByHand []string // commands that show it without dnatrace; 8080 and web stand for the port and the container
}

// Codes lists what is said about every cause of the vocabulary, in its order.
func Codes() []Code {
	out := make([]Code, 0, len(codes))
	for _, c := range correlate.Causes() {
		known := codes[c]
		known.Cause = c
		out = append(out, known)
	}
	return out
}

const (
	sniffBoth   = "tcpdump -ni any 'tcp port 8080 or tcp port 80'"
	rulesOfHost = "iptables-save -c; nft -a list ruleset"
	trackOfPort = "conntrack -L -p tcp --orig-port-dst 8080"
	insideWeb   = "nsenter -n -t \"$(docker inspect -f '{{.State.Pid}}' web)\" "
	portsOfWeb  = "docker port web; docker inspect -f '{{json .HostConfig.PortBindings}} {{json .NetworkSettings.Ports}}' web"
	stateOfWeb  = "docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.State.Error}}' web"
)

// codes are those of all files.
var codes = func() map[correlate.Cause]Code {
	all := maps.Clone(publishingCodes)
	maps.Copy(all, hostCodes)
	maps.Copy(all, pathCodes)
	return all
}()
