package flight

import (
	"encoding/binary"

	"dnatrace/capture"
	"dnatrace/decode"
)

// mostEntries bounds the translations that are remembered: those made last.
const mostEntries = 8192

// entries are the translations that connection tracking has told of and not
// ended, as the raw messages that said so. The zero value is ready.
type entries struct {
	alive map[entryKey]entry
	order []queued // by age; those that have ended since are still in it
	last  uint64
}

type entryKey struct {
	netns string
	zone  uint16
	orig  decode.Tuple
}

type entry struct {
	message []byte
	number  uint64 // of entries, counted
}

type queued struct {
	entryKey
	number uint64
}

func (e *entries) take(r capture.Record) {
	for message := range messages(r.Data) {
		one := r
		one.Data = message
		events, err := decode.Control(one)
		if err != nil || len(events) != 1 {
			continue
		}
		c, ok := events[0].(*decode.Conntrack)
		if !ok {
			continue
		}
		key := entryKey{r.Netns, c.Zone, c.Orig}
		if c.Change == decode.ConntrackDestroyed {
			delete(e.alive, key)
			continue
		}
		e.add(key, message)
	}
}

func (e *entries) add(key entryKey, message []byte) {
	if e.alive == nil {
		e.alive = map[entryKey]entry{}
	}
	e.last++
	e.alive[key] = entry{message, e.last}
	e.order = append(e.order, queued{key, e.last})
	for len(e.alive) > mostEntries {
		e.drop(e.order[0])
		e.order = e.order[1:]
	}
	if len(e.order) > 2*mostEntries {
		e.tidy()
	}
}

// drop forgets an entry, unless it was made anew since.
func (e *entries) drop(q queued) {
	if e.alive[q.entryKey].number == q.number {
		delete(e.alive, q.entryKey)
	}
}

// tidy takes out of the order what has ended.
func (e *entries) tidy() {
	kept := make([]queued, 0, len(e.alive))
	for _, q := range e.order {
		if e.alive[q.entryKey].number == q.number {
			kept = append(kept, q)
		}
	}
	e.order = kept
}

// records are a dump of each namespace.
func (e *entries) records(at int64) (out []capture.Record) {
	dumps := map[string][]byte{}
	for _, q := range e.order {
		if it := e.alive[q.entryKey]; it.number == q.number {
			dumps[q.netns] = append(dumps[q.netns], it.message...)
		}
	}
	for _, netns := range sortedKeys(dumps) {
		out = append(out, capture.Record{Time: at, Origin: capture.OriginConntrack, Kind: capture.KindDump, Netns: netns, Data: dumps[netns]})
	}
	return out
}

const netlinkHeader = 16 // struct nlmsghdr

// messages are the netlink messages that b is made of, padded to 4 bytes.
func messages(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) >= netlinkHeader {
			size := int(binary.NativeEndian.Uint32(b))
			if size < netlinkHeader || size > len(b) {
				return
			}
			message := b[:size:size]
			if odd := size & 3; odd != 0 {
				message = append(message, make([]byte, 4-odd)...)
			}
			if !yield(message) {
				return
			}
			b = b[min((size+3)&^3, len(b)):]
		}
	}
}
