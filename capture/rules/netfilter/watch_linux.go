package netfilter

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/multicast"
)

const groupNFTables = 7 // NFNLGRP_NFTABLES

// Watch opens a socket in the calling thread's namespace that hears of changes
// to its nf_tables rules. It needs CAP_NET_ADMIN there. Where nf_tables is not
// loaded, listening loads it: ask Read first whether there is anything to watch.
func Watch() (*os.File, error) {
	f, err := multicast.Join(unix.NETLINK_NETFILTER, 1<<20, groupNFTables)
	if err != nil {
		return nil, fmt.Errorf("watch nf_tables: %w", err)
	}
	return f, nil
}
