package owned

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Batch is a transaction of nf_tables in the making: all of it is done, or
// nothing is.
type Batch struct {
	raw   []byte
	names []string // what each message does; its place is its sequence number
	err   error    // the first
}

// tableOwner is NFT_TABLE_F_OWNER (linux/netfilter/nf_tables.h): the table goes
// with the socket that made it. Kernels before 5.12 refuse it.
const tableOwner = 0x2

// NewBatch begins a transaction.
func NewBatch() *Batch {
	b := &Batch{}
	b.Message("begin", unix.NFNL_MSG_BATCH_BEGIN, 0, 0, nothing)
	return b
}

func (b *Batch) end() { b.Message("commit", unix.NFNL_MSG_BATCH_END, 0, 0, nothing) }

// nothing is what messages without attributes have.
func nothing(*netlink.AttributeEncoder) {}

// Message adds one message. Its sequence number is its place. Name says in
// errors what it does.
func (b *Batch) Message(name string, kind int, family byte, flags netlink.HeaderFlags, attrs func(*netlink.AttributeEncoder)) {
	ae := netlink.NewAttributeEncoder()
	ae.ByteOrder = binary.BigEndian
	attrs(ae)
	data, err := ae.Encode()
	if err != nil && b.err == nil {
		b.err = fmt.Errorf("encode %s: %w", name, err)
	}
	resource := uint16(0) // nfgenmsg.res_id: around a batch, the subsystem
	if kind == unix.NFNL_MSG_BATCH_BEGIN || kind == unix.NFNL_MSG_BATCH_END {
		resource = unix.NFNL_SUBSYS_NFTABLES
	} else {
		kind |= unix.NFNL_SUBSYS_NFTABLES << 8
		flags |= netlink.Acknowledge
	}
	size := unix.SizeofNlMsghdr + 4 + len(data)
	b.raw = binary.NativeEndian.AppendUint32(b.raw, uint32(size))
	b.raw = binary.NativeEndian.AppendUint16(b.raw, uint16(kind))
	b.raw = binary.NativeEndian.AppendUint16(b.raw, uint16(netlink.Request|flags))
	b.raw = binary.NativeEndian.AppendUint32(b.raw, uint32(len(b.names)))
	b.raw = binary.NativeEndian.AppendUint32(b.raw, 0)
	b.raw = append(b.raw, family, unix.NFNETLINK_V0)
	b.raw = binary.BigEndian.AppendUint16(b.raw, resource)
	b.raw = append(b.raw, data...)
	for len(b.raw)%unix.NLMSG_ALIGNTO != 0 {
		b.raw = append(b.raw, 0)
	}
	b.names = append(b.names, name)
}

// Table adds an empty table of a family.
func (b *Batch) Table(family byte, table string) {
	b.Message("make table", unix.NFT_MSG_NEWTABLE, family, netlink.Create|netlink.Excl, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_TABLE_NAME, table)
		ae.Uint32(unix.NFTA_TABLE_FLAGS, tableOwner)
	})
}

// Hook is where a base chain is called.
type Hook struct {
	Number   uint32 // NF_INET_PRE_ROUTING and so on
	Priority int32
	Device   string // of family netdev: the interface
}

// Chain adds a chain, a base chain if it has a hook.
func (b *Batch) Chain(family byte, table, name string, hook *Hook) {
	b.Message("make chain "+name, unix.NFT_MSG_NEWCHAIN, family, netlink.Create, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_CHAIN_TABLE, table)
		ae.String(unix.NFTA_CHAIN_NAME, name)
		if hook == nil {
			return
		}
		ae.Nested(unix.NFTA_CHAIN_HOOK, func(h *netlink.AttributeEncoder) error {
			h.Uint32(unix.NFTA_HOOK_HOOKNUM, hook.Number)
			h.Int32(unix.NFTA_HOOK_PRIORITY, hook.Priority)
			if hook.Device != "" {
				h.String(unix.NFTA_HOOK_DEV, hook.Device)
			}
			return nil
		})
		ae.String(unix.NFTA_CHAIN_TYPE, "filter")
		ae.Uint32(unix.NFTA_CHAIN_POLICY, 1) // NF_ACCEPT
	})
}

// Empty removes a chain's rules.
func (b *Batch) Empty(family byte, table, chain string) {
	b.Message("empty chain "+chain, unix.NFT_MSG_DELRULE, family, 0, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_RULE_TABLE, table)
		ae.String(unix.NFTA_RULE_CHAIN, chain)
	})
}

// Rule appends a rule to a chain.
func (b *Batch) Rule(family byte, table, chain string, exprs []expr.Any) {
	b.Message("make rule in "+chain, unix.NFT_MSG_NEWRULE, family, netlink.Create|netlink.Append, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_RULE_TABLE, table)
		ae.String(unix.NFTA_RULE_CHAIN, chain)
		ae.Nested(unix.NFTA_RULE_EXPRESSIONS, func(list *netlink.AttributeEncoder) error {
			for _, e := range exprs {
				list.Do(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, func() ([]byte, error) { return expr.Marshal(family, e) })
			}
			return nil
		})
	})
}

// answer finds in the kernel's answers to a batch the first refusal.
func (b *Batch) answer(answers []netlink.Message) error {
	for _, m := range answers {
		if m.Header.Type != netlink.Error || len(m.Data) < 4 {
			continue
		}
		errno := int32(binary.NativeEndian.Uint32(m.Data))
		if errno == 0 {
			continue
		}
		name := "transaction"
		if int(m.Header.Sequence) < len(b.names) {
			name = b.names[m.Header.Sequence]
		}
		return fmt.Errorf("%s: %w", name, unix.Errno(-errno))
	}
	if len(answers) == 0 {
		return errors.New("the kernel did not answer")
	}
	return nil
}
