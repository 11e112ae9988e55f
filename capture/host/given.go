package host

import (
	"fmt"
	"strings"
)

// Part is a part of a State that is read by itself.
type Part string

// Parts of a State. Those that routing has for each family stand for one with
// its number behind: "routes4". Of a part that is not given, an empty list says
// nothing.
const (
	PartLinks      Part = "links"
	PartAddrs      Part = "addrs"  // of each family
	PartRoutes     Part = "routes" // of each family, the local table aside
	PartLocal      Part = "local"  // of each family: the local routing table
	PartRules      Part = "rules"  // of each family: of routing
	PartNeighbours Part = "neighbours"
	PartSettings   Part = "settings"
	PartTCP        Part = "tcp" // sockets
	PartUDP        Part = "udp"
	PartProxies    Part = "proxies" // docker-proxy processes
)

// Parts are all of them, of each family where there are two.
var Parts = []Part{
	PartLinks, PartAddrs + "4", PartAddrs + "6", PartRoutes + "4", PartRoutes + "6", PartLocal + "4", PartLocal + "6", PartRules + "4", PartRules + "6",
	PartNeighbours, PartSettings, PartTCP, PartUDP, PartProxies,
}

// Of is a part of one family, 4 or 6; 0 for parts that have none.
func (p Part) Of(family int) Part {
	if family == 0 {
		return p
	}
	return p + Part(fmt.Sprint(family))
}

// Given are the parts of a state that are in evidence, each with what is missing
// of it, in words; "" for nothing. Nil is a state that was read as a whole: all
// parts, but for what State.Missing names.
type Given map[Part]string

// allOfRouting is what could not be read where rtnetlink could not be asked.
const allOfRouting = "links, addresses, routes and neighbours"

// Words that State.Missing begins with where a part could not be read.
var missingWords = map[Part][]string{
	PartLinks:      {"links", allOfRouting},
	PartAddrs:      {"addresses", allOfRouting},
	PartRoutes:     {"routes", allOfRouting},
	PartLocal:      {"routes", allOfRouting},
	PartRules:      {"routing policy rules", allOfRouting},
	PartNeighbours: {"neighbours", allOfRouting},
	PartSettings:   {"settings"},
	PartTCP:        {"sockets", "TCP sockets"},
	PartUDP:        {"sockets", "UDP sockets"},
}

// Gives reports whether a part of a family is in evidence, and what is missing of
// it; of one that is not, why, as far as that was told.
func (s *State) Gives(p Part, family int) (given bool, why string) {
	if s.Given != nil {
		why, given = s.Given[p.Of(family)]
		return given, why
	}
	for _, m := range s.Missing {
		for _, begin := range missingWords[p] {
			if rest, ok := strings.CutPrefix(m, begin); ok && (rest == "" || rest[0] == ':') {
				return false, strings.TrimPrefix(strings.TrimPrefix(rest, ":"), " ")
			}
		}
	}
	return true, ""
}
