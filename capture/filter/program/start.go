package program

import "golang.org/x/net/bpf"

// skfNetOff is SKF_NET_OFF (linux/filter.h): offsets from the network header.
const skfNetOff = 0xfff00000

const (
	etherVLAN = 0x8100
	etherQinQ = 0x88a8
	etherOld  = 0x9100 // for two tags, before 802.1ad

	hatypeEther    = 1 // ARPHRD_ETHER (linux/if_arp.h)
	hatypeLoopback = 772

	tagged = 0x10000 // in mTag, with the TCI
)

// live starts a program of a packet socket: the kernel has taken the outermost
// tag out of the frame, and links other than Ethernet are known by their type.
func live(b *builder) {
	b.untag()
	b.put(bpf.LoadExtension{Num: bpf.ExtProto})
	done := b.put(bpf.StoreScratch{Src: bpf.RegA, N: mTag})
	tag := b.put(bpf.LoadExtension{Num: bpf.ExtVLANTag}, bpf.ALUOpConstant{Op: bpf.ALUOpOr, Val: tagged})
	b.is(0, done, tag)
	header := b.put(bpf.StoreScratch{Src: bpf.RegA, N: mLink}, bpf.LoadExtension{Num: bpf.ExtVLANTagPresent})
	b.jump(header)
	ethernet := b.put(bpf.LoadConstant{Dst: bpf.RegX, Val: 14}, bpf.LoadConstant{Dst: bpf.RegA, Val: 1})
	b.jump(header)
	other := b.put(bpf.LoadConstant{Dst: bpf.RegX, Val: skfNetOff}, bpf.LoadConstant{Dst: bpf.RegA, Val: 0})
	loopback := b.is(hatypeLoopback, ethernet, other)
	b.is(hatypeEther, ethernet, loopback)
	b.put(bpf.LoadExtension{Num: bpf.ExtLinkLayerType})
}

// untag is entered with the EtherType in A and the offset of the network header
// in X. It goes behind a tag that is still in the frame: the inner one of two,
// or one of a device that has no offload.
func (b *builder) untag() {
	done := b.here()
	inner := b.put(
		bpf.LoadIndirect{Off: 2, Size: 2}, bpf.StoreScratch{Src: bpf.RegA, N: mType},
		bpf.TXA{}, bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 4}, bpf.StoreScratch{Src: bpf.RegA, N: mBase},
	)
	first := b.put(bpf.LoadIndirect{Size: 2}, bpf.ALUOpConstant{Op: bpf.ALUOpOr, Val: tagged}, bpf.StoreScratch{Src: bpf.RegA, N: mTag})
	b.is(0, first, inner)
	tag := b.put(scratch(mTag))
	at := done
	for _, ether := range []uint32{etherVLAN, etherQinQ, etherOld} {
		at = b.is(ether, tag, at)
	}
	b.put(bpf.StoreScratch{Src: bpf.RegA, N: mType}, bpf.StoreScratch{Src: bpf.RegX, N: mBase})
}
