//go:build !cgo

package privilege

const withCgo = false
