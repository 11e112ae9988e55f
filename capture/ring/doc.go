// Package ring captures packets: one AF_PACKET TPACKET_V3 ring per network
// namespace, which sees every interface of it, those that appear later
// included. It is the packet path of the live tool, so it does no more per
// packet than to write a header of 24 bytes.
//
// # One ring for all interfaces
//
// The socket is made with protocol 0 and bound with ETH_P_ALL to ifindex 0, so
// that nothing is captured before its filter is in place and everything from
// then on, in the kernel's own order, under one loss counter. Frames say by
// their sockaddr_ll which interface they crossed and which way; an index that is
// not known yet makes a new capture.Point.
//
// # Privilege
//
// Socket needs CAP_NET_RAW and to be called in the namespace. Everything after
// it, Open included, needs nothing: setting up the ring, mapping it, binding it
// and the ioctls about interfaces are asked of the socket, which remembers its
// namespace. A test opens and reads a ring as nobody, without capabilities, on a
// socket of another namespace.
//
// # Zero copy
//
// The arena of a batch is the block the kernel wrote. The block goes back to
// the kernel when the batch after its last one is asked for; a reader that is
// too slow makes the ring full, and the kernel counts what it drops. A VLAN tag
// goes back into its frame in place, in room reserved in front of it.
//
// Blocks are looked for with each capture.Pulse. The socket is in blocking mode,
// which keeps the runtime from polling it: a block that is closed wakes nobody.
//
// # Time
//
// Packets bear the kernel's time. Frames of two CPUs may lie in the ring out of
// order by what one of them took to copy, so batches are sorted, and promises
// (Batch.Until) stay 2 ms behind. While a ring is idle it promises on: the
// kernel counts the packets of a block it has not handed over yet in the block's
// own header, so a count of zero says that nothing is hidden there. Otherwise
// the promise stays behind by the longest time a packet may be hidden.
//
// # Loss
//
// The kernel marks blocks that were closed after a drop; then, and whenever the
// ring is idle, its counters are read. A loss lies between the last moment known
// to be complete and the reading, and is told before the first packet later than
// its beginning.
//
// # Filter
//
// Build makes the classic BPF program for a target; see Want. Whatever is not
// the target's costs that program and nothing else.
//
// The package must not import decode, correlate or cmd.
package ring
