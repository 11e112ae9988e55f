// Package accuse checks that nobody is accused falsely: clean requests through
// a lab with real kernel NAT, captured live while other containers come and go,
// once with a ring much too small, and beside floods of made-up senders, and
// judged again with the recording's records shuffled. Whatever is not delivered
// or undetermined is a bug. It has tests only; make accuse runs them at full
// size.
package accuse
