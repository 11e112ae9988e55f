package decode

import (
	"bytes"
	"encoding/hex"
)

// Traceparent is what a client says of the trace that it is in, as W3C Trace Context
// has it. Anybody can say anything there.
type Traceparent struct {
	Trace [16]byte // not all zero
	Span  [8]byte  // not all zero: the caller's
	Flags byte
}

// traceparentWord begins the header field, in either case of its letters.
var traceparentWord = []byte("raceparent:")

// SaysTraceparent reports whether the field's name is somewhere in b: in a whole
// arena, for nearly all have none.
func SaysTraceparent(b []byte) bool { return bytes.Contains(b, traceparentWord) }

// TraceparentIn finds the field in what was captured of a frame: of HTTP/1, in clear,
// as far as the capture goes. HTTP/2 packs its header, and TLS hides it.
func TraceparentIn(frame []byte) (t Traceparent, found bool) {
	at := bytes.Index(frame, traceparentWord)
	if at < 1 || frame[at-1]|0x20 != 't' {
		return t, false
	}
	return parseTraceparent(bytes.TrimLeft(frame[at+len(traceparentWord):], " \t"))
}

// parseTraceparent reads 00-TRACE-SPAN-FLAGS. A later version may have more behind it.
func parseTraceparent(b []byte) (t Traceparent, ok bool) {
	const whole = 2 + 1 + 32 + 1 + 16 + 1 + 2
	if len(b) < whole || b[2] != '-' || b[35] != '-' || b[52] != '-' || bytes.Equal(b[:2], []byte("ff")) {
		return t, false
	}
	var version, flags [1]byte
	for _, f := range []struct{ to, from []byte }{{version[:], b[:2]}, {t.Trace[:], b[3:35]}, {t.Span[:], b[36:52]}, {flags[:], b[53:55]}} {
		if _, err := hex.Decode(f.to, f.from); err != nil || !bytes.Equal(f.from, bytes.ToLower(f.from)) {
			return Traceparent{}, false
		}
	}
	t.Flags = flags[0]
	return t, t.Trace != [16]byte{} && t.Span != [8]byte{}
}
