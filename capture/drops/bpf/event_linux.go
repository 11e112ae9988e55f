package bpf

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture/drops"
)

// drop reads an event of the program. It is nil where that is no IP packet.
func (s *station) drop(b []byte) *drops.Drop {
	if len(b) < eventSize {
		return nil
	}
	order := binary.NativeEndian
	packet := headers(b[eventHeader:][:eventData])
	if packet == nil {
		return nil
	}
	reason := order.Uint32(b[16:])
	name, ok := s.reasons[reason]
	if !ok {
		name = strconv.FormatUint(uint64(reason), 10)
	}
	location := function(b[eventHeader+eventData:][:eventName])
	if drops.OfCopy(name, location) {
		return nil
	}
	return &drops.Drop{
		Time: int64(order.Uint64(b)) + bootTime(), Inode: uint64(order.Uint32(b[8:])), Link: int(order.Uint32(b[12:])),
		Reason: name, Location: location, Packet: packet,
	}
}

// function is the name in what the kernel printed: "nft_do_chain [nf_tables]" for
// a module's. It is "" where the kernel has no name for the address.
func function(b []byte) string {
	text, _, _ := bytes.Cut(b, []byte{0})
	name, _, _ := strings.Cut(string(text), " ")
	if strings.HasPrefix(name, "0x") {
		return ""
	}
	return name
}

// headers cuts b after the transport header: what follows is payload, or other
// memory of the kernel's. It is nil if b does not begin with an IP header.
func headers(b []byte) []byte {
	var head, total int
	var proto byte
	switch b[0] >> 4 {
	case 4:
		head, total, proto = int(b[0]&0x0F)*4, int(binary.BigEndian.Uint16(b[2:])), b[9]
	case 6:
		head, total, proto = 40, 40+int(binary.BigEndian.Uint16(b[4:])), b[6]
	default:
		return nil
	}
	if head < 20 {
		return nil
	}
	if total <= head { // filled in late, or a jumbo of TSO's
		total = len(b)
	}
	return b[:min(head+transport(proto), total, len(b))]
}

// transport is how much of the transport header is kept, in bytes.
func transport(proto byte) int {
	switch proto {
	case unix.IPPROTO_TCP:
		return 20
	case unix.IPPROTO_UDP, unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6:
		return 8
	case unix.IPPROTO_SCTP:
		return 12
	}
	return 0
}

// bootTime is the wall clock's time when CLOCK_BOOTTIME was 0, in Unix ns. It is
// taken anew for each event: the wall clock may be set meanwhile.
func bootTime() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &t) != nil {
		return 0
	}
	return time.Now().UnixNano() - t.Nano()
}
