package probe

import (
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Messages and attributes of ctnetlink (linux/netfilter/nfnetlink_conntrack.h).
const (
	ctDelete = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2 // IPCTNL_MSG_CT_DELETE

	ctaTupleOrig = 1

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaProtoNumber  = 1
	ctaProtoSrcPort = 2
	ctaProtoDstPort = 3
	ctaICMPID       = 4 // ICMPv6: the three that follow these
	ctaICMPType     = 5
	ctaICMPCode     = 6
)

// untrack has connection tracking forget a request, as if it had never come.
func untrack(fd int, a *Ask) error {
	family, first := byte(unix.AF_INET), uint16(1) // CTA_IP_V4_SRC
	if a.Client.Addr().Is6() {
		family, first = unix.AF_INET6, 3
	}
	return exchange(fd, ctDelete, family, 0, func(ae *netlink.AttributeEncoder) {
		ae.Nested(ctaTupleOrig, func(t *netlink.AttributeEncoder) error {
			t.Nested(ctaTupleIP, func(ip *netlink.AttributeEncoder) error {
				ip.Bytes(first, a.Client.Addr().AsSlice())
				ip.Bytes(first+1, a.Server.Addr().AsSlice())
				return nil
			})
			t.Nested(ctaTupleProto, func(p *netlink.AttributeEncoder) error {
				p.Uint8(ctaProtoNumber, a.Proto)
				switch a.Proto {
				case ICMP, ICMP6:
					kind, shift := uint8(8), uint16(0)
					if a.Proto == ICMP6 {
						kind, shift = 128, 3
					}
					p.Uint16(ctaICMPID+shift, a.Client.Port())
					p.Uint8(ctaICMPType+shift, kind)
					p.Uint8(ctaICMPCode+shift, 0)
				default:
					p.Uint16(ctaProtoSrcPort, a.Client.Port())
					p.Uint16(ctaProtoDstPort, a.Server.Port())
				}
				return nil
			})
			return nil
		})
	})
}
