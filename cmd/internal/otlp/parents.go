package otlp

import (
	"net/netip"
	"sync"

	"dnatrace/correlate"
	"dnatrace/correlate/recent"
	"dnatrace/decode"
)

// mostParents is how many connections are remembered to say whose trace they are in.
const mostParents = 8192

// ends are those of a connection, of the client first.
type ends struct{ client, asked netip.AddrPort }

// parents are what clients said of the traces they are in.
type parents struct {
	mu    sync.Mutex
	known recent.Map[ends, decode.Traceparent]
}

// Heard takes that a client has said in which trace it is. It is for any goroutine.
func (e *Exporter) Heard(client, asked netip.AddrPort, t decode.Traceparent) {
	e.parents.mu.Lock()
	defer e.parents.mu.Unlock()
	e.parents.known.Put(ends{client, asked}, t)
}

// of is what the client of a request said; nil for nothing.
func (p *parents) of(i *correlate.Incident) *decode.Traceparent {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known.Len() == 0 {
		return nil
	}
	client, err := netip.ParseAddrPort(i.Client)
	if err != nil {
		return nil
	}
	for _, to := range []string{i.Requested, i.Translated} {
		if at, err := netip.ParseAddrPort(to); err == nil {
			if t := p.known.Get(ends{client, at}); t != (decode.Traceparent{}) {
				return &t
			}
		}
	}
	return nil
}
