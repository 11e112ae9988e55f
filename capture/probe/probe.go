// Package probe makes requests as if from outside, inside the host and without a
// client: frames are put into an interface as if they had been received there
// (a test run of an XDP program with live frames, Linux 5.18 or later), and the
// host treats them as any other.
//
// Nothing of it leaves the host. A guard, nf_tables tables that belong to a
// socket, stops at the last hook whatever goes to the made-up client, and what of
// its requests would leave for elsewhere; what it stops is handed on as seen
// there, since as far as the host's own rules go it has left. The guard is there
// before the first frame, and goes after the connections were reset and nothing
// more of them can come.
//
// Open does all this in the process that keeps the privilege, which outlives the
// one that asked: killed at any moment, that one's connections are still reset
// and its guard is still removed in order.
//
// The package must not import decode, correlate or cmd.
package probe

import (
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Protocols that can be asked with (IANA protocol numbers).
const (
	ICMP  = 1
	TCP   = 6
	UDP   = 17
	ICMP6 = 58
)

// Ask is one request.
type Ask struct {
	Proto  uint8
	Client netip.AddrPort // made up; of an echo, the port is its identifier
	Server netip.AddrPort // what is asked for; of an echo without port
	// Data is sent once the connection stands, or in the datagram or echo.
	Data []byte `json:"data,omitempty"`
}

// Want says what to ask, and where.
type Want struct {
	Link    string   `json:"link"`              // the host's interface that the requests come in by
	To      string   `json:"to"`                // MAC address of that interface
	From    string   `json:"from"`              // MAC address the frames come from
	Outside []string `json:"outside,omitempty"` // interfaces that lead away from the host, Link among them
	Asks    []Ask    `json:"asks"`
	// Known are clients that exist on the wire: others may ask for their MAC addresses.
	Known []netip.Addr `json:"known,omitempty"`
	// Wait is how long an answer to data is waited for, in ns.
	Wait time.Duration `json:"wait"`
}

// Bounds of what can be asked at once.
const (
	MostAsks = 64
	MostData = 1200 // bytes: what one packet takes on any way
	mostWait = 60 * time.Second
)

// Quiet is how long an open connection on which nothing is sent is held, for a
// server that speaks first, or that closes.
const Quiet = 500 * time.Millisecond

// quietHost is that of a connection that the host itself accepted: a proxy closes it
// when it cannot reach its server, and learns after 3 s that nobody has its address.
const quietHost = 3500 * time.Millisecond

// Check refuses what cannot be asked, or should not.
func (w *Want) Check() error {
	switch {
	case len(w.Asks) == 0:
		return errors.New("probe: nothing to ask")
	case len(w.Asks) > MostAsks:
		return fmt.Errorf("probe: %d requests are more than %d", len(w.Asks), MostAsks)
	case len(w.Outside) > 256:
		return fmt.Errorf("probe: %d interfaces are too many", len(w.Outside))
	case w.Wait < 0 || w.Wait > mostWait:
		return fmt.Errorf("probe: cannot wait %s for an answer", w.Wait)
	}
	for i := range w.Asks {
		if err := w.Asks[i].check(); err != nil {
			return fmt.Errorf("probe: %w", err)
		}
	}
	return nil
}

func (a *Ask) check() error {
	c, s := a.Client.Addr(), a.Server.Addr()
	switch {
	case !c.IsValid() || !s.IsValid() || c.Is4() != s.Is4() || c.Is4In6() || s.Is4In6():
		return fmt.Errorf("%s cannot ask %s: not addresses of one family", c, s)
	case len(a.Data) > MostData:
		return fmt.Errorf("%d bytes of data are more than %d", len(a.Data), MostData)
	case a.Proto == ICMP && !c.Is4(), a.Proto == ICMP6 && c.Is4():
		return fmt.Errorf("protocol %d is not one of %s", a.Proto, c)
	case a.Proto != TCP && a.Proto != UDP && a.Proto != ICMP && a.Proto != ICMP6:
		return fmt.Errorf("cannot ask with protocol %d", a.Proto)
	}
	return CheckClient(c)
}

// CheckClient refuses addresses that no client has: a host takes nothing from
// them, whatever its rules say.
func CheckClient(ip netip.Addr) error {
	switch {
	case ip.IsUnspecified(), ip.IsLoopback(), ip.IsMulticast(), ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return fmt.Errorf("%s is no address that a client can have", ip)
	case ip.Is6() && ip.IsLinkLocalUnicast():
		return fmt.Errorf("%s is an address of one link alone", ip)
	}
	return nil
}

// What the one who asked says to the station.
const (
	wordGo  = "go"
	wordEnd = "end"
)

// Event is what a probe says of itself.
type Event struct {
	Kind string `json:"kind"`           // one of the kinds below
	Time int64  `json:"time"`           // Unix ns
	Link string `json:"link,omitempty"` // interface that a packet would have left by
	IP   []byte `json:"ip,omitempty"`   // the packet, from its IP header on
	Full int    `json:"full,omitempty"` // bytes it had
	Why  string `json:"why,omitempty"`  // of Failed; of Lingering what is waited for
}

// Kinds of events.
const (
	Answer    = "answer"    // the guard stopped a packet for the made-up client
	Away      = "away"      // the guard stopped one of the requests, which would have left the host
	Over      = "over"      // every conversation is over, but for those that wait for an answer that may never come
	Lingering = "lingering" // the guard has to stay for some time
	Failed    = "failed"    // a frame could not be put in
)
