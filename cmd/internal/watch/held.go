package watch

import (
	"time"
	"unsafe"

	"dnatrace/correlate"
)

// How many requests of a port are held at most, beside the bound in bytes.
const (
	mostHeld = 200 // that failed, or are undetermined
	mostWent = 50  // that were delivered
)

// Held is a request that is kept to be looked at.
type Held struct {
	*correlate.Incident
	at    time.Time // of its last try
	short bool      // hops and evidence were left out, for lack of room
	bytes int
}

// ring are the last requests of some sort, the earliest first.
type ring []*Held

// keep adds a request, in the place of an earlier judgement of it, and lets the
// earliest go where there is no room.
func (p *Port) keep(r *ring, h *Held, most int) {
	for _, o := range []*ring{&p.held, &p.went} {
		for k := len(*o) - 1; k >= 0 && h.Rev > 1; k-- {
			if (*o)[k].ID == h.ID {
				p.taken -= (*o)[k].bytes
				*o = append((*o)[:k], (*o)[k+1:]...)
				break
			}
		}
	}
	*r = append(*r, h)
	p.taken += h.bytes
	if len(*r) > most {
		p.dropFirst(r)
	}
	p.trim()
}

func (p *Port) dropFirst(r *ring) {
	p.taken -= (*r)[0].bytes
	(*r)[0] = nil
	*r = (*r)[1:]
}

// trim lets requests go until the rest has room: delivered ones first, what stands
// for a kind last, and of that the gist stays.
func (p *Port) trim() {
	for p.taken > p.room && len(p.went) > 0 {
		p.dropFirst(&p.went)
	}
	for p.taken > p.room && len(p.held) > 0 {
		p.dropFirst(&p.held)
	}
	for _, g := range p.groups {
		if p.taken > p.room && g.example != nil && !g.example.short {
			p.exemplify(g, g.example.shorn())
		}
	}
}

// shorn is a request without what takes most room.
func (h *Held) shorn() *Held {
	const longest = 256
	i := *h.Incident
	i.Hops, i.Evidence, i.Unseen, i.Notes, i.Blind, i.Fix = nil, nil, nil, nil, nil, nil
	i.Why = i.Why[:min(len(i.Why), longest)]
	if r := i.Rule; r != nil {
		own := *r
		own.Text = own.Text[:min(len(own.Text), longest)]
		i.Rule = &own
	}
	return &Held{Incident: &i, at: h.at, short: true, bytes: sizeOf(&i)}
}

// sizeOf estimates the bytes that an incident takes.
func sizeOf(i *correlate.Incident) int {
	n := int(unsafe.Sizeof(*i)) + len(i.Client) + len(i.Requested) + len(i.Translated) + len(i.ClientSeen) + len(i.Why)
	if r := i.Rule; r != nil {
		n += int(unsafe.Sizeof(*r)) + len(r.Text) + len(r.Table) + len(r.Chain)
	}
	n += cap(i.Hops)*int(unsafe.Sizeof(correlate.Hop{})) + cap(i.Unseen)*int(unsafe.Sizeof(correlate.Unseen{}))
	for k := range i.Hops {
		n += len(i.Hops[k].Before) + len(i.Hops[k].After) + len(i.Hops[k].Detail)
	}
	n += cap(i.Evidence) * int(unsafe.Sizeof(correlate.Evidence{}))
	for k := range i.Evidence {
		n += len(i.Evidence[k].Text)
	}
	for _, list := range [][]string{i.Blind, i.Notes, i.Fix} {
		for _, s := range list {
			n += len(s) + int(unsafe.Sizeof(s))
		}
	}
	return n
}
