package ruletrace

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/multicast"
	"dnatrace/capture/rules/netfilter"
)

// groupTrace is NFNLGRP_NFTRACE (linux/netfilter/nfnetlink.h).
const groupTrace = 9

// receiveBuffer holds some 5,000 steps, a few hundred packets.
const receiveBuffer = 4 << 20

// Listen opens a socket in the calling thread's namespace that hears the rule
// trace. It needs CAP_NET_ADMIN there.
func Listen() (*os.File, error) {
	if !netfilter.Loaded() { // listening would load it
		return nil, fmt.Errorf("listen for the rule trace: %w", noRules{})
	}
	f, err := multicast.Listen(unix.NETLINK_NETFILTER, receiveBuffer, groupTrace)
	if err != nil {
		return nil, fmt.Errorf("listen for the rule trace: %w", err)
	}
	return f, nil
}
