package ruletrace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture/rules"
)

// conn is the netlink socket that owns tables, for as long as one exchange
// takes. The kernel answers before a send returns, so that nothing has to be
// waited for.
type conn struct {
	fd   int
	port uint32 // netlink port id, unique in the namespace while the socket is open
}

// using runs fn on the socket f.
func using(f *os.File, fn func(conn) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		c := conn{fd: int(fd)}
		if c.port, failed = portOf(c.fd); failed == nil {
			failed = fn(c)
		}
	})
	return errors.Join(err, failed)
}

// portOf refuses what is no netfilter socket: files may come from another
// process.
func portOf(fd int) (uint32, error) {
	proto, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return 0, fmt.Errorf("look at the trace's socket: %w", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("look at the trace's socket: %w", err)
	}
	nl, ok := sa.(*unix.SockaddrNetlink)
	if !ok || proto != unix.NETLINK_NETFILTER || nl.Pid == 0 {
		return 0, errors.New("look at the trace's socket: not one of netfilter")
	}
	return nl.Pid, nil
}

// commit does a transaction.
func (c conn) commit(b *batch) error {
	b.end()
	if b.err != nil {
		return b.err
	}
	answers, err := c.ask(b.raw)
	if err != nil {
		return err
	}
	return b.answer(answers)
}

// ask sends messages and returns all that is answered.
func (c conn) ask(raw []byte) ([]netlink.Message, error) {
	if err := unix.Sendto(c.fd, raw, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("send to nf_tables: %w", err)
	}
	var all []netlink.Message
	buf := make([]byte, 1<<17)
	for {
		n, _, err := unix.Recvfrom(c.fd, buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EAGAIN):
			return all, nil
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, fmt.Errorf("receive from nf_tables: %w", err)
		}
		all = append(all, messages(buf[:n])...)
	}
}

// messages parts a datagram; their data is a copy.
func messages(b []byte) []netlink.Message {
	var ms []netlink.Message
	for len(b) >= unix.SizeofNlMsghdr {
		n := int(binary.NativeEndian.Uint32(b))
		if n < unix.SizeofNlMsghdr || n > len(b) {
			break
		}
		ms = append(ms, netlink.Message{
			Header: netlink.Header{
				Type:     netlink.HeaderType(binary.NativeEndian.Uint16(b[4:])),
				Sequence: binary.NativeEndian.Uint32(b[8:]),
			},
			Data: append([]byte(nil), b[unix.SizeofNlMsghdr:n]...),
		})
		b = b[min(len(b), (n+3)&^3):]
	}
	return ms
}

// tables are those of the namespace.
type tables struct {
	ours   []byte // families
	others bool   // someone has rules that can be traced
	bridge bool   // someone filters bridged frames
}

// list asks for the namespace's tables.
func (c conn) list(name string) (tables, error) {
	b := &batch{}
	b.message("list tables", unix.NFT_MSG_GETTABLE, unix.NFPROTO_UNSPEC, netlink.Dump, nothing)
	answers, err := c.ask(b.raw)
	if err != nil {
		return tables{}, err
	}
	if err := b.answer(answers); err != nil {
		return tables{}, err
	}
	var t tables
	for _, m := range answers {
		if m.Header.Type != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE || len(m.Data) < 4 {
			continue
		}
		switch family, found := m.Data[0], tableName(m.Data[4:]); {
		case found == name:
			t.ours = append(t.ours, family)
		case strings.HasPrefix(found, rules.OwnPrefix): // another run's
		case family == unix.NFPROTO_ARP, family == unix.NFPROTO_NETDEV:
		default:
			t.others = true
			t.bridge = t.bridge || family == unix.NFPROTO_BRIDGE
		}
	}
	return t, nil
}

func tableName(attrs []byte) string {
	ad, err := netlink.NewAttributeDecoder(attrs)
	if err != nil {
		return ""
	}
	for ad.Next() {
		if ad.Type() == unix.NFTA_TABLE_NAME {
			return ad.String()
		}
	}
	return ""
}
