package redact

import "encoding/binary"

// tupleSchema is of the attributes of a tuple (enum ctattr_tuple, ctattr_ip,
// ctattr_l4proto).
var tupleSchema = schema{
	1: nest(schema{1: valueIP4, 2: valueIP4, 3: valueIP6, 4: valueIP6}),
	2: nest(schema{1: keep, 2: keep, 3: keep, 4: keep, 5: keep, 6: keep, 7: keep, 8: keep, 9: keep}),
	3: keep, // zone
}

// natSchema is of CTA_NAT_SRC and CTA_NAT_DST (enum ctattr_nat).
var natSchema = schema{1: valueIP4, 2: valueIP4, 3: nest(schema{1: keep, 2: keep}), 4: valueIP6, 5: valueIP6}

// conntrackSchema is of the messages of connection tracking (enum ctattr_type).
// Security contexts and labels are cleared.
var conntrackSchema = schema{
	1: nest(tupleSchema), 2: nest(tupleSchema), 14: nest(tupleSchema),
	6: nest(natSchema), 13: nest(natSchema),
	3: keep, 4: keep, 5: keep, 7: keep, 8: keep, 9: keep, 10: keep, 11: keep, 12: keep,
	15: keep, 16: keep, 17: keep, 18: keep, 20: keep, 21: keep, 24: keep, 25: keep, 27: keep,
}

// conntrack rewrites netlink messages of connection tracking in place.
func (r *Redactor) conntrack(b []byte) {
	messagesOf(b, subsystemConntrack, func(_ uint8, order binary.ByteOrder, attrs []byte) {
		conntrackSchema.apply(context{r, order}, attrs)
	})
}
