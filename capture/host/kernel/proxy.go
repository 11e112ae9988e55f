package kernel

import (
	"net/netip"
	"strconv"
	"strings"

	"dnatrace/capture/host"
)

// parseProxy reads the command line of a docker-proxy process, arguments
// separated by NUL:
//
//	docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 8080 -container-ip 172.17.0.2 -container-port 80 -use-listen-fd
func parseProxy(cmdline []byte) (host.Proxy, bool) {
	args := strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")
	opts := map[string]string{}
	for i := 1; i < len(args); i++ {
		name, value, joined := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if !joined && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") {
			i++
			value = args[i]
		}
		opts[name] = value
	}
	outside, ok1 := addrPort(opts["host-ip"], opts["host-port"])
	inside, ok2 := addrPort(opts["container-ip"], opts["container-port"])
	return host.Proxy{Proto: opts["proto"], Host: outside, Container: inside}, ok1 && ok2 && opts["proto"] != ""
}

func addrPort(ip, port string) (netip.AddrPort, bool) {
	a, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.AddrPort{}, false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return netip.AddrPortFrom(a, uint16(n)), err == nil
}
