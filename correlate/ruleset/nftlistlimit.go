package ruleset

import (
	"strconv"
	"strings"

	"dnatrace/decode"
)

var limitUnit = map[string]uint64{"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}

// limit reads limit rate [over] N/UNIT [burst N packets], or limit name X.
func (b *listRule) limit() bool {
	if b.word("name") {
		b.add(decode.ObjrefExpr{Type: 4, Name: b.next().text})
		return true
	}
	if !b.word("rate") {
		return false
	}
	e := decode.LimitExpr{Over: b.word("over")}
	rate, unit, slash := strings.Cut(b.next().text, "/")
	scale := uint64(1)
	if !slash {
		var size string
		size, unit, _ = strings.Cut(b.next().text, "/")
		e.Bytes, scale = true, byteUnits[size]
	}
	n, err := strconv.ParseUint(rate, 10, 64)
	e.Rate, e.Unit = n*scale, limitUnit[unit]
	if err != nil || e.Unit == 0 || scale == 0 {
		return false
	}
	if !e.Bytes {
		e.Burst = 5
	}
	if b.word("burst") {
		n, err := strconv.ParseUint(b.next().text, 10, 32)
		size := b.next().text
		if err != nil {
			return false
		}
		e.Burst = uint32(n * max(1, byteUnits[size]))
	}
	b.add(e)
	return true
}

// connlimit reads ct count [over] N.
func (b *listRule) connlimit() bool {
	e := decode.ConnlimitExpr{Over: b.word("over")}
	n, err := strconv.ParseUint(b.next().text, 10, 32)
	e.Count = uint32(n)
	b.add(e)
	return err == nil
}

var byteUnits = map[string]uint64{"bytes": 1, "kbytes": 1 << 10, "mbytes": 1 << 20}

func (b *listRule) quota() bool {
	if b.word("name") {
		b.add(decode.ObjrefExpr{Type: 2, Name: b.next().text})
		return true
	}
	e := decode.QuotaExpr{Over: b.word("over")}
	b.word("until")
	n, err := strconv.ParseUint(b.next().text, 10, 64)
	size := byteUnits[b.next().text]
	if err != nil || size == 0 {
		return false
	}
	e.Bytes = n * size
	if b.word("used") {
		b.at += 2
	}
	b.add(e)
	return true
}

func (b *listRule) queue() bool {
	var e decode.QueueExpr
	for !b.done() {
		t := b.peek(0)
		switch first, last, _ := strings.Cut(t.text, "-"); {
		case t.kind == listWord && len(t.text) > 0 && digit(t.text[0]):
			n, _ := strconv.ParseUint(first, 10, 16)
			e.Number, e.Total = uint16(n), 1
			if m, err := strconv.ParseUint(last, 10, 16); err == nil {
				e.Total = uint16(m-n) + 1
			}
		case t.text == "flags", t.text == "to", t.text == "num":
		case strings.Contains(t.text, "bypass"), strings.Contains(t.text, "fanout"):
			if strings.Contains(t.text, "bypass") {
				e.Flags |= 1
			}
			if strings.Contains(t.text, "fanout") {
				e.Flags |= 2
			}
		default:
			b.add(e)
			return true
		}
		b.at++
	}
	b.add(e)
	return true
}

func (b *listRule) flow() bool {
	name := ""
	if b.word("add") || b.word("offload") {
		name = strings.TrimPrefix(b.next().text, "@")
	}
	b.add(decode.FlowExpr{Table: name})
	return name != ""
}
