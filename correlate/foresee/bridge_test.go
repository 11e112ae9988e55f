package foresee_test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/rules"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/decode"
	"dnatrace/fixtures"
)

// published has the port translated, as the engine would.
const published = `table ip nat { chain pre { type nat hook prerouting priority dstnat; policy accept; tcp dport 8080 dnat to 172.17.0.2:80; } }
`

// TestForeseesWhatRulesOfBridgesStop puts rules of the bridge family beside the
// state in a fixture.
func TestForeseesWhatRulesOfBridgesStop(t *testing.T) {
	for _, row := range []struct {
		story, fixture, rules, want, blind string
	}{
		{"the way to the container's port is closed", "delivered", "chain out { type filter hook output priority 0; tcp dport 80 drop; }", "dropped bridge firewall-drop: tcp dport 80 drop", ""},
		{"it is closed for the container's own hardware address", "delivered", "chain out { type filter hook postrouting priority 300; ether daddr MAC ip protocol tcp drop; }", "dropped bridge firewall-drop: ether daddr MAC ip protocol tcp drop", ""},
		{"it is closed on the container's port of the bridge", "delivered", `chain out { type filter hook output priority 0; meta obrname "docker0" oifname "VETH" tcp dport 80 drop; }`, `dropped bridge firewall-drop: meta obrname "docker0" oifname "VETH" tcp dport 80 drop`, ""},
		{"another port is closed", "delivered", `chain out { type filter hook output priority 0; oifname "veth0" drop; tcp dport 81 drop; }`, "delivered  none: ", "what the server does"},
		{"the published port is closed, which the bridge does not meet", "delivered", "chain out { type filter hook output priority 0; tcp dport 8080 drop; }", "delivered  none: ", "what the server does"},
		{"the answer is stopped as it comes from the container", "delivered", "chain in { type filter hook prerouting priority -300; tcp sport 80 drop; }", "answer-lost  reply-filtered: tcp sport 80 drop", ""},
		{"the answer is stopped before it reaches the host", "delivered", `chain up { type filter hook input priority 0; policy drop; iifname "eth0" accept; ether type arp accept; }`, "answer-lost  reply-filtered: type filter hook input priority 0; policy drop;", ""},
		{"only forwarding is closed, which it does not meet", "delivered", "chain across { type filter hook forward priority -200; policy drop; }", "delivered  none: ", "what the server does"},
		{"all but IP is closed: nobody would answer ARP", "delivered", "chain out { type filter hook output priority 0; policy drop; ether type ip accept; }", "undetermined  unknown: ", "let ARP for 172.17.0.2 by"},
		{"what is said too often is dropped", "delivered", "chain out { type filter hook output priority 0; tcp dport 80 limit rate over 5/second drop; }", "undetermined  unknown: ", "limit"},
		{"what tracking has not seen is dropped", "east-west", "chain across { type filter hook forward priority -200; ct state invalid drop; }", "undetermined  unknown: ", "connection tracking"},
		{"neighbours are kept apart", "east-west", "chain across { type filter hook forward priority -200; ip daddr 172.16.0.0/12 tcp dport 80 counter drop; }", "dropped bridge firewall-drop: ip daddr 172.16.0.0/12 tcp dport 80 drop", ""},
		{"all but ARP is dropped between neighbours", "east-west", "chain across { type filter hook forward priority -200; policy drop; ether type arp accept; }", "dropped bridge firewall-drop: type filter hook forward priority filter; policy drop;", ""},
		{"answers of neighbours are stopped", "east-west", "chain across { type filter hook forward priority -200; tcp sport { 80, 81 } jump no; }; chain no { drop; }", "answer-lost  reply-filtered: drop", ""},
		{"the host's own ways are closed, which neighbours do not use", "east-west", "chain up { type filter hook input priority 0; tcp dport 80 drop; }; chain out { type filter hook output priority 0; tcp dport 80 drop; }", "delivered  none: ", "what the server does"},
	} {
		t.Run(row.story, func(t *testing.T) {
			got := withGuard(t, row.fixture, row.rules)
			text := ""
			if got.Rule != nil {
				text = got.Rule.Text
			}
			is := fmt.Sprintf("%s %s %s: %s", got.Verdict, got.Stage, got.Cause, text)
			if is != named(t, row.fixture, row.want) || !strings.Contains(strings.Join(got.Blind, " "), row.blind) {
				t.Errorf("foresaw %q, want %q\nwhy: %s\nblind: %q\nstages: %+v", is, row.want, got.Why, got.Blind, got.Stages)
			}
		})
	}
}

// withGuard foresees a fixture's request beside rules of the bridge family.
func withGuard(t *testing.T, name, guard string) foresee.Path {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	s := stateOf(t, c)
	text := published + "table bridge guard { " + named(t, name, guard) + " }\n"
	text = strings.NewReplacer("; ", "\n", "{ type", "{\ntype", "{ chain", "{\nchain").Replace(text)
	s.Take(&decode.Ruleset{Netns: capture.HostNetns, Ruleset: rules.Ruleset{Backend: "nft"}})
	s.Take(&decode.Ruleset{Netns: capture.HostNetns, Ruleset: rules.Ruleset{Backend: "nft-text", Data: []byte(text)}})
	var d correlate.Document
	if err := json.Unmarshal(c.Want, &d); err != nil {
		t.Fatal(err)
	}
	return foresee.Foresee(s, requestOf(t, s, &d.Requests[0]))
}

// named puts in the names that a fixture's container has.
func named(t *testing.T, name, text string) string {
	t.Helper()
	c, err := fixtures.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	s := stateOf(t, c)
	_, veth := s.Door("web", netip.MustParseAddr("172.17.0.2"))
	mac := ""
	for _, l := range s.Host("web").Links {
		if l.Kind == "veth" {
			mac = l.MAC
		}
	}
	return strings.NewReplacer("VETH", veth, "MAC", mac).Replace(text)
}
