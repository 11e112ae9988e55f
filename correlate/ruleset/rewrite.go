package ruleset

import (
	"strconv"

	"dnatrace/decode"
)

// What rules write. A mark is followed. What leaves the packet's way alone is
// listed; all else makes the outcome uncertain from there on.

// rewritten ends with a packet of which it is not followed what becomes of it.
func (e *evaluation) rewritten(what string) bool {
	return e.leaves("a statement that rewrites the packet is not evaluated (" + what + ")")
}

func (e *evaluation) setMeta(x decode.MetaExpr) bool {
	switch x.Key {
	case decode.MetaMark:
		return e.setMark(x.Reg, &e.mark)
	case decode.MetaPriority, decode.MetaTrace, decode.MetaSecmark:
		return true
	case metaBroute:
		return e.leaves("it is taken off the bridge (broute)")
	}
	return e.rewritten(join(metaFields[x.Key].name, "set"))
}

func (e *evaluation) setCt(x decode.CtExpr) bool {
	switch x.Key {
	case decode.CtMark:
		return e.setMark(x.Reg, &e.ctMark)
	case decode.CtSecmark, decode.CtLabels, decode.CtEventmask:
		return true
	case decode.CtZone:
		return e.leaves("it is put in another zone of connection tracking")
	}
	return e.rewritten(join("ct", ctFields[x.Key].name, "set"))
}

func (e *evaluation) setMark(from decode.Reg, to *uint32) bool {
	if !e.acts() {
		return false
	}
	b, why := e.get(from, 4)
	if why != "" {
		e.doubt(e.set.name(e.chain, e.rule) + ": " + why)
		return true
	}
	*to = e.order.Uint32(b)
	return true
}

// Fields of the IP headers that may be written, by their first byte and the one
// behind the last. nft writes 16 bits where it changes one of their bytes.
const (
	tosFrom, tosTo   = 0, 2 // of IPv4, with the version, which stays
	idFrom, idTo     = 4, 6
	classFrom        = 0 // of IPv6: traffic class and flow label
	classTo          = 4
	ttlAt, ttlTo     = 8, 10
	hopsFrom, hopsTo = 6, 8
)

func (e *evaluation) setPayload(x decode.PayloadExpr) bool {
	from, to := x.Offset, x.Offset+x.Len
	within := func(first, end int) bool { return x.Len > 0 && from >= first && to <= end }
	switch v4 := e.family == decode.FamilyIPv4; {
	case e.family == decode.FamilyARP || x.Base != decode.BaseNetwork:
	case v4 && within(tosFrom, tosTo), !v4 && within(classFrom, classTo):
		return e.retos()
	case v4 && within(idFrom, idTo):
		return true
	case v4 && from == ttlAt && within(ttlAt, ttlTo):
		return e.writeTTL(x, 0)
	case !v4 && to == hopsTo && within(hopsFrom, hopsTo):
		return e.writeTTL(x, x.Len-1)
	}
	return e.rewritten([]string{"link", "network", "transport", "inner"}[min(x.Base, 3)] + " header, bytes " + strconv.Itoa(from) + "-" + strconv.Itoa(to-1))
}

// retos notes that the type of service is another.
func (e *evaluation) retos() bool {
	if !e.acts() {
		return false
	}
	e.tos = true
	return true
}

// writeTTL takes the time to live from byte at of what is written. Of the other
// byte, if there is one, it is taken that it stays.
func (e *evaluation) writeTTL(x decode.PayloadExpr, at int) bool {
	if !e.acts() {
		return false
	}
	b, why := e.get(x.Reg, x.Len)
	if why != "" {
		return e.live(0, why)
	}
	return e.live(b[at], "")
}

// live gives the packet another time to live; why says why it is not known.
// Forwarding ends a packet that has one or less left: once that is over, nothing
// here depends on it.
func (e *evaluation) live(ttl uint8, why string) bool {
	if !e.acts() {
		return false
	}
	ends := e.at == decode.HookPrerouting || e.at == decode.HookIngress
	switch {
	case why != "" && ends:
		return e.rewritten("the time to live: " + why)
	case why != "":
		ttl = 0
	case ttl <= 1 && ends:
		return e.leaves("it leaves no time to live")
	case e.forwarded: // which took one off
		ttl++
	}
	e.p.TTL = ttl
	return true
}

// targetTTL is TTL, or HL of IPv6.
func (e *evaluation) targetTTL(i decode.XTTTL) bool {
	now := int(e.ttl())
	unknown := ""
	if now == 0 {
		unknown = "what it was is not known"
	}
	switch i.Mode {
	case decode.XTTTLSet:
		return e.live(i.Value, "")
	case decode.XTTTLInc:
		if unknown != "" {
			return true // it stays as unknown as it was
		}
		return e.live(uint8(min(now+int(i.Value), 255)), "")
	case decode.XTTTLDec:
		return e.live(uint8(max(now-int(i.Value), 0)), unknown)
	}
	return e.rewritten("the time to live")
}

// object uses a stateful object, by its type (NFT_OBJECT_* in
// linux/netfilter/nf_tables.h).
func (e *evaluation) object(x decode.ObjrefExpr) bool {
	switch x.Type {
	case 1, 3, 7, 8, 9: // counter, helper, timeout, secmark, expectation
		return true
	case 2, 4, 5: // quota, limit, connections
		return e.within(false, "it depends on what came before ("+x.Name+")")
	case 10:
		return e.leaves("it is answered in the server's stead (synproxy)")
	}
	return e.leaves("an object of nft is not evaluated (" + join(x.Name, x.Set) + ")")
}

// policy doubts the way of a packet that routing policy may send elsewhere.
func (m *machine) policy() {
	if m.p.Policy == nil || !m.p.Policy(m.mark, m.tos) {
		return
	}
	if m.p.Marked != nil && !m.tos {
		if _, known := m.p.Marked(m.tuple.Dst.Addr(), m.mark); known {
			return
		}
	}
	if m.mark != 0 {
		m.doubt("where routing policy sends a packet with mark 0x" + strconv.FormatUint(uint64(m.mark), 16) + " is not evaluated")
		return
	}
	m.doubt("where routing policy sends a packet whose type of service a rule has changed is not evaluated")
}
