package opener

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"syscall"

	"dnatrace/capture/drops"
	"dnatrace/capture/host"
	"dnatrace/capture/probe"
	"dnatrace/capture/ring"
	"dnatrace/capture/rules"
	"dnatrace/capture/ruletrace"
)

// Operations of a request.
const (
	opHello         = "hello"
	opPackets       = "packets"
	opConntrack     = "conntrack"
	opConntrackDump = "conntrack-dump"
	opRules         = "rules"
	opLegacyRules   = "legacy-rules"
	opRulesWatch    = "rules-watch"
	opHostWatch     = "host-watch"
	opTrace         = "trace"
	opTraceTable    = "trace-table"
	opTraceUpdate   = "trace-update"
	opDrops         = "drops"
	opSample        = "sample"
	opInode         = "inode"
	opNetns         = "netns"
	opProbe         = "probe"
)

// request asks the opener for one thing.
type request struct {
	Op      string         `json:"op"`
	Path    string         `json:"path,omitempty"`
	PID     int            `json:"pid,omitempty"`
	Options host.Options   `json:"options,omitzero"`
	Trace   ruletrace.Want `json:"trace,omitzero"`
	Drops   drops.Want     `json:"drops,omitzero"`
	Ends    bool           `json:"ends,omitempty"`
	Wanted  ring.Want      `json:"wanted,omitzero"`
	Probe   *probe.Want    `json:"probe,omitempty"`

	file *os.File // goes along with it
}

// answer is what the opener says. A file and data travel beside the JSON.
type answer struct {
	Error  string          `json:"error,omitempty"`
	Errno  int             `json:"errno,omitempty"` // the system's reason for Error, where it has one
	Inode  uint64          `json:"inode,omitempty"`
	Sample *host.Sample    `json:"sample,omitempty"`
	Rules  []rules.Ruleset `json:"rules,omitempty"`
	Note   string          `json:"note,omitempty"`

	file *os.File
	data []byte
}

// A message is two lengths in network byte order (uint32: of the JSON, of the
// data), the JSON and the data. A file goes along with the lengths.
const (
	prefixSize = 8
	maxRequest = 1 << 20
	maxAnswer  = 1 << 30
)

func encode(v any, data []byte) (prefix, body []byte, err error) {
	body, err = json.Marshal(v)
	if err != nil {
		return nil, nil, err
	}
	if len(body) > maxAnswer || len(data) > maxAnswer {
		return nil, nil, fmt.Errorf("%d bytes are too many", max(len(body), len(data)))
	}
	prefix = binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	prefix = binary.BigEndian.AppendUint32(prefix, uint32(len(data)))
	return prefix, append(body, data...), nil
}

// lengths reads a prefix; neither length may exceed limit.
func lengths(prefix []byte, limit uint32) (body, data int, err error) {
	b, d := binary.BigEndian.Uint32(prefix), binary.BigEndian.Uint32(prefix[4:])
	if b > limit || d > limit {
		return 0, 0, fmt.Errorf("message of %d and %d bytes", b, d)
	}
	return int(b), int(d), nil
}

// remoteError is an error of the opener process. The system's reason is kept
// for errors.Is.
type remoteError struct {
	text  string
	errno syscall.Errno
}

func (e *remoteError) Error() string { return e.text }

func (e *remoteError) Unwrap() error {
	if e.errno == 0 {
		return nil
	}
	return e.errno
}

// refuse makes an answer of an error.
func refuse(err error) answer {
	a := answer{Error: err.Error()}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		a.Errno = int(errno)
	}
	return a
}

func (a answer) err() error {
	if a.Error == "" {
		return nil
	}
	return &remoteError{a.Error, syscall.Errno(a.Errno)}
}
