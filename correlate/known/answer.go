// Package known answers questions about a host, as far as its state is in
// evidence: which route a packet takes, whose an address is, what listens, what a
// setting says. Every answer is a value, that there is none, or that the evidence
// does not say, and why not: what was not given is not empty.
//
// It looks at one state at a time; which one held when is the caller's to say. It
// does no I/O, reads no clock, judges nothing, and must not import correlate, nor
// anything of capture but the types for what origins say.
package known

// Answer is what is known of one question. The zero value is unknown, for no
// reason that was told.
type Answer[T any] struct {
	value T
	kind  kind
	why   string
}

type kind uint8

const (
	unknown kind = iota
	none
	is
)

// Is is the answer that it is v.
func Is[T any](v T) Answer[T] { return Answer[T]{value: v, kind: is} }

// None is the answer that there is none, which is known.
func None[T any]() Answer[T] { return Answer[T]{kind: none} }

// Unknown is no answer, because of why: "the routes of the host (IPv4) are not in
// evidence".
func Unknown[T any](why string) Answer[T] { return Answer[T]{why: why} }

// Partly is no answer, because of why, but for what v has.
func Partly[T any](v T, why string) Answer[T] { return Answer[T]{value: v, why: why} }

// Get returns the value. False if there is none, or that is not known; the value
// is then what is known of it.
func (a Answer[T]) Get() (T, bool) { return a.value, a.kind == is }

// Is reports whether there is a value.
func (a Answer[T]) Is() bool { return a.kind == is }

// None reports whether it is known that there is none.
func (a Answer[T]) None() bool { return a.kind == none }

// Known reports whether there is an answer.
func (a Answer[T]) Known() bool { return a.kind != unknown }

// Why says why there is no answer; "" if there is one.
func (a Answer[T]) Why() string {
	if a.kind == unknown && a.why == "" {
		return "it is not in evidence"
	}
	return a.why
}
