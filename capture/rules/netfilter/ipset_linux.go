package netfilter

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dnatrace/capture/rules"
)

// What ipset is asked, and how (linux/netfilter/ipset/ip_set.h).
const (
	ipsetSubsystem   = unix.NFNL_SUBSYS_IPSET
	ipsetProtocol    = 1  // IPSET_CMD_PROTOCOL
	ipsetList        = 7  // IPSET_CMD_LIST
	ipsetGetByName   = 14 // IPSET_CMD_GET_BYNAME
	ipsetAttrVersion = 1
	ipsetAttrName    = 2
	ipsetAttrFlags   = 6
	ipsetAttrData    = 7
	ipsetAttrIndex   = 11
	ipsetAttrCount   = 24 // IPSET_ATTR_ELEMENTS, within the data
	ipsetHeadersOnly = 4  // IPSET_FLAG_LIST_HEADER
	ipsetNewest      = 7  // IPSET_PROTOCOL; 6 before Linux 4.20

	soIPSet          = 83 // SO_IP_SET
	soIPSetByName    = 6  // IP_SET_OP_GET_BYNAME
	soIPSetVersion   = 0x100
	ipsetNameLength  = 32
	ipsetAttrNetwork = 0x4000 // NLA_F_NET_BYTEORDER
)

// Of larger sets only the header is kept: entries of one set, and bytes of the
// entries of one set and of all. A set of addresses with as many entries as
// ipset allows if nothing is said (65536) just fits.
const (
	ipsetEntries  = 65536
	ipsetBytes    = 2 << 20
	ipsetAllBytes = 8 << 20
)

// readIPSets reads the sets of the calling thread's namespace. It asks only where
// ip_set is in the kernel, since asking would load it: rules that refer to a set
// cannot be there without it, so nothing is missed, and no rule has to be
// understood here to know whether to ask.
func readIPSets() []rules.Ruleset {
	if _, err := os.Stat("/sys/module/ip_set"); err != nil {
		return nil
	}
	set := rules.Ruleset{Backend: "ipset"}
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return []rules.Ruleset{failed(set, err)}
	}
	defer c.Close()
	r := ipsetReader{conn: c}
	if set.Data, err = r.read(); err != nil {
		return []rules.Ruleset{failed(set, fmt.Errorf("dump ipset: %w", err))}
	}
	if len(set.Data) == 0 {
		return nil
	}
	return []rules.Ruleset{set}
}

// ipsetReader collects the raw messages of the sets of a namespace.
type ipsetReader struct {
	conn    *netlink.Conn
	version uint8
	raw     bytes.Buffer
}

func (r *ipsetReader) read() ([]byte, error) {
	if err := r.agree(); err != nil {
		return nil, err
	}
	headers, err := r.list("", ipsetHeadersOnly)
	if err != nil {
		return nil, err
	}
	for _, h := range headers {
		if err := r.set(h); err != nil {
			return nil, err
		}
	}
	return r.raw.Bytes(), nil
}

// agree finds the newest version of the protocol that both sides know.
func (r *ipsetReader) agree() error {
	r.version = ipsetNewest
	msgs, err := r.send(ipsetProtocol, 0, nil)
	if err != nil {
		return err
	}
	for _, m := range msgs {
		if v := attrOf(m.Data, ipsetAttrVersion); len(v) == 1 {
			r.version = min(r.version, v[0])
		}
	}
	return nil
}

// set keeps a set: its entries, or its header alone where there are too many.
func (r *ipsetReader) set(header netlink.Message) error {
	name := string(bytes.TrimRight(attrOf(header.Data, ipsetAttrName), "\x00"))
	msgs := []netlink.Message{header}
	count := attrIn(attrOf(header.Data, ipsetAttrData), ipsetAttrCount)
	if len(count) != 4 || binary.BigEndian.Uint32(count) <= ipsetEntries {
		all, err := r.list(name, 0)
		switch {
		case errors.Is(err, unix.ENOENT): // it went away after it was listed
			return nil
		case err != nil:
			return err
		}
		if size(all) <= min(ipsetBytes, ipsetAllBytes-r.raw.Len()) {
			msgs = all
		}
	}
	for _, m := range msgs {
		r.keep(m)
	}
	if attrOf(header.Data, ipsetAttrIndex) == nil {
		return r.number(name)
	}
	return nil
}

