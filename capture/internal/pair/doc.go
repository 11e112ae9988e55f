// Package pair makes socket pairs for a process and one that it starts.
//
// The package must not import anything of dnatrace.
package pair
