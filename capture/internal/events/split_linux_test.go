package events

import (
	"bytes"
	"testing"

	"dnatrace/capture"
)

func FuzzSplit(f *testing.F) {
	one := []byte("\x14\x00\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00")
	f.Add(one, false)
	f.Add(append(bytes.Clone(one), one...), true)
	f.Add([]byte("\xff\xff\xff\xff\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00"), false)
	f.Fuzz(func(t *testing.T, b []byte, together bool) {
		l := &listener{kind: Kind{Origin: capture.OriginRuleTrace, Netns: "host", Together: together}}
		l.split(b)
		size := 0
		for _, r := range l.batch.Records {
			if r.Kind == capture.KindEvent {
				size += len(r.Data)
			}
		}
		if size > len(b) {
			t.Errorf("%d bytes of events from %d", size, len(b))
		}
	})
}
