package ruletrace

import (
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/owned"
)

// batch is a transaction about tables of the trace.
type batch struct{ *owned.Batch }

func newBatch() *batch { return &batch{owned.NewBatch()} }

// table adds a whole table of a family.
func (b *batch) table(family byte, table string, w wanted) {
	b.Table(family, table)
	for i, s := range w.sets {
		b.set(family, table, i, s)
	}
	for _, c := range called {
		b.Chain(family, table, c, nil)
	}
	b.rules(family, table, rest(w))
	for _, c := range base {
		b.Chain(family, table, c.name, &owned.Hook{Number: c.hook, Priority: priority})
		b.rules(family, table, entry(c.name, w))
	}
	b.elements(family, table, w.sets)
}

// refill replaces what is in the chains and sets.
func (b *batch) refill(family byte, table string, w wanted) {
	for _, c := range base {
		b.Empty(family, table, c.name)
		b.rules(family, table, entry(c.name, w))
	}
	for _, c := range called {
		b.Empty(family, table, c)
	}
	b.rules(family, table, rest(w))
	for _, s := range w.sets {
		b.Message("empty set "+s.name, unix.NFT_MSG_DELSETELEM, family, 0, func(ae *netlink.AttributeEncoder) {
			ae.String(unix.NFTA_SET_ELEM_LIST_TABLE, table)
			ae.String(unix.NFTA_SET_ELEM_LIST_SET, s.name)
		})
	}
	b.elements(family, table, w.sets)
}

func (b *batch) set(family byte, table string, i int, s set) {
	b.Message("make set "+s.name, unix.NFT_MSG_NEWSET, family, netlink.Create, func(ae *netlink.AttributeEncoder) {
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
			b.Message("fill set "+s.name, unix.NFT_MSG_NEWSETELEM, family, netlink.Create, func(ae *netlink.AttributeEncoder) {
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

func (b *batch) rules(family byte, table string, rs []rule) {
	for _, r := range rs {
		b.Rule(family, table, r.chain, r.exprs)
	}
}
