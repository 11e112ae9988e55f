package otlp

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"

	"go.opentelemetry.io/otel/trace"

	"dnatrace/cmd/internal/traceid"
	"dnatrace/correlate"
	"dnatrace/decode"
)

func readSecret(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	switch b = bytes.TrimSpace(b); {
	case err != nil:
		return nil, fmt.Errorf("read secret for trace ids: %w", err)
	case int64(len(b)) > most:
		return nil, errors.New("read secret for trace ids: it has more than 4096 bytes")
	}
	return b, nil
}

// openingOf is what a request began with; the zero value is not known.
func openingOf(i *correlate.Incident) correlate.Opening {
	if len(i.Openings) == 0 {
		return correlate.Opening{}
	}
	return i.Openings[0]
}

// name is the trace id of what began so, and the one it may have on a host whose clock
// is a little off; none if its beginning is not known.
func (e *Exporter) name(o correlate.Opening) (id, also traceid.ID) {
	if !o.Known {
		return id, also
	}
	e.naming.Lock()
	defer e.naming.Unlock()
	if o.Protocol == decode.TCP {
		return e.config.Key.Connection(traceid.Connection{ISN: o.Number, Stamp: o.Stamp, Stamped: o.Stamp != 0, Client: o.Port, At: o.At})
	}
	d := traceid.Datagram{Protocol: uint8(o.Protocol), Client: netip.AddrPortFrom(o.Client.Addr(), o.Port), At: o.At}
	if o.Protocol != decode.UDP && o.Protocol != decode.SCTP {
		d.Client = netip.AddrPortFrom(o.Client.Addr(), 0) // the identifier may be rewritten
	}
	if o.Number != 0 {
		d.Payload = binary.BigEndian.AppendUint32(nil, o.Number)
	}
	return e.config.Key.Datagram(d)
}

// traceOf is the trace that a request is told in, and one that it may be told in
// elsewhere. A request whose beginning was not seen has one of this run's own.
func (e *Exporter) traceOf(i *correlate.Incident) (id, also trace.TraceID) {
	a, b := e.name(openingOf(i))
	if a == (traceid.ID{}) {
		return trace.TraceID(e.hash("trace", i.ID)[:16]), trace.TraceID{}
	}
	return trace.TraceID(a), trace.TraceID(b)
}

// TraceID is the trace that a request is told in, as 32 hexadecimal digits.
func (e *Exporter) TraceID(i *correlate.Incident) string {
	id, _ := e.traceOf(i)
	return id.String()
}

// rootOf is the span that stands for all of a request as it was judged in a revision:
// what is told of it later leads there.
func (e *Exporter) rootOf(i *correlate.Incident) (s trace.SpanID) {
	copy(s[:], e.hash("span", i.ID, fmt.Sprint(i.Rev)))
	if !s.IsValid() {
		s[0] = 1
	}
	return s
}

func (e *Exporter) hash(words ...string) []byte {
	h := sha256.New()
	h.Write(e.instance[:])
	for _, w := range words {
		fmt.Fprintf(h, "%d %s", len(w), w)
	}
	return h.Sum(nil)
}

// sampled reports whether a trace is one of one in so many: by the 56 bits of its id
// that W3C Trace Context (level 2) has for that.
func sampled(id traceid.ID, oneIn int) bool {
	const bits = 56
	return binary.BigEndian.Uint64(id[8:])&(1<<bits-1) < (1<<bits)/uint64(oneIn)
}
