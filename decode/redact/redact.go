// Package redact makes a stream safe to share without changing what is judged
// of it. Addresses become keyed, prefix-preserving pseudonyms, names and ids
// keyed ones; payload becomes zeros, that of datagrams a keyed telltale of its first
// bytes, by which requests are followed. What judging rests on stays: times,
// lengths, ports, sequence numbers, flags, indexes, settings, the rules and what
// they match, and whether a checksum was right.
//
// What stays recognisable: loopback, link-local, multicast, broadcast and
// unspecified addresses, 172.16.0.0/12 and the private subnets of the engine's
// networks, whether an address is private, the networks and prefixes that
// addresses share, the names of interfaces that kernels and engines give, and
// the chains and words of the programs that write rules.
//
// What stays has a permission: tables say which fields, attributes, words and bytes
// may. What is in none of them is replaced or cleared, and counted: options of
// headers, attributes of messages, values that rules compare with bytes of which
// nothing is known, extensions of rules, fields and kinds of records.
//
// The package does no I/O and builds on any OS. It must not import correlate or
// cmd, nor anything of capture but the types for what origins say.
package redact

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"strings"

	"dnatrace/capture"
)

// Redactor rewrites one stream. It has to see the whole stream twice: Learn
// every batch, Seal, then Rewrite every batch. It is not safe for concurrent
// use.
type Redactor struct {
	v4, v6   *tree
	macs     permutation
	solic    permutation // of the last 24 bits of solicited-node groups
	names    *names
	keptMACs map[[6]byte]bool
	links    map[uint16]uint16 // link type by point
	out      capture.Batch
	tunneled bool // the frame at hand is within another
	// pending are the values in the rules at hand of which nobody has said yet what
	// they are, by their first byte.
	pending map[*byte]value

	// Removed counts records of a kind that is not known here, by origin and
	// kind; they are left out.
	Removed map[string]int
	// Unsure counts values in rules that could not be replaced so that the rule
	// matches the same packets, and were left out or made to match others.
	Unsure int
	// Cleared counts what is not understood, and was cleared where it stood, by what
	// it was.
	Cleared map[string]int
}

// New makes a Redactor. The same key gives the same pseudonyms, in different
// streams too, as far as the private subnets of the engine's networks are the
// same; without it they cannot be undone or made again. A key should have at
// least 16 bytes nobody can guess.
func New(key []byte) *Redactor {
	return &Redactor{
		v4:      newTree(key, 4),
		v6:      newTree(key, 16),
		macs:    newPermutation(key, "mac", 46),
		solic:   newPermutation(key, "solicited-node", 24),
		names:   newNames(key),
		links:   map[uint16]uint16{},
		Removed: map[string]int{},
		Cleared: map[string]int{},
		pending: map[*byte]value{},

		keptMACs: map[[6]byte]bool{},
	}
}

// gone clears what is not understood, and counts it.
func (r *Redactor) gone(what string, v []byte) {
	if !zeros(v) {
		r.Cleared[what]++
		clear(v)
	}
}

// Keep has something stay as it is: an address, a network, a MAC address, the name
// of an interface, or a word of names. It is to be called before Learn.
func (r *Redactor) Keep(what string) {
	if a, err := netip.ParseAddr(what); err == nil {
		r.keepNetwork(netip.PrefixFrom(a, a.BitLen()))
		return
	}
	if p, err := netip.ParsePrefix(what); err == nil {
		r.keepNetwork(p.Masked())
		return
	}
	if r.macText(what) != "" {
		mac, _ := hex.DecodeString(strings.ReplaceAll(what, ":", "")) // it is one
		r.keptMACs[[6]byte(mac)] = true
		return
	}
	r.names.kept[what] = true
	for _, w := range isWord.FindAllString(what, -1) {
		r.names.kept[w] = true
	}
}

func (r *Redactor) keepNetwork(p netip.Prefix) {
	r.v4.keep(p, true)
	r.v6.keep(p, true)
}

// Learn takes notice of the networks, names and ranges of addresses in a batch.
// It does not change it.
func (r *Redactor) Learn(b *capture.Batch) {
	for i := range b.Records {
		r.learnRecord(&b.Records[i])
	}
}

// Seal ends the learning.
func (r *Redactor) Seal() {
	r.v4.seal()
	r.v6.seal()
	r.names.seal()
}

// Rewrite returns the batch as it may be shared. The result is valid until the
// next call; b is not changed.
func (r *Redactor) Rewrite(b *capture.Batch) *capture.Batch {
	r.out = capture.Batch{Packets: append(r.out.Packets[:0], b.Packets...), First: b.First, Until: b.Until, Arena: r.out.Arena[:0], Records: r.out.Records[:0]}
	for i := range r.out.Packets {
		r.packet(&r.out.Packets[i], b.Arena)
	}
	for i := range b.Records {
		if rec, ok := r.record(b.Records[i]); ok {
			r.out.Records = append(r.out.Records, rec)
		}
	}
	return &r.out
}

// packet copies a packet's bytes into the output and rewrites them there.
func (r *Redactor) packet(p *capture.Packet, arena []byte) {
	from := min(uint64(p.Off), uint64(len(arena)))
	to := min(uint64(p.Off)+uint64(p.Len), uint64(len(arena)))
	p.Off, p.Len = uint32(len(r.out.Arena)), uint32(to-from)
	r.out.Arena = append(r.out.Arena, arena[from:to]...)
	link, ok := r.links[p.Point]
	if !ok {
		link = linkEthernet
	}
	r.frame(link, r.out.Arena[p.Off:])
}

// learnRecord reads what is to be known before anything is rewritten.
func (r *Redactor) learnRecord(rec *capture.Record) {
	r.names.learn(rec.Netns)
	switch c := contentOf(rec); {
	case c != nil:
		r.learnContent(c)
	}
}

// record rewrites one record; false if it has to be left out.
func (r *Redactor) record(rec capture.Record) (capture.Record, bool) {
	rec.Netns = r.names.netns(rec.Netns)
	switch rec.Origin {
	case capture.OriginConntrack:
		if rec.Kind == capture.KindText {
			rec.Data = []byte(r.conntrackText(string(rec.Data)))
			return rec, true
		}
		rec.Data = bytes.Clone(rec.Data)
		r.conntrack(rec.Data)
		return rec, true
	case capture.OriginRuleTrace:
		rec.Data = bytes.Clone(rec.Data)
		r.ruleTrace(rec.Data)
		return rec, true
	}
	data, ok := r.content(&rec)
	if !ok {
		r.Removed[rec.Origin+" "+rec.Kind]++
		return rec, false
	}
	rec.Data = data
	return rec, true
}
