//go:build cgo

package privilege

// withCgo: threads are made by a C library, by calls that it chooses, and Go does not
// know all of them.
const withCgo = true
