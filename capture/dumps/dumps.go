// Package dumps reads what people save beside a capture: docker inspect, docker
// network inspect, docker ps, compose files, iptables-save, iptables -S and -L, ipset,
// nft list ruleset, conntrack, ip, sysctl, ss, and what the older tools print. It knows
// each by its content, several in one file, as a transcript has them, among them, and
// turns it into the words of capture/engine, capture/host and capture/rules.
//
// A dump has no time and no before and after: what comes from one is marked
// undated, and nothing is proven by it. Of docker inspect, neither environment
// variables nor labels other than compose's leave the package.
//
// The package reads bytes that it is given and opens nothing. It must not import
// decode, correlate or cmd.
package dumps

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"

	"dnatrace/capture/tcpdump"
)

// Kind is the command that prints such a dump.
type Kind string

// The kinds of dumps. Of IPDump and Inspect, what it is about is told by each
// of its objects.
const (
	Empty           Kind = "an empty file"
	Inspect         Kind = "docker inspect"
	DockerPS        Kind = "docker ps"
	DockerPort      Kind = "docker port"
	Compose         Kind = "docker compose config"
	IPDump          Kind = "ip -j"
	IPAddr          Kind = "ip addr"
	IPRoute         Kind = "ip route"
	IPNeigh         Kind = "ip neigh"
	IPRule          Kind = "ip rule"
	IfConfig        Kind = "ifconfig"
	ARP             Kind = "arp"
	RouteTable      Kind = "route -n"
	Netstat         Kind = "netstat"
	IPTables        Kind = "iptables-save"
	IPTablesSpec    Kind = "iptables -S"
	IPTablesList    Kind = "iptables -L"
	IPSet           Kind = "ipset save"
	NFTText         Kind = "nft list ruleset"
	NFTJSON         Kind = "nft -j list ruleset"
	Conntrack       Kind = "conntrack -L"
	ConntrackEvents Kind = "conntrack -E"
	ConntrackXML    Kind = "conntrack -o xml"
	Sysctl          Kind = "sysctl"
	Sockets         Kind = "ss -lnp"
	TCPDump         Kind = "tcpdump"
)

// MaxSize is the most bytes a dump may have.
const MaxSize = 64 << 20

// ErrUnknown is wrapped by errors about what is no dump of a known kind.
var ErrUnknown = errors.New("neither a capture nor a dump that is known here")

// textKinds are told by their lines. The first that matches counts.
var textKinds = []struct {
	kind Kind
	is   func(line []byte) bool
}{
	{TCPDump, tcpdump.IsLine},
	{IPTables, isIPTables},
	{IPSet, isIPSet},
	{NFTText, isNFT},
	{ConntrackEvents, isConntrackEvent},
	{ConntrackXML, isConntrackXML},
	{Conntrack, isConntrack},
	{Sockets, isSocket},
	{Netstat, isNetstat},
	{Sysctl, isSysctl},
	{IPTablesSpec, isSpec},
	{IPTablesList, isListing},
	{DockerPS, isPS},
	{DockerPort, isPortMapping},
	{IPAddr, isLinkText},
	{IfConfig, isIfconfig},
	{ARP, isARP},
	{IPNeigh, isNeighText},
	{IPRule, isRuleText},
	{RouteTable, isRouteTable},
	{IPRoute, isRouteText},
	{Compose, isCompose},
}

// trimmed leaves out a byte order mark and white space around b.
func trimmed(b []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
}

// lines ranges over the lines of b that are not blank, without what ends them.
func lines(b []byte) func(func(int, []byte) bool) {
	return func(yield func(int, []byte) bool) {
		n := 0
		for len(b) > 0 {
			line, rest, _ := bytes.Cut(b, []byte{'\n'})
			b = rest
			if line = bytes.TrimRight(line, " \t\r"); len(line) == 0 {
				continue
			}
			if !yield(n, line) {
				return
			}
			n++
		}
	}
}

// Add reads a dump of a namespace; netns is "" where it is not known, which
// means the host's unless the content says otherwise. It returns the kind of the first
// part of it that is known. With an error, what could be read is kept. An error that
// wraps ErrUnknown says that it is no dump.
func (s *Set) Add(netns string, b []byte) (Kind, error) {
	if len(b) > MaxSize {
		return "", fmt.Errorf("%d bytes are more than the %d that are read of one dump", len(b), MaxSize)
	}
	if b = trimmed(b); len(b) == 0 {
		return Empty, nil
	}
	if b[0] == '[' || b[0] == '{' {
		if kind := recogniseJSON(b); kind != "" && !endsInText(b) {
			return kind, s.part(netns, section{kind: kind, text: b})
		}
	}
	var first Kind
	var bad []error
	var unknown []section
	for _, part := range sections(b) {
		if part.kind == "" || part.kind == unknownJSON {
			unknown = append(unknown, part)
			continue
		}
		first = cmp.Or(first, part.kind)
		if err := s.part(cmp.Or(part.netns, netns), part); err != nil {
			bad = append(bad, err)
		}
	}
	if first == "" {
		return "", ErrUnknown
	}
	for _, part := range unknown {
		if part.tells() {
			s.Passed = append(s.Passed, part.what()+" is none of what is known here")
		}
	}
	return first, errors.Join(bad...)
}

// part reads what one command printed.
func (s *Set) part(netns string, part section) error {
	err := s.read(netns, part)
	if err != nil {
		err = fmt.Errorf("read %s: %w", part.kind, err)
	}
	return err
}

func (s *Set) read(netns string, part section) (err error) {
	b, command := part.text, part.command
	switch part.kind {
	case Inspect, IPDump, DockerPS:
		if b[0] == '[' || b[0] == '{' {
			return s.json(netns, b)
		}
		return s.psLines(b)
	case DockerPort:
		return s.portLines(command, b)
	case Compose:
		return s.compose(b)
	case IPTables, IPSet, NFTText:
		s.rules(netns, part.kind, b)
	case IPTablesSpec:
		return s.specs(netns, command, b)
	case IPTablesList:
		return s.listings(netns, command, b)
	case NFTJSON:
		if b, err = nftFromJSON(b); err == nil {
			s.rules(netns, NFTText, b)
		}
		return err
	case Conntrack:
		s.tracked(netns, b)
	case ConntrackEvents:
		s.tracked(netns, conntrackEvents(b))
	case ConntrackXML:
		b, err = conntrackXML(b)
		s.tracked(netns, b)
		return err
	case Sysctl:
		s.sysctl(netns, b)
	case Sockets:
		return s.sockets(netns, b)
	case Netstat:
		return s.netstatLines(netns, b)
	case IPAddr:
		s.linkLines(netns, command, b)
	case IfConfig:
		s.ifconfigLines(netns, b)
	case ARP:
		s.arpLines(netns, b)
	case IPNeigh:
		return s.neighLines(netns, command, b)
	case IPRule:
		return s.policyLines(netns, command, b)
	case TCPDump:
		s.Printed = append(s.Printed, Printed{Command: command, Netns: netns, Line: part.line, Text: b})
	case RouteTable:
		return s.routeTable(netns, b)
	case IPRoute:
		return s.routeLines(netns, command, b)
	}
	return nil
}

func (s *Set) tracked(netns string, b []byte) {
	p := s.place(netns)
	p.conntrack = append(p.conntrack, b)
}
