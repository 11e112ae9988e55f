package kernel

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/multicast"
)

// Watch opens a socket in the calling thread's namespace that hears of changes
// to its links, addresses, routes, policy rules and forwarding settings. It
// needs no privilege.
func Watch() (*os.File, error) {
	f, err := multicast.Join(unix.NETLINK_ROUTE, 1<<20,
		unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV4_NETCONF,
		unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_IPV6_ROUTE, unix.RTNLGRP_IPV6_RULE, unix.RTNLGRP_IPV6_NETCONF)
	if err != nil {
		return nil, fmt.Errorf("watch links and routes: %w", err)
	}
	return f, nil
}
