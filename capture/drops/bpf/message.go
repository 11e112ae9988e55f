package bpf

import (
	"encoding/json"
	"fmt"

	"dnatrace/capture/drops"
)

// message is one datagram from the process that holds the program to the one
// that listens: a drop, or how many were lost since the last one that says so.
type message struct {
	Drop *drops.Drop `json:"drop,omitempty"`
	Lost uint64      `json:"lost,omitempty"`
}

// largest is the most bytes of a datagram either way: a Want of the most of
// every kind fits.
const largest = 512 << 10

func readMessage(b []byte) (message, error) {
	var m message
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("read drop: %w", err)
	}
	return m, nil
}
