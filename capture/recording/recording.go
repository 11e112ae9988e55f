// Package recording reads and writes captures in files.
//
// A recording of dnatrace is one pcapng file
// (draft-ietf-opsawg-pcapng): an interface per capture point, one packet block
// per frame, and every other record as a systemd journal entry between them, in
// time order. Stock tools open it: they show the entries or pass over them.
//
// Anyone else's pcapng and pcap files are read too, plain or gzipped, known by
// content and never by name. Their interfaces become points of which no losses
// are counted.
//
// Files are hostile input: no length field is believed beyond a cap, and what
// cannot be read is told as a capture.Damage record after all that could.
//
// The package works on any OS. It must not import decode, correlate or cmd.
package recording

import "errors"

// Format is the version of the recording format, written to capture.Start and
// to the comment of the section header. Readers take any version: unknown
// records are skipped and counted.
const Format = 1

// mark begins the comment of the section header of a recording of ours.
const mark = "dnatrace recording, format "

// Caps on what a file may make us hold.
const (
	maxBlock   = 16 << 20 // bytes of one block; Wireshark's own limit for those it writes is far below
	maxRecord  = 64 << 20 // bytes of one record, unpacked
	maxRecords = 1 << 20  // bytes of the records of a batch, but for one larger record
	maxName    = 128      // bytes of an interface name
	maxFiles   = 512      // files read side by side
	readBuffer = 512 << 10
)

// ErrNotCapture is wrapped by errors about input that is no capture at all.
var ErrNotCapture = errors.New("neither a pcapng nor a pcap file")
