package ruletrace

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"dnatrace/capture/internal/multicast"
	"dnatrace/capture/internal/owned"
	"dnatrace/capture/rules"
	"dnatrace/capture/rules/netfilter"
)

// sendBuffer takes the largest transaction.
const sendBuffer = 4 << 20

// Arm marks the wanted packets in the calling thread's namespace, from when it
// returns until the file is closed. Closing the file removes every trace of it,
// and so does the end of the last process that holds it: it must not be given
// to one that outlives the run. Note says what is left out, "" for nothing.
//
// It fails, and has changed nothing, where there is nothing to trace (see
// NoRules), where the kernel is older than 5.12, and where marked packets would
// fill the kernel's log. It needs CAP_NET_ADMIN.
func Arm(w Want) (f *os.File, note string, err error) {
	if err := w.Check(); err != nil {
		return nil, "", err
	}
	families, note, err := allowed()
	if err != nil {
		return nil, "", fmt.Errorf("trace rules: %w", err)
	}
	if f, err = multicast.Join(unix.NETLINK_NETFILTER, 1<<20); err != nil {
		return nil, "", fmt.Errorf("trace rules: %w", err)
	}
	if err = owned.Using(f, func(c owned.Conn) error { return conn{c}.arm(w.wanted(), families) }); err != nil {
		f.Close()
		return nil, "", fmt.Errorf("trace rules: %w", err)
	}
	return f, note, nil
}

// Update replaces what is wanted, in one transaction; f is a file from Arm. On
// an error all is as it was. It needs CAP_NET_ADMIN in the namespace of f, both
// now and in the process that opened it, but may run in any namespace.
func Update(f *os.File, w Want) error {
	if err := w.Check(); err != nil {
		return err
	}
	if err := owned.Using(f, func(c owned.Conn) error { return conn{c}.update(w.wanted()) }); err != nil {
		return fmt.Errorf("trace other packets: %w", err)
	}
	return nil
}

// noRules says that there is nothing to trace. It is known by its errno, which
// the way from another process leaves in place.
type noRules struct{}

func (noRules) Error() string { return "there are no nf_tables rules" }
func (noRules) Unwrap() error { return unix.ENODATA }

// NoRules says whether Listen or Arm failed because there is nothing to trace
// yet: trying again makes sense.
func NoRules(err error) bool { return errors.Is(err, unix.ENODATA) }

// allowed says for which families packets can be marked. The mark is shared:
// ip_tables answers to it with a line in the kernel's log for each rule, where
// something has been bound to log.
func allowed() (families []byte, note string, err error) {
	if !netfilter.Loaded() {
		return nil, "", noRules{}
	}
	log4, log6 := logs("ip", unix.NFPROTO_IPV4), logs("ip6", unix.NFPROTO_IPV6)
	const why = "it would fill the kernel's log, as there are rules of iptables-legacy and a netfilter logger"
	switch {
	case log4 && log6:
		return nil, "", errors.New(why)
	case log4:
		return []byte{unix.NFPROTO_IPV6}, "not for IPv4: " + why, nil
	case log6:
		return []byte{unix.NFPROTO_IPV4}, "not for IPv6: " + why, nil
	}
	return []byte{unix.NFPROTO_INET}, "", nil
}

// conn is the socket that owns the trace's tables.
type conn struct{ owned.Conn }

// nameOf names the tables of a socket.
func (c conn) nameOf() string { return fmt.Sprintf("%s%08x", rules.TracePrefix, c.Port) }

// arm makes the tables. Where there is no family inet, ip and ip6 do.
func (c conn) arm(w wanted, families []byte) error {
	// What cannot be enlarged is large enough for all but the largest.
	_ = unix.SetsockoptInt(c.FD, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, sendBuffer)
	have, err := c.List(c.nameOf())
	if err != nil {
		return err
	}
	if !have.Others {
		return noRules{}
	}
	if have.Bridge {
		families = append(slices.Clone(families), unix.NFPROTO_BRIDGE)
	}
	err = c.create(w, families)
	if err == nil || families[0] != unix.NFPROTO_INET {
		return err
	}
	if c.create(w, append([]byte{unix.NFPROTO_IPV4, unix.NFPROTO_IPV6}, families[1:]...)) == nil {
		return nil
	}
	return err
}

func (c conn) create(w wanted, families []byte) error {
	b := newBatch()
	for _, family := range families {
		b.table(family, c.nameOf(), w)
	}
	return c.Commit(b.Batch)
}

// update refills the tables there are, and follows when someone begins to filter
// bridged frames.
func (c conn) update(w wanted) error {
	have, err := c.List(c.nameOf())
	if err != nil {
		return err
	}
	if len(have.Ours) == 0 {
		return errors.New("the table is gone")
	}
	b := newBatch()
	for _, family := range have.Ours {
		b.refill(family, c.nameOf(), w)
	}
	if have.Bridge && !slices.Contains(have.Ours, unix.NFPROTO_BRIDGE) {
		b.table(unix.NFPROTO_BRIDGE, c.nameOf(), w)
	}
	return c.Commit(b.Batch)
}
