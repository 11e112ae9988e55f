// Package kernel asks the kernel what it is set to do in a namespace, and hears
// when that changes, in the words of package host. It reads rtnetlink,
// inet_diag and /proc; nothing is changed. It works on Linux only.
//
// The package must not import decode, correlate or cmd.
package kernel

import (
	"encoding/json"
	"fmt"
	"time"

	"dnatrace/capture"
	"dnatrace/capture/host"
)

// Sampler turns the samples of one namespace into records, leaving out the
// state while it stays the same. It is not safe for concurrent use.
type Sampler struct {
	// Netns names the namespace in the records: "host" or a container's name.
	Netns string
	// Take takes one sample, with Take or through an opener.
	Take func() (*host.Sample, error)

	prev *host.State
}

// Next takes a sample and returns its record, of KindSample, with the time when
// it was complete.
func (s *Sampler) Next() (capture.Record, error) {
	sample, err := s.Take()
	if err != nil {
		return capture.Record{}, err
	}
	now := time.Now().UnixNano()
	if s.prev != nil && sample.State.Same(s.prev) {
		sample = &host.Sample{Same: true, Counters: sample.Counters, Took: sample.Took}
	} else {
		s.prev = &sample.State
	}
	data, err := json.Marshal(sample)
	if err != nil {
		return capture.Record{}, fmt.Errorf("encode sample of %s: %w", s.Netns, err)
	}
	return capture.Record{
		Time: now, Origin: capture.OriginHost, Kind: capture.KindSample, Netns: s.Netns, Data: data,
	}, nil
}
