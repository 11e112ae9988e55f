package netfilter

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture/rules"
)

// attempts to read a ruleset in one piece before a torn one is taken.
const attempts = 5

// readNFT reads everything nf_tables knows in the calling thread's namespace,
// again if it changed meanwhile.
func readNFT() rules.Ruleset {
	set := rules.Ruleset{Backend: "nft"}
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return failed(set, err)
	}
	defer c.Close()
	for range attempts {
		r := nftReader{conn: c}
		r.read()
		if r.err != nil && !errors.Is(r.err, unix.EINTR) {
			return failed(set, fmt.Errorf("dump nf_tables: %w", r.err))
		}
		set.Data, set.Torn = r.raw.Bytes(), r.torn || r.err != nil
		if !set.Torn {
			break
		}
	}
	return set
}

// nftReader collects the raw messages of one pass over all kinds of objects.
type nftReader struct {
	conn *netlink.Conn
	raw  bytes.Buffer
	torn bool  // the ruleset changed during the pass
	err  error // the first; what follows is not read
}

func (r *nftReader) read() {
	before := r.generation()
	r.dump(unix.NFT_MSG_GETTABLE, unix.NFPROTO_UNSPEC, nil)
	r.dump(unix.NFT_MSG_GETCHAIN, unix.NFPROTO_UNSPEC, nil)
	r.dump(unix.NFT_MSG_GETRULE, unix.NFPROTO_UNSPEC, nil)
	for _, set := range r.dump(unix.NFT_MSG_GETSET, unix.NFPROTO_UNSPEC, nil) {
		r.elements(set)
	}
	r.dump(unix.NFT_MSG_GETOBJ, unix.NFPROTO_UNSPEC, nil)
	r.dump(unix.NFT_MSG_GETFLOWTABLE, unix.NFPROTO_UNSPEC, nil)
	if r.err == nil && !bytes.Equal(before, r.generation()) {
		r.torn = true
	}
}

// elements dumps the elements of the set that a NEWSET message describes.
func (r *nftReader) elements(set netlink.Message) {
	if len(set.Data) < 4 {
		return
	}
	table, name := setName(set.Data[4:])
	if table == nil || name == nil {
		return
	}
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: unix.NFTA_SET_ELEM_LIST_TABLE, Data: table},
		{Type: unix.NFTA_SET_ELEM_LIST_SET, Data: name},
	})
	if err != nil {
		return
	}
	r.dump(unix.NFT_MSG_GETSETELEM, set.Data[0], attrs)
}

// own says whether a message is about a table that dnatrace made. The table's
// name is attribute 1 of every kind of message (NFTA_TABLE_NAME,
// NFTA_CHAIN_TABLE, …).
func own(m netlink.Message) bool {
	if len(m.Data) < 4 {
		return false
	}
	table, _ := setName(m.Data[4:])
	return bytes.HasPrefix(table, []byte(rules.OwnPrefix))
}

func setName(attrs []byte) (table, name []byte) {
	ad, err := netlink.NewAttributeDecoder(attrs)
	if err != nil {
		return nil, nil
	}
	for ad.Next() {
		switch ad.Type() {
		case unix.NFTA_SET_TABLE:
			table = ad.Bytes()
		case unix.NFTA_SET_NAME:
			name = ad.Bytes()
		}
	}
	return table, name
}

// generation returns the ruleset's generation number as the kernel gives it.
func (r *nftReader) generation() []byte {
	msgs := r.send(unix.NFT_MSG_GETGEN, unix.NFPROTO_UNSPEC, 0, nil)
	if len(msgs) == 0 || len(msgs[0].Data) < 12 {
		return nil
	}
	return msgs[0].Data[4:12] // NFTA_GEN_ID is the first attribute
}

// dump keeps the raw answer, but for what is in tables of our own, and returns
// it.
func (r *nftReader) dump(kind int, family byte, attrs []byte) []netlink.Message {
	msgs := slices.DeleteFunc(r.send(kind, family, netlink.Dump, attrs), own)
	for _, m := range msgs {
		if m.Header.Flags&netlink.DumpInterrupted != 0 {
			r.torn = true
		}
		if b, err := m.MarshalBinary(); err == nil {
			r.raw.Write(b)
		}
	}
	return msgs
}

func (r *nftReader) send(kind int, family byte, flags netlink.HeaderFlags, attrs []byte) []netlink.Message {
	if r.err != nil {
		return nil
	}
	msgs, err := r.conn.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | flags,
		},
		Data: append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attrs...), // nfgenmsg
	})
	switch {
	case err == nil:
		return msgs
	case errors.Is(err, unix.ENOENT) && kind == unix.NFT_MSG_GETSETELEM:
		r.torn = true // the set went away after it was listed
	default:
		r.err = err
	}
	return nil
}

// Loaded says whether the kernel has nf_tables in it now. Asking nf_tables
// itself would load it.
func Loaded() bool {
	if _, err := os.Stat("/sys/module/nf_tables"); err == nil {
		return true
	}
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return true
	}
	f, err := os.Open("/lib/modules/" + unix.ByteSliceToString(u.Release[:]) + "/modules.builtin")
	if err != nil {
		return !listed("/proc/modules") // a kernel without modules has it or never will
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasSuffix(s.Text(), "/nf_tables.ko") {
			return true
		}
	}
	return false
}

func listed(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && len(b) > 0
}
