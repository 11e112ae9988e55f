package redact_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"dnatrace/capture"
	"dnatrace/capture/engine"
	"dnatrace/capture/rules"
	"dnatrace/decode"
	"dnatrace/fixtures"
)

// secrets are what must not be in what is shared.
type secrets struct {
	addrs map[netip.Addr]bool
	macs  map[[6]byte]bool
	words map[string]bool
	kept  []netip.Prefix
}

// recognisable are the addresses that may stay.
var recognisable = prefixes("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "224.0.0.0/4", "240.0.0.0/4", "::/127", "fe80::/10", "ff00::/8")

func prefixes(all ...string) (out []netip.Prefix) {
	for _, s := range all {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// secretsOf gathers them from the records and frames as they were.
func secretsOf(t testing.TB, src capture.Source) *secrets {
	s := &secrets{addrs: map[netip.Addr]bool{}, macs: map[[6]byte]bool{}, words: map[string]bool{}, kept: recognisable}
	dec, batch := decode.NewDecoder(), &decode.Batch{}
	for b, err := range src(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			s.record(r, dec)
		}
		dec.Packets(b, batch)
		for _, p := range batch.Packets {
			s.tuple(p.Tuple)
			s.macs[p.SrcMAC], s.macs[p.DstMAC] = true, true
		}
		for _, q := range batch.Quotes {
			s.tuple(q.Tuple)
		}
	}
	s.forgive()
	return s
}

func (s *secrets) tuple(t decode.Tuple) {
	s.addrs[t.Src.Addr()], s.addrs[t.Dst.Addr()] = true, true
}

var (
	anyAddr    = regexp.MustCompile(`[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+|[0-9a-f]*:[0-9a-f:]+`)
	createdSet = regexp.MustCompile(`(?m)^create (\S+)`)
	anyMAC     = regexp.MustCompile(`([0-9a-f]{2}:){5}[0-9a-f]{2}`)
)

func (s *secrets) record(r capture.Record, dec *decode.Decoder) {
	if r.Origin == capture.OriginHost || r.Origin == capture.OriginEngine || r.Origin == capture.OriginPackets {
		for _, m := range anyMAC.FindAllString(string(r.Data), -1) {
			mac, _ := net.ParseMAC(m)
			s.macs[[6]byte(mac)] = true
		}
		s.text(string(r.Data))
	}
	events, _ := decode.Control(r)
	for _, e := range events {
		switch e := e.(type) {
		case *decode.Ruleset:
			s.ipsets(e)
			if !strings.Contains(e.Backend, "legacy") && e.Backend != "nft" && e.Backend != "ipset" || strings.HasSuffix(e.Backend, "save") {
				s.text(string(e.Data))
			}
		case *decode.Drop:
			s.tuple(e.Tuple)
		case *decode.Point:
			dec.Point(e.Point)
		case *decode.Conntrack:
			s.tuple(e.Orig)
			s.tuple(e.Reply)
		case *decode.TraceStep:
			s.tuple(e.Packet.Tuple)
		case *decode.EngineSnapshot:
			s.engine(&e.Snapshot)
		}
	}
}

// ipsets gathers what is in sets of ipset, and their names but those that programs
// give.
func (s *secrets) ipsets(e *decode.Ruleset) {
	if e.Backend == "ipset-text" {
		for _, m := range createdSet.FindAllSubmatch(e.Data, -1) {
			s.words[string(m[1])] = true
		}
	}
	if e.Backend != "ipset" {
		return
	}
	sets, _ := decode.ParseIPSets(e.Data)
	for _, set := range sets {
		if !strings.HasPrefix(set.Name, "f2b-") {
			s.words[set.Name] = true
		}
		for _, x := range set.Entries {
			s.addrs[x.Addr.Addr()], s.addrs[x.Addr2.Addr()], s.macs[x.MAC] = true, true, true
			s.words[x.Comment], s.words[x.Set] = true, true
		}
	}
	delete(s.words, "")
}

func (s *secrets) text(all string) {
	for _, a := range anyAddr.FindAllString(all, -1) {
		if addr, err := netip.ParseAddr(a); err == nil {
			s.addrs[addr] = true
		}
	}
}

func (s *secrets) engine(e *engine.Snapshot) {
	for _, c := range e.Containers {
		for _, w := range []string{c.ID, c.ID[:min(12, len(c.ID))], c.Name, c.Project, c.Service, c.Image} {
			s.words[w] = true
		}
	}
	for _, n := range e.Networks {
		for _, w := range []string{n.ID, n.ID[:min(12, len(n.ID))], n.Name, n.Bridge} {
			s.words[w] = true
		}
		for _, p := range n.Subnets {
			if p.Addr().IsPrivate() {
				s.kept = append(s.kept, p)
			}
		}
	}
	for _, w := range []string{"", "bridge", "host", "none", "docker0", "docker_gwbridge", "ingress"} {
		delete(s.words, w)
	}
}

// forgive takes out what may stay.
func (s *secrets) forgive() {
	for a := range s.addrs {
		if !a.IsValid() || slices.ContainsFunc(s.kept, func(p netip.Prefix) bool { return p.Contains(a) }) {
			delete(s.addrs, a)
		}
	}
	for m := range s.macs {
		ip := netip.AddrFrom4([4]byte(m[2:]))
		if m[0]&1 != 0 || m == [6]byte{} || m[0] == 2 && m[1] == 0x42 && !s.addrs[ip] && slices.ContainsFunc(s.kept, func(p netip.Prefix) bool { return p.Contains(ip) }) {
			delete(s.macs, m)
		}
	}
}

// found lists the secrets that are in the bytes of a recording: of its file as
// it is, and of what its records hold when they are unpacked.
func (s *secrets) found(t testing.TB, file []byte) (found []string) {
	var all [][]byte
	all = append(all, file)
	for b, err := range open(t, file)(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			all = append(all, bytes.Clone(r.Data), []byte(r.Netns))
			var set rules.Ruleset
			if r.Origin == capture.OriginRules && json.Unmarshal(r.Data, &set) == nil {
				all = append(all, set.Data)
			}
		}
	}
	heap := bytes.Join(all, []byte{0, 0, 0, 0})
	for a := range s.addrs {
		b := a.AsSlice()
		turned := slices.Clone(b)
		slices.Reverse(turned)
		if bytes.Contains(heap, b) || bytes.Contains(heap, turned) || holds(heap, hex.EncodeToString(b), "") || holds(heap, a.String(), "0123456789abcdef.:") {
			found = append(found, a.String())
		}
	}
	for m := range s.macs {
		text := net.HardwareAddr(m[:]).String()
		if bytes.Contains(heap, m[:]) || holds(heap, text, "") || holds(heap, hex.EncodeToString(m[:]), "") {
			found = append(found, text)
		}
	}
	for w := range s.words {
		if holds(heap, w, letters) {
			found = append(found, w)
		}
	}
	slices.Sort(found)
	return found
}

// jsonKey is how the rest of a key of JSON looks.
var jsonKey = regexp.MustCompile(`^[a-z0-9_]*":`)

const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

// holds reports whether s is in b, not as part of a longer run of the characters
// given and not as a key of JSON.
func holds(b []byte, s, run string) bool {
	for at := 0; ; {
		i := bytes.Index(b[at:], []byte(s))
		if i < 0 {
			return false
		}
		i += at
		end := i + len(s)
		before := i > 0 && strings.IndexByte(run, b[i-1]) >= 0
		behind := end < len(b) && strings.IndexByte(run, b[end]) >= 0
		if !before && !behind && !jsonKey.Match(b[end:min(end+32, len(b))]) {
			return true
		}
		at = end
	}
}

func TestNothingOfTheOriginalIsShared(t *testing.T) {
	var addrs, macs, words int
	for i, name := range fixtures.Names() {
		if testing.Short() && i%8 != 0 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			c, err := fixtures.Load(name)
			if err != nil {
				t.Fatal(err)
			}
			src, err := c.Open()
			if err != nil {
				t.Fatal(err)
			}
			s := secretsOf(t, src)
			addrs, macs, words = addrs+len(s.addrs), macs+len(s.macs), words+len(s.words)
			for _, key := range keysFor(name) {
				out, _ := redacted(t, src, key)
				if found := s.found(t, out); len(found) > 0 {
					t.Errorf("%s: still there: %s", key, strings.Join(found, ", "))
				}
			}
		})
	}
	t.Logf("looked for %d addresses, %d MAC addresses and %d names and ids", addrs, macs, words)
	if addrs == 0 || macs == 0 || words == 0 {
		t.Error("nothing was looked for")
	}
}

func TestSecretsAreFoundWhereTheyAre(t *testing.T) {
	c, err := fixtures.Load("firewall-drop")
	if err != nil {
		t.Fatal(err)
	}
	src, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := secretsOf(t, src)
	if found := s.found(t, c.Recording); len(found) < len(s.addrs) {
		t.Errorf("found %v, of addresses alone there are %d", found, len(s.addrs))
	}
}
