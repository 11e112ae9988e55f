package owned

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

// Conn is the netlink socket that owns tables, for as long as one exchange
// takes. The kernel answers before a send returns, so that nothing has to be
// waited for.
type Conn struct {
	FD   int
	Port uint32 // netlink port id, unique in the namespace while the socket is open
}

// Using runs fn on the socket f.
func Using(f *os.File, fn func(Conn) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		c := Conn{FD: int(fd)}
		if c.Port, failed = portOf(c.FD); failed == nil {
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
		return 0, fmt.Errorf("look at the socket of a table: %w", err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, fmt.Errorf("look at the socket of a table: %w", err)
	}
	nl, ok := sa.(*unix.SockaddrNetlink)
	if !ok || proto != unix.NETLINK_NETFILTER || nl.Pid == 0 {
		return 0, errors.New("look at the socket of a table: not one of netfilter")
	}
	return nl.Pid, nil
}

// Commit does a transaction.
func (c Conn) Commit(b *Batch) error {
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
func (c Conn) ask(raw []byte) ([]netlink.Message, error) {
	if err := unix.Sendto(c.FD, raw, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return nil, fmt.Errorf("send to nf_tables: %w", err)
	}
	var all []netlink.Message
	buf := make([]byte, 1<<17)
	for {
		n, _, err := unix.Recvfrom(c.FD, buf, unix.MSG_DONTWAIT)
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

// Tables are those of the namespace.
type Tables struct {
	Ours   []byte // families that have the table of that name
	Others bool   // someone has rules that can be traced
	Bridge bool   // someone filters bridged frames
}

// List asks for the namespace's tables.
func (c Conn) List(name string) (Tables, error) {
	b := &Batch{}
	b.Message("list tables", unix.NFT_MSG_GETTABLE, unix.NFPROTO_UNSPEC, netlink.Dump, nothing)
	answers, err := c.ask(b.raw)
	if err != nil {
		return Tables{}, err
	}
	if err := b.answer(answers); err != nil {
		return Tables{}, err
	}
	var t Tables
	for _, m := range answers {
		if m.Header.Type != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWTABLE || len(m.Data) < 4 {
			continue
		}
		switch family, found := m.Data[0], tableName(m.Data[4:]); {
		case found == name:
			t.Ours = append(t.Ours, family)
		case strings.HasPrefix(found, rules.OwnPrefix): // another run's
		case family == unix.NFPROTO_ARP, family == unix.NFPROTO_NETDEV:
		default:
			t.Others = true
			t.Bridge = t.Bridge || family == unix.NFPROTO_BRIDGE
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

// Translates reports whether the namespace has chains that translate addresses,
// those of iptables-legacy apart.
func (c Conn) Translates() (bool, error) {
	b := &Batch{}
	b.Message("list chains", unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC, netlink.Dump, nothing)
	answers, err := c.ask(b.raw)
	if err != nil {
		return false, err
	}
	if err := b.answer(answers); err != nil {
		return false, err
	}
	for _, m := range answers {
		if m.Header.Type != unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_NEWCHAIN || len(m.Data) < 4 {
			continue
		}
		ad, err := netlink.NewAttributeDecoder(m.Data[4:])
		if err != nil {
			continue
		}
		for ad.Next() {
			if ad.Type() == unix.NFTA_CHAIN_TYPE && ad.String() == "nat" {
				return true, nil
			}
		}
	}
	return false, nil
}
