package kernel

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"dnatrace/capture/host"
)

// inet_diag (linux/inet_diag.h).
const (
	diagByFamily  = 20 // SOCK_DIAG_BY_FAMILY
	diagReqSize   = 56 // struct inet_diag_req_v2
	diagMsgSize   = 72 // struct inet_diag_msg
	diagSKV6Only  = 11 // INET_DIAG_SKV6ONLY
	stateClose    = 7  // TCP_CLOSE: a UDP socket that is not connected
	stateListen   = 10 // TCP_LISTEN
	offLocalPort  = 4
	offLocalAddr  = 8
	offBoundLink  = 40
	offReadQueue  = 56
	offWriteQueue = 60
	offUID        = 64
	offInode      = 68
)

// readSockets lists the calling thread's namespace: TCP listeners and bound UDP
// sockets that are not connected.
func readSockets() ([]host.Socket, error) {
	var all []host.Socket
	for _, family := range families {
		for _, kind := range []struct {
			name  string
			proto byte
			state uint
		}{{"tcp", unix.IPPROTO_TCP, stateListen}, {"udp", unix.IPPROTO_UDP, stateClose}} {
			msgs, err := steady(func() ([][]byte, error) {
				req := nl.NewNetlinkRequest(diagByFamily, unix.NLM_F_DUMP)
				req.AddRawData(diagRequest(byte(family), kind.proto, kind.state))
				return req.Execute(unix.NETLINK_INET_DIAG, diagByFamily)
			})
			if err != nil {
				return all, fmt.Errorf("list %s sockets: %w", kind.name, err)
			}
			for _, m := range msgs {
				if s, ok := parseSocket(m, kind.name); ok {
					all = append(all, s)
				}
			}
		}
	}
	return all, nil
}

func diagRequest(family, proto byte, state uint) []byte {
	b := make([]byte, diagReqSize)
	b[0], b[1] = family, proto
	binary.NativeEndian.PutUint32(b[4:], 1<<state)
	return b
}

// parseSocket reads struct inet_diag_msg: ports and addresses in network order,
// the rest in host order. For a TCP listener the queues are the connections
// waiting and the most that may wait, for UDP the bytes to read and to send.
func parseSocket(m []byte, proto string) (host.Socket, bool) {
	if len(m) < diagMsgSize {
		return host.Socket{}, false
	}
	native := binary.NativeEndian
	s := host.Socket{
		Proto: proto,
		V6:    m[0] == unix.AF_INET6,
		Queue: native.Uint32(m[offReadQueue:]),
		UID:   native.Uint32(m[offUID:]),
		Inode: uint64(native.Uint32(m[offInode:])),
		Link:  int(native.Uint32(m[offBoundLink:])),
	}
	if proto == "tcp" {
		s.Backlog = native.Uint32(m[offWriteQueue:])
	}
	size := 4
	if s.V6 {
		size = 16
	}
	addr, _ := netip.AddrFromSlice(m[offLocalAddr : offLocalAddr+size])
	s.Local = netip.AddrPortFrom(addr, binary.BigEndian.Uint16(m[offLocalPort:]))
	s.V6Only = s.V6 && v6Only(m[diagMsgSize:])
	return s, s.Local.Port() != 0
}

func v6Only(attrs []byte) bool {
	for _, a := range attributes(attrs) {
		if a.Type == diagSKV6Only {
			return len(a.Data) > 0 && a.Data[0] != 0
		}
	}
	return false
}
