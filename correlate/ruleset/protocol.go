package ruleset

import (
	"bytes"

	"dnatrace/decode"
)

// learn notes the protocol that a comparison pins down.
func (rd *reader) learn(o *operand, e decode.CmpExpr) {
	if e.Op != decode.CmpEqual || o.mask != nil {
		return
	}
	switch load := o.load.(type) {
	case decode.MetaExpr:
		switch {
		case load.Key == decode.MetaL4Proto && len(e.Value) == 1:
			rd.l4 = decode.Proto(e.Value[0])
		case load.Key == decode.MetaNFProto && len(e.Value) == 1:
			rd.l3 = decode.Family(e.Value[0])
		case load.Key == decode.MetaProtocol && len(e.Value) == 2:
			rd.l3 = familyOf(e.Value)
		}
	case decode.PayloadExpr:
		switch {
		case load.Base == decode.BaseLink && load.Offset == 12 && len(e.Value) == 2:
			rd.l3 = familyOf(e.Value)
		case load.Base == decode.BaseNetwork && len(e.Value) == 1 && load.Offset == 9 && rd.l3 == decode.FamilyIPv4,
			load.Base == decode.BaseNetwork && len(e.Value) == 1 && load.Offset == 6 && rd.l3 == decode.FamilyIPv6:
			rd.l4 = decode.Proto(e.Value[0])
		}
	}
}

// familyOf reads an EtherType.
func familyOf(b []byte) decode.Family {
	switch {
	case bytes.Equal(b, []byte{0x08, 0x00}):
		return decode.FamilyIPv4
	case bytes.Equal(b, []byte{0x86, 0xdd}):
		return decode.FamilyIPv6
	case bytes.Equal(b, []byte{0x08, 0x06}):
		return decode.FamilyARP
	}
	return 0
}