func size(msgs []netlink.Message) (n int) {
	for _, m := range msgs {
		n += int(m.Header.Length)
	}
	return n
}

// keep adds a message without what is of this conversation alone, so that sets
// that did not change read the same again.
func (r *ipsetReader) keep(m netlink.Message) {
	m.Header.Sequence, m.Header.PID = 0, 0
	if b, err := m.MarshalBinary(); err == nil {
		r.raw.Write(b)
	}
}

// number adds the number of a set, by which rules refer to it, where the list
// does not have it: before Linux 4.20. It is put into the message that newer
// kernels answer with.
func (r *ipsetReader) number(name string) error {
	index, err := ipsetIndex(name)
	if err != nil {
		return fmt.Errorf("read the number of ipset %s: %w", name, err)
	}
	attrs, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: ipsetAttrName, Data: append([]byte(name), 0)},
		{Type: ipsetAttrIndex | ipsetAttrNetwork, Data: binary.BigEndian.AppendUint16(nil, index)},
	})
	if err == nil {
		data := append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, attrs...)
		r.keep(netlink.Message{
			Header: netlink.Header{Type: ipsetSubsystem<<8 | ipsetGetByName, Length: uint32(unix.NLMSG_HDRLEN + len(data))}, Data: data,
		})
	}
	return err
}

// ipsetIndex asks for the number of a set as iptables does (libxt_set.h).
func ipsetIndex(name string) (uint16, error) {
	if len(name) >= ipsetNameLength {
		return 0, fmt.Errorf("name of %d bytes", len(name))
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return 0, fmt.Errorf("open raw socket: %w", err)
	}
	defer unix.Close(fd)
	version := make([]byte, 8) // struct ip_set_req_version
	binary.NativeEndian.PutUint32(version, soIPSetVersion)
	if err := getsockopt(fd, unix.IPPROTO_IP, soIPSet, version); err != nil {
		return 0, err
	}
	get := make([]byte, 8+ipsetNameLength) // struct ip_set_req_get_set
	binary.NativeEndian.PutUint32(get, soIPSetByName)
	copy(get[4:], version[4:])
	copy(get[8:], name)
	if err := getsockopt(fd, unix.IPPROTO_IP, soIPSet, get); err != nil {
		return 0, err
	}
	return binary.NativeEndian.Uint16(get[8:]), nil
}

// list asks for one set, or for all if name is empty.
func (r *ipsetReader) list(name string, flags uint32) ([]netlink.Message, error) {
	var attrs []netlink.Attribute
	if name != "" {
		attrs = append(attrs, netlink.Attribute{Type: ipsetAttrName, Data: append([]byte(name), 0)})
	}
	if flags != 0 {
		attrs = append(attrs, netlink.Attribute{Type: ipsetAttrFlags | ipsetAttrNetwork, Data: binary.BigEndian.AppendUint32(nil, flags)})
	}
	return r.send(ipsetList, netlink.Dump, attrs)
}

func (r *ipsetReader) send(kind int, flags netlink.HeaderFlags, attrs []netlink.Attribute) ([]netlink.Message, error) {
	b, err := netlink.MarshalAttributes(append([]netlink.Attribute{{Type: ipsetAttrVersion, Data: []byte{r.version}}}, attrs...))
	if err != nil {
		return nil, err
	}
	return r.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: netlink.HeaderType(ipsetSubsystem<<8 | kind), Flags: netlink.Request | flags},
		Data:   append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, b...), // nfgenmsg
	})
}

// attrOf is an attribute of a message behind its nfgenmsg; nil for none.
func attrOf(data []byte, kind uint16) []byte {
	if len(data) < 4 {
		return nil
	}
	return attrIn(data[4:], kind)
}

func attrIn(b []byte, kind uint16) []byte {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return nil
	}
	for ad.Next() {
		if ad.Type() == kind {
			return ad.Bytes()
		}
	}
	return nil
}
