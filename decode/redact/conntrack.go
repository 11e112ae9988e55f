package redact

import "encoding/binary"

// tupleSchema is of the attributes of a tuple (enum ctattr_tuple, ctattr_ip,
// ctattr_l4proto).
var tupleSchema = schema{
	1: nest(schema{1: valueIP4, 2: valueIP4, 3: valueIP6, 4: valueIP6}),
	2: nest(numbers(9)),
	3: number, // zone
}

// natSchema is of CTA_NAT_SRC and CTA_NAT_DST (enum ctattr_nat).
var natSchema = schema{1: valueIP4, 2: valueIP4, 3: nest(numbers(2)), 4: valueIP6, 5: valueIP6}

// protoSchema is of CTA_PROTOINFO: TCP, DCCP and SCTP (enum ctattr_protoinfo).
var protoSchema = schema{1: nest(numbers(5)), 2: nest(numbers(3)), 3: nest(numbers(3))}

// conntrackSchema is of the messages of connection tracking (enum ctattr_type).
// Of a helper its name stays if it is one of the kernel's. Security contexts and
// labels are cleared.
var conntrackSchema = schema{
	1: nest(tupleSchema), 2: nest(tupleSchema), 14: nest(tupleSchema),
	6: nest(natSchema), 13: nest(natSchema),
	4: nest(protoSchema), 5: nest(schema{1: wordOf(helpers...)}),
	9: nest(numbers(4)), 10: nest(numbers(4)), 15: nest(numbers(3)), 16: nest(numbers(3)), 20: nest(numbers(2)), 24: nest(numbers(3)),
	3: number, 7: number, 8: number, 11: number, 12: number, 17: number, 18: number, 21: number, 25: number, 27: number,
}

// conntrack rewrites netlink messages of connection tracking in place.
func (r *Redactor) conntrack(b []byte) {
	r.messagesOf(b, subsystemConntrack, func(_ uint8, order binary.ByteOrder, attrs []byte) {
		conntrackSchema.apply(context{Redactor: r, order: order}, attrs)
	})
}

// helpers are the protocols that the kernel follows (net/netfilter/nf_conntrack_*.c).
var helpers = []string{"amanda", "ftp", "H.245", "Q.931", "RAS", "irc", "netbios-ns", "pptp", "sane", "sip", "snmp", "snmp_trap", "tftp"}
