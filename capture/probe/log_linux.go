package probe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Messages and attributes of the netfilter log (linux/netfilter/nfnetlink_log.h).
const (
	msgPacket = 0
	msgConfig = 1

	attrIfindexOut = 5
	attrPayload    = 9
	attrPrefix     = 10

	configCommand   = 1
	configMode      = 2
	configTimeout   = 4
	configThreshold = 5

	bindGroup  = 1
	copyPacket = 2
)

// listener hears what the guard says, by the netfilter log. It is no logger of
// anybody else's packets.
type listener struct {
	fd    int
	group uint16
	buf   []byte
}

// said is one message of the guard.
type said struct {
	prefix string
	out    int // interface index
	packet []byte
}

// listen binds a group of the log that nobody has.
func listen() (*listener, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("listen to the guard: %w", err)
	}
	l := &listener{fd: fd, buf: make([]byte, 1<<17)}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 1<<20)
	if err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err == nil {
		for range 16 {
			l.group = uint16(1024 + rand.IntN(1<<16-1024))
			err = l.bind()
			if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EBUSY) { // the first is said of one that another has
				break
			}
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to the guard by the netfilter log: %w", err)
	}
	return l, nil
}

// bind takes the group, and has every packet told at once and whole.
func (l *listener) bind() error {
	for _, attrs := range []func(*netlink.AttributeEncoder){
		func(ae *netlink.AttributeEncoder) { ae.Bytes(configCommand, []byte{bindGroup}) },
		func(ae *netlink.AttributeEncoder) {
			ae.Bytes(configMode, append(binary.BigEndian.AppendUint32(nil, 0xffff), copyPacket, 0))
		},
		func(ae *netlink.AttributeEncoder) { ae.Uint32(configThreshold, 1) },
		func(ae *netlink.AttributeEncoder) { ae.Uint32(configTimeout, 1) },
	} {
		if err := l.configure(attrs); err != nil {
			return err
		}
	}
	return nil
}

func (l *listener) configure(attrs func(*netlink.AttributeEncoder)) error {
	return exchange(l.fd, unix.NFNL_SUBSYS_ULOG<<8|msgConfig, unix.AF_UNSPEC, l.group, attrs)
}

// exchange sends one message of netfilter's and returns what it is answered.
func exchange(fd int, kind uint16, family byte, resource uint16, attrs func(*netlink.AttributeEncoder)) error {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	attrs(ae)
	data, err := ae.Encode()
	if err != nil {
		return err
	}
	raw := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+4+len(data)))
	raw = binary.NativeEndian.AppendUint16(raw, kind)
	raw = binary.NativeEndian.AppendUint16(raw, unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	raw = append(raw, make([]byte, 8)...)
	raw = append(raw, family, unix.NFNETLINK_V0)
	raw = binary.BigEndian.AppendUint16(raw, resource)
	raw = append(raw, data...)
	if err := unix.Sendto(fd, raw, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	buf := make([]byte, 4096)
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		if err != nil {
			return err
		}
		if n >= unix.SizeofNlMsghdr+4 && binary.NativeEndian.Uint16(buf[4:]) == unix.NLMSG_ERROR {
			if errno := int32(binary.NativeEndian.Uint32(buf[unix.SizeofNlMsghdr:])); errno != 0 {
				return unix.Errno(-errno)
			}
			return nil
		}
	}
}

// hear takes what the guard has said and was not taken yet.
func (l *listener) hear() (all []said) {
	for {
		n, _, err := unix.Recvfrom(l.fd, l.buf, unix.MSG_DONTWAIT)
		if err == unix.EINTR || err == unix.ENOBUFS {
			continue
		}
		if err != nil {
			return all
		}
		for b := l.buf[:n]; len(b) >= unix.SizeofNlMsghdr; {
			size := int(binary.NativeEndian.Uint32(b))
			if size < unix.SizeofNlMsghdr || size > len(b) {
				break
			}
			if binary.NativeEndian.Uint16(b[4:]) == unix.NFNL_SUBSYS_ULOG<<8|msgPacket && size >= unix.SizeofNlMsghdr+4 {
				if s, ok := message(b[unix.SizeofNlMsghdr+4 : size]); ok {
					all = append(all, s)
				}
			}
			b = b[min(len(b), (size+3)&^3):]
		}
	}
}

func message(b []byte) (s said, ok bool) {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return s, false
	}
	ad.ByteOrder = binary.BigEndian
	for ad.Next() {
		switch ad.Type() {
		case attrPrefix:
			s.prefix = ad.String()
		case attrIfindexOut:
			s.out = int(ad.Uint32())
		case attrPayload:
			s.packet = ad.Bytes() // a copy
		}
	}
	return s, ad.Err() == nil && s.prefix != "" && len(s.packet) > 0
}

func (l *listener) close() { unix.Close(l.fd) }
