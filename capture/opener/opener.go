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

	"dnatrace/capture/host"
	"dnatrace/capture/rules"
)

// PacketSocket opens a packet socket in the namespace at path, see ring.Socket.
func (o *Opener) PacketSocket(path string) (*os.File, error) {
	return o.open(request{Op: opPackets, Path: path})
}

// Conntrack opens a socket that hears conntrack events in the namespace at path,
// see conntrack.Listen.
func (o *Opener) Conntrack(path string) (*os.File, error) {
	return o.open(request{Op: opConntrack, Path: path})
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

// ConntrackDump dumps the connections tracked in the namespace at path, see
// conntrack.Dump.
func (o *Opener) ConntrackDump(path string) ([]byte, error) {
	a, err := o.ask(request{Op: opConntrackDump, Path: path})
	return a.data, err
}

// Rules reads the rulesets in the namespace at path, see netfilter.Read.
func (o *Opener) Rules(path string) ([]rules.Ruleset, error) {
	a, err := o.ask(request{Op: opRules, Path: path})
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
