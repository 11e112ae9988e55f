// Package opener keeps the privilege that capturing needs in a process of its
// own, so that the one that reads packets, names and other people's files has
// none. The opener is the same binary, started again with one end of a socket
// pair; it answers a handful of requests, one at a time, each with an open
// socket or with what it read, and ends when the other end of the pair closes,
// be it by kill -9.
//
//	func main() {
//		opener.Main()             // does not return in the opener
//		o, err := opener.Start()  // while privilege is still there
//		err = opener.Drop()       // from here on there is none
//		f, err := o.PacketSocket("/proc/123/ns/net")
//
// The opener trusts nothing that it is asked: it enters network namespaces at
// paths of known forms only, and makes sure that they are ones.
//
// The package must not import decode, correlate or cmd.
package opener

import (
	"os"

	"dnatrace/capture/drops"
	"dnatrace/capture/host"
	"dnatrace/capture/probe"
	"dnatrace/capture/ring"
	"dnatrace/capture/rules"
	"dnatrace/capture/ruletrace"
)

// PacketSocket opens a packet socket in the namespace at path, see ring.Socket.
func (o *Opener) PacketSocket(path string) (*os.File, error) {
	return o.open(request{Op: opPackets, Path: path})
}

// Conntrack opens a socket that hears conntrack events in the namespace at path,
// those of ended connections only if asked, see conntrack.Listen.
func (o *Opener) Conntrack(path string, ends bool) (*os.File, error) {
	return o.open(request{Op: opConntrack, Path: path, Ends: ends})
}

// RulesWatch opens a socket that hears of changed nf_tables rules in the
// namespace at path, see netfilter.Watch.
func (o *Opener) RulesWatch(path string) (*os.File, error) {
	return o.open(request{Op: opRulesWatch, Path: path})
}

// HostWatch opens a socket that hears of changed links and routes in the
// namespace at path, see kernel.Watch.
func (o *Opener) HostWatch(path string) (*os.File, error) {
	return o.open(request{Op: opHostWatch, Path: path})
}

// RuleTrace opens a socket that hears the rule trace in the namespace at path,
// see ruletrace.Listen.
func (o *Opener) RuleTrace(path string) (*os.File, error) {
	return o.open(request{Op: opTrace, Path: path})
}

// TraceTable has the wanted packets traced in the namespace at path as long as
// the file is open, see ruletrace.Arm. The opener does not keep it: the table is
// gone when this process is.
func (o *Opener) TraceTable(path string, w ruletrace.Want) (f *os.File, note string, err error) {
	if err := w.Check(); err != nil { // before it is too long a message
		return nil, "", err
	}
	a, err := o.ask(request{Op: opTraceTable, Path: path, Trace: w})
	return a.file, a.Note, err
}

// Drops has the wanted drops reported to a socket, see bpf.Open. The program in
// the kernel is the opener's, and is gone when it is.
func (o *Opener) Drops(w drops.Want) (*os.File, error) {
	w, _ = w.Bounded() // before it is too long a message
	return o.open(request{Op: opDrops, Drops: w})
}

// Probe prepares a request as if from outside in the namespace at path, see
// probe.Open. The opener takes it back when the file is closed, and ends only
// then.
func (o *Opener) Probe(path string, w probe.Want) (*os.File, error) {
	if err := w.Check(); err != nil {
		return nil, err
	}
	return o.open(request{Op: opProbe, Path: path, Probe: &w})
}

// TraceUpdate has other packets traced, see ruletrace.Update. It lends f, a file
// from TraceTable, to the opener.
func (o *Opener) TraceUpdate(f *os.File, w ruletrace.Want) error {
	if err := w.Check(); err != nil {
		return err
	}
	_, err := o.ask(request{Op: opTraceUpdate, Trace: w, file: f})
	return err
}

// ConntrackDump dumps the wanted connections tracked in the namespace at path,
// see conntrack.Dump; all of them where that would be too long a message.
func (o *Opener) ConntrackDump(path string, w ring.Want) ([]byte, error) {
	const most = 8192
	n := len(w.Ports) + len(w.Hosts)
	for _, e := range w.Endpoints {
		n += 1 + len(e.Ports)
	}
	if n > most {
		w = ring.Want{All: true}
	}
	a, err := o.ask(request{Op: opConntrackDump, Path: path, Wanted: w})
	return a.data, err
}

// Rules reads the rulesets in the namespace at path, see netfilter.Read.
func (o *Opener) Rules(path string) ([]rules.Ruleset, error) {
	a, err := o.ask(request{Op: opRules, Path: path})
	return a.Rules, err
}

// LegacyRules reads the legacy tables in the namespace at path, see
// netfilter.ReadLegacy.
func (o *Opener) LegacyRules(path string) ([]rules.Ruleset, error) {
	a, err := o.ask(request{Op: opLegacyRules, Path: path})
	return a.Rules, err
}

// Sample samples the namespace at path, see kernel.Take.
func (o *Opener) Sample(path string, opts host.Options) (*host.Sample, error) {
	a, err := o.ask(request{Op: opSample, Path: path, Options: opts})
	if err != nil {
		return nil, err
	}
	return a.Sample, nil
}

// Inode returns the inode of the namespace at path.
func (o *Opener) Inode(path string) (uint64, error) {
	a, err := o.ask(request{Op: opInode, Path: path})
	return a.Inode, err
}

// Netns opens the network namespace of a process and returns it with its inode.
// As long as the file is open the namespace lives, and it is at PathOf(file)
// whatever becomes of the process and its id.
func (o *Opener) Netns(pid int) (*os.File, uint64, error) {
	a, err := o.ask(request{Op: opNetns, PID: pid})
	return a.file, a.Inode, err
}

func (o *Opener) open(r request) (*os.File, error) {
	a, err := o.ask(r)
	return a.file, err
}
