// Package conntrack records what the kernel's connection tracking does, raw:
// the events of connections born, changed and gone, and a dump of those alive.
// Reading the messages is decode's work.
//
// Listen first, then dump: a connection born while nobody listened need not be
// announced when it ends (net.netfilter.nf_conntrack_events = 2). A flow that is
// dropped before it is confirmed never shows up at all.
//
// The package must not import decode, correlate or cmd.
package conntrack
