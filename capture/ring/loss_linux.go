package ring

import (
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"dnatrace/capture"
)

// account does the losses of a block that has become ready. The kernel marks a
// block when anything was dropped since its counters were last read, so a block
// without the mark is complete up to its end, and costs no system call.
func (rd *reader) account(b block) error {
	if b.status()&unix.TP_STATUS_LOSING != 0 {
		return rd.count()
	}
	if b.hdr().Num_pkts > 0 {
		_, last := b.times()
		rd.complete = max(rd.complete, last-int64(slack))
	}
	return nil
}

// count reads the kernel's counters, which start again at zero: tp_packets
// includes tp_drops. What was dropped was so after complete.
//
// A loss bears the time of its beginning, so that whoever judges by it hears of
// it before any deadline within it.
func (rd *reader) count() error {
	before := time.Now().UnixNano()
	var drops uint64
	err := rd.control(func(fd int) error {
		st, err := unix.GetsockoptTpacketStatsV3(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
		if err == nil {
			drops = uint64(st.Drops)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("read loss counters: %w", err)
	}
	if drops > 0 {
		rd.lost.Add(drops)
		rd.lose(capture.Loss{Ring: rd.table.ring, From: rd.complete, To: time.Now().UnixNano(), Lost: drops})
	}
	rd.complete = max(rd.complete, before-int64(slack))
	return nil
}

// lose queues a loss until the packets before it are handed out.
func (rd *reader) lose(l capture.Loss) {
	data, err := json.Marshal(l)
	if err != nil {
		panic(err) // numbers only
	}
	rd.losses = append(rd.losses, capture.Record{
		Time: l.From, Origin: capture.OriginPackets, Kind: capture.KindLoss, Netns: rd.cfg.Netns, Data: data,
	})
}
