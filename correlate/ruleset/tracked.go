package ruleset

import (
	"encoding/binary"

	"dnatrace/decode"
)

// tracked reports whether connection tracking has seen the packet by now.
func (m *machine) tracked() bool {
	if m.untracked || m.p.State == decode.CtInvalid {
		return false
	}
	before := !m.framed() && (m.at == decode.HookPrerouting || m.at == decode.HookOutput) && m.root != nil && m.root.Type != "nat" && m.root.Priority < priorityConntrack
	return m.at != decode.HookIngress && !(before && !m.looped)
}

// state is what a rule that asks for the state of the connection is told.
func (m *machine) state() uint32 {
	switch {
	case m.tracked():
		return m.p.State
	case m.untracked:
		return decode.CtUntracked
	}
	return decode.CtInvalid
}

// orig and reply are the connection's tuples as they are by now.
func (m *machine) orig() decode.Tuple {
	if m.p.Flow != nil {
		return m.p.Flow.Orig
	}
	return m.p.Tuple
}

func (m *machine) reply() decode.Tuple {
	if m.p.Flow != nil {
		return m.p.Flow.Reply
	}
	return m.tuple.Reverse()
}

// isReply reports whether the packet is an answer.
func (m *machine) isReply() bool {
	f := m.p.Flow
	return f != nil && m.p.Tuple == f.Reply && f.Reply != f.Orig
}

func (m *machine) status() uint32 {
	var s uint32
	if m.p.Flow != nil {
		s = m.p.Flow.Status
	}
	orig, reply := m.orig(), m.reply().Reverse()
	if orig.Dst != reply.Dst || orig.DstPort != reply.DstPort {
		s |= decode.StatusDstNAT
	}
	if orig.Src != reply.Src || orig.SrcPort != reply.SrcPort || m.masqueraded {
		s |= decode.StatusSrcNAT
	}
	return s
}

// ct loads what connection tracking knows, or sets its mark.
func (e *evaluation) ct(x decode.CtExpr) bool {
	if x.Set {
		return e.setCt(x)
	}
	if e.framed() && !e.frame.routed {
		return e.load(x.Reg, make([]byte, 16), "what connection tracking says of frames on a bridge is not known")
	}
	if x.Key == decode.CtState {
		return e.load(x.Reg, e.host32(e.state()), "")
	}
	if !e.tracked() {
		return false
	}
	b, why := e.ctValue(x)
	return e.load(x.Reg, b, why)
}

func (e *evaluation) ctValue(x decode.CtExpr) (b []byte, why string) {
	t := e.orig()
	if x.Reply {
		t = e.reply()
	}
	switch x.Key {
	case decode.CtDirection:
		if e.isReply() {
			return []byte{1}, ""
		}
		return []byte{0}, ""
	case decode.CtStatus:
		return e.host32(e.status()), ""
	case decode.CtMark:
		return e.host32(e.ctMark), e.ctMarkUnknown()
	case decode.CtL3Proto:
		return []byte{byte(e.family)}, ""
	case decode.CtProtocol:
		return []byte{byte(t.Proto)}, ""
	case decode.CtSrc, decode.CtSrcIP, decode.CtSrcIP6:
		return t.Src.Addr().AsSlice(), ""
	case decode.CtDst, decode.CtDstIP, decode.CtDstIP6:
		return t.Dst.Addr().AsSlice(), ""
	case decode.CtProtoSrc:
		return binary.BigEndian.AppendUint16(nil, t.SrcPort), ""
	case decode.CtProtoDst:
		return binary.BigEndian.AppendUint16(nil, t.DstPort), ""
	}
	return make([]byte, 16), "what connection tracking says (" + ctFields[x.Key].name + ") is not known"
}

// ctMarkUnknown says why the connection's mark is not known. A new connection
// has none until a rule sets it.
func (m *machine) ctMarkUnknown() string {
	if m.p.Flow == nil && m.p.State == decode.CtNew || m.p.Flow != nil && m.p.Flow.MarkKnown {
		return ""
	}
	return "the connection's mark is not known"
}

// asksNAT reports whether rules are asked for a translation at a hook: for the
// first packet of a connection, once for each half.
func (m *machine) asksNAT(hook uint32) bool {
	if m.p.Flow != nil || m.p.State != decode.CtNew && m.p.State != decode.CtRelated || m.untracked || m.looped {
		return false
	}
	if hook == decode.HookPrerouting || hook == decode.HookOutput {
		return !m.dstDone
	}
	return !m.srcDone
}

// followFlow does at a hook what was settled for the connection before.
func (m *machine) followFlow(hook uint32) {
	if m.p.Flow == nil || m.untracked || m.p.State == decode.CtInvalid || m.looped {
		return
	}
	to := m.p.Flow.Reply.Reverse()
	if m.isReply() {
		to = m.p.Flow.Orig.Reverse()
	}
	if hook == decode.HookPrerouting || hook == decode.HookOutput {
		m.tuple.Dst, m.tuple.DstPort = to.Dst, to.DstPort
	}
	if hook == decode.HookInput || hook == decode.HookPostrouting {
		m.tuple.Src, m.tuple.SrcPort = to.Src, to.SrcPort
	}
}
