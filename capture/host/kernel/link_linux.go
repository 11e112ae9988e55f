package kernel

import (
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"dnatrace/capture/host"
)

func (t *taking) readLinks() error {
	links, err := steady(t.route.LinkList)
	namespaces := t.netnsIDs()
	for _, l := range links {
		t.sample.Links = append(t.sample.Links, linkOf(l, namespaces))
		t.countLink(l.Attrs())
	}
	if err != nil {
		return err
	}
	return t.readBridgePorts()
}

func linkOf(l netlink.Link, namespaces map[int]uint64) host.Link {
	a := l.Attrs()
	link := host.Link{
		Index:    a.Index,
		Name:     a.Name,
		MAC:      a.HardwareAddr.String(),
		MTU:      a.MTU,
		Up:       a.Flags&net.FlagUp != 0,
		Running:  a.RawFlags&unix.IFF_RUNNING != 0,
		Loopback: a.Flags&net.FlagLoopback != 0,
		Master:   a.MasterIndex,
		Peer:     a.ParentIndex,
	}
	if kind := l.Type(); kind != "device" { // the library's word for no kind
		link.Kind = kind
	}
	if a.NetNsID >= 0 {
		link.Away, link.PeerNetns = true, namespaces[a.NetNsID]
	}
	return link
}

// netnsIDs returns the inode of each peer namespace by the id it has in this
// one. Listing links gives an id to every namespace at their other ends: ask
// afterwards.
func (t *taking) netnsIDs() map[int]uint64 {
	ids := make(map[int]uint64, len(t.peers))
	for _, p := range t.peers {
		if id, err := t.route.GetNetNsIdByFd(int(p.file.Fd())); err == nil && id >= 0 {
			ids[id] = p.inode
		}
	}
	return ids
}

// countLink keeps the link's counters that tell of losses, where there are any.
func (t *taking) countLink(a *netlink.LinkAttrs) {
	if a.Statistics == nil {
		return
	}
	for name, n := range map[string]uint64{
		"rx_dropped": a.Statistics.RxDropped,
		"tx_dropped": a.Statistics.TxDropped,
		"rx_errors":  a.Statistics.RxErrors,
		"tx_errors":  a.Statistics.TxErrors,
	} {
		if n > 0 {
			t.sample.Counters["link."+a.Name+"."+name] = n
		}
	}
}

// readBridgePorts adds the settings of bridge ports, which the kernel gives in
// a list of their own.
func (t *taking) readBridgePorts() error {
	byIndex := map[int]*host.Link{}
	for i, l := range t.sample.Links {
		if l.Master != 0 {
			byIndex[l.Index] = &t.sample.Links[i]
		}
	}
	if len(byIndex) == 0 {
		return nil
	}
	msgs, err := steady(func() ([][]byte, error) {
		req := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_BRIDGE))
		return req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
	})
	for _, m := range msgs {
		setBridgePort(byIndex, m)
	}
	return err
}

func setBridgePort(byIndex map[int]*host.Link, m []byte) {
	if len(m) < unix.SizeofIfInfomsg {
		return
	}
	link := byIndex[int(nl.DeserializeIfInfomsg(m).Index)]
	if link == nil {
		return
	}
	for _, a := range attributes(m[unix.SizeofIfInfomsg:]) {
		if a.Type != unix.IFLA_PROTINFO {
			continue
		}
		for _, p := range attributes(a.Data) {
			on := len(p.Data) > 0 && p.Data[0] != 0
			switch p.Type {
			case nl.IFLA_BRPORT_STATE:
				if len(p.Data) > 0 && int(p.Data[0]) < len(host.PortStates) {
					link.PortState = host.PortStates[p.Data[0]]
				}
			case nl.IFLA_BRPORT_MODE:
				link.Hairpin = on
			case nl.IFLA_BRPORT_ISOLATED:
				link.Isolated = on
			}
		}
	}
}
