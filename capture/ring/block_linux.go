package ring

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// block is one block of the ring, shared with the kernel: struct
// tpacket_block_desc, then packets (linux/if_packet.h). Status is the lock:
// what the kernel wrote before it set TP_STATUS_USER is ours until we set
// TP_STATUS_KERNEL again.
type block []byte

// blockHdr is where tpacket_hdr_v1 starts: after version and offset_to_priv.
const blockHdr = 8

// sllOffset is where struct sockaddr_ll follows struct tpacket3_hdr: its size,
// 48, is a multiple of TPACKET_ALIGNMENT.
const sllOffset = 48

func (b block) hdr() *unix.TpacketHdrV1 {
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&b[blockHdr]))
}

func (b block) status() uint32 { return atomic.LoadUint32(&b.hdr().Block_status) }

// ready reports whether the block is ours.
func (b block) ready() bool { return b.status()&unix.TP_STATUS_USER != 0 }

// filling is the number of packets the kernel has put into a block that is not
// ours yet. The kernel counts them in place under its queue lock, before it
// fills them in (prb_fill_curr_block); release zeroes the count, so that zero
// means none even in the moment before the kernel opens the block.
func (b block) filling() uint32 { return atomic.LoadUint32(&b.hdr().Num_pkts) }

// release gives the block back to the kernel.
func (b block) release() {
	atomic.StoreUint32(&b.hdr().Num_pkts, 0)
	atomic.StoreUint32(&b.hdr().Block_status, unix.TP_STATUS_KERNEL)
}

// times are those of the first and the last packet. They are valid iff the
// block holds packets.
func (b block) times() (first, last int64) {
	h := b.hdr()
	return unixNano(h.Ts_first_pkt.Sec, h.Ts_first_pkt.Usec), unixNano(h.Ts_last_pkt.Sec, h.Ts_last_pkt.Usec)
}

// frame is one packet in a block: struct tpacket3_hdr, then sockaddr_ll.
type frame struct {
	*unix.Tpacket3Hdr
	*unix.RawSockaddrLinklayer
}

// frame returns the packet at off, and whether all of it lies in the block.
func (b block) frame(off uint32) (frame, bool) {
	if uint64(off)+sllOffset+unix.SizeofSockaddrLinklayer > uint64(len(b)) {
		return frame{}, false
	}
	f := frame{
		(*unix.Tpacket3Hdr)(unsafe.Pointer(&b[off])),
		(*unix.RawSockaddrLinklayer)(unsafe.Pointer(&b[off+sllOffset])),
	}
	return f, uint64(off)+uint64(f.Mac)+uint64(f.Snaplen) <= uint64(len(b))
}

func (f frame) time() int64 { return unixNano(f.Sec, f.Nsec) }

// tagged reports whether the kernel took a VLAN tag out of the frame.
func (f frame) tagged() bool { return f.Status&unix.TP_STATUS_VLAN_VALID != 0 }

// tag is the VLAN tag that was taken out, as it was on the wire.
func (f frame) tag() [4]byte {
	tpid := uint16(unix.ETH_P_8021Q)
	if f.Status&unix.TP_STATUS_VLAN_TPID_VALID != 0 {
		tpid = f.Hv1.Vlan_tpid
	}
	tci := uint16(f.Hv1.Vlan_tci)
	return [4]byte{byte(tpid >> 8), byte(tpid), byte(tci >> 8), byte(tci)}
}

func unixNano(sec, nsec uint32) int64 { return int64(sec)*1e9 + int64(nsec) }
