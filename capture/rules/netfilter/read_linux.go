package netfilter

import (
	"fmt"

	"dnatrace/capture/netns"
	"dnatrace/capture/rules"
)

// Read returns the rules of every back end in the namespace at path: nf_tables
// and the legacy tables in use there, and the sets of ipset that rules refer to,
// as the kernel gives them, and beside them
// the text of nft, iptables-save and ip6tables-save where these programs exist.
// A back end that is there and could not be read is in the result with Error
// set; one that is not in use is left out. Nothing is changed: no kernel module
// is loaded for reading, no counter reset. It needs CAP_NET_ADMIN, for the
// legacy tables in the user namespace that owns path.
//
// Read itself fails only when the namespace cannot be entered.
func Read(path string) ([]rules.Ruleset, error) {
	var sets []rules.Ruleset
	err := netns.Do(path, func() error {
		nft, v4, v6 := Loaded(), legacyTables("ip"), legacyTables("ip6")
		if nft {
			sets = append(sets, readNFT())
		}
		sets = append(sets, readLegacy(ipv4, v4)...)
		sets = append(sets, readLegacy(ipv6, v6)...)
		sets = append(sets, readIPSets()...)
		sets = append(sets, readTexts(nft, len(v4) > 0, len(v6) > 0)...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	return sets, nil
}

// ReadLegacy returns of what Read does the legacy tables alone: they announce no
// change, and their counters stand for the trace that they do not have.
func ReadLegacy(path string) ([]rules.Ruleset, error) {
	var sets []rules.Ruleset
	err := netns.Do(path, func() error {
		sets = append(readLegacy(ipv4, legacyTables("ip")), readLegacy(ipv6, legacyTables("ip6"))...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read legacy rules: %w", err)
	}
	return sets, nil
}

// failed returns set with the reason why there is no data in it.
func failed(set rules.Ruleset, err error) rules.Ruleset {
	set.Data, set.Error = nil, err.Error()
	return set
}
