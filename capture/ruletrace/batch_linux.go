package ruletrace

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// batch is a transaction of nf_tables in the making: all of it is done, or
// nothing is.
type batch struct {
	raw   []byte
	names []string // what each message does; its place is its sequence number
	err   error    // the first
}

// tableOwner is NFT_TABLE_F_OWNER (linux/netfilter/nf_tables.h): the table goes
// with the socket that made it. Kernels before 5.12 refuse it.
const tableOwner = 0x2

func newBatch() *batch {
	b := &batch{}
	b.message("begin", unix.NFNL_MSG_BATCH_BEGIN, 0, 0, nothing)
	return b
}

func (b *batch) end() { b.message("commit", unix.NFNL_MSG_BATCH_END, 0, 0, nothing) }

// nothing is what messages without attributes have.
func nothing(*netlink.AttributeEncoder) {}

// message adds one message. Its sequence number is its place.
func (b *batch) message(name string, kind int, family byte, flags netlink.HeaderFlags, attrs func(*netlink.AttributeEncoder)) {
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

// table adds a whole table of a family.
func (b *batch) table(family byte, table string, w wanted) {
	b.message("make table", unix.NFT_MSG_NEWTABLE, family, netlink.Create|netlink.Excl, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_TABLE_NAME, table)
		ae.Uint32(unix.NFTA_TABLE_FLAGS, tableOwner)
	})
	for i, s := range w.sets {
		b.set(family, table, i, s)
	}
	for _, c := range called {
		b.chain(family, table, c, nil)
	}
	b.rules(family, table, rest(w))
	for _, c := range base {
		b.chain(family, table, c.name, &c.hook)
		b.rules(family, table, entry(c.name, w))
	}
	b.elements(family, table, w.sets)
}

// refill replaces what is in the chains and sets.
func (b *batch) refill(family byte, table string, w wanted) {
	for _, c := range base {
		b.empty(family, table, c.name)
		b.rules(family, table, entry(c.name, w))
	}
	for _, c := range called {
		b.empty(family, table, c)
	}
	b.rules(family, table, rest(w))
	for _, s := range w.sets {
		b.message("empty set "+s.name, unix.NFT_MSG_DELSETELEM, family, 0, func(ae *netlink.AttributeEncoder) {
			ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, table)
			ae.String(unix.NFTA_SET_ELEM_LIST_SET, s.name)
		})
	}
	b.elements(family, table, w.sets)
}

func (b *batch) set(family byte, table string, i int, s set) {
	b.message("make set "+s.name, unix.NFT_MSG_NEWSET, family, netlink.Create, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_SET_TABLE, table)
		ae.String(unix.NFTA_SET_NAME, s.name)
		ae.Uint32(unix.NFTA_SET_KEY_TYPE, s.kind)
		ae.Uint32(unix.NFTA_SET_KEY_LEN, uint32(s.size))
		ae.Uint32(unix.NFTA_SET_ID, uint32(i+1))
	})
}

// elementsAtOnce keeps a nested attribute within its 16 bits of length.
const elementsAtOnce = 512

func (b *batch) elements(family byte, table string, sets []set) {
	for _, s := range sets {
		for keys := s.keys; len(keys) > 0; {
			some := keys[:min(len(keys), elementsAtOnce)]
			keys = keys[len(some):]
			b.message("fill set "+s.name, unix.NFT_MSG_NEWSETELEM, family, netlink.Create, func(ae *netlink.AttributeEncoder) {
				ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, table)
				ae.String(unix.NFTA_SET_ELEM_LIST_SET, s.name)
				ae.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(list *netlink.AttributeEncoder) error {
					for _, k := range some {
						list.Nested(unix.NFTA_LIST_ELEM, element(k))
					}
					return nil
				})
			})
		}
	}
}

func element(key []byte) func(*netlink.AttributeEncoder) error {
	return func(e *netlink.AttributeEncoder) error {
		e.Nested(unix.NFTA_SET_ELEM_KEY, func(d *netlink.AttributeEncoder) error {
			d.Bytes(unix.NFTA_DATA_VALUE, key)
			return nil
		})
		return nil
	}
}

// chain adds a chain, a base chain if it has a hook.
func (b *batch) chain(family byte, table, name string, hook *uint32) {
	b.message("make chain "+name, unix.NFT_MSG_NEWCHAIN, family, netlink.Create, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_CHAIN_TABLE, table)
		ae.String(unix.NFTA_CHAIN_NAME, name)
		if hook == nil {
			return
		}
		ae.Nested(unix.NFTA_CHAIN_HOOK, func(h *netlink.AttributeEncoder) error {
			h.Uint32(unix.NFTA_HOOK_HOOKNUM, *hook)
			h.Int32(unix.NFTA_HOOK_PRIORITY, priority)
			return nil
		})
		ae.String(unix.NFTA_CHAIN_TYPE, "filter")
		ae.Uint32(unix.NFTA_CHAIN_POLICY, 1) // NF_ACCEPT
	})
}

// empty removes a chain's rules.
func (b *batch) empty(family byte, table, chain string) {
	b.message("empty chain "+chain, unix.NFT_MSG_DELRULE, family, 0, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_RULE_TABLE, table)
		ae.String(unix.NFTA_RULE_CHAIN, chain)
	})
}

func (b *batch) rules(family byte, table string, rs []rule) {
	for _, r := range rs {
		b.rule(family, table, r)
	}
}

func (b *batch) rule(family byte, table string, r rule) {
	b.message("make rule in "+r.chain, unix.NFT_MSG_NEWRULE, family, netlink.Create|netlink.Append, func(ae *netlink.AttributeEncoder) {
		ae.String(unix.NFTA_RULE_TABLE, table)
		ae.String(unix.NFTA_RULE_CHAIN, r.chain)
		ae.Nested(unix.NFTA_RULE_EXPRESSIONS, func(list *netlink.AttributeEncoder) error {
			for _, e := range r.exprs {
				list.Do(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, func() ([]byte, error) { return expr.Marshal(family, e) })
			}
			return nil
		})
	})
}

// answer finds in the kernel's answers to a batch the first refusal.
func (b *batch) answer(answers []netlink.Message) error {
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
