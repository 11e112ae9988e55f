// Package owned makes nf_tables tables that belong to a netlink socket: the
// kernel removes them when the socket is closed, however its holder ends, and
// lets nobody else change them.
//
// The package must not import anything of dnatrace but capture/rules.
package owned
