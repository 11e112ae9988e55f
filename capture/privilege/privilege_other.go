//go:build !linux

package privilege

// Confine takes nothing: it is Linux only.
func Confine(Limits) error { return nil }

// Known says that there is nothing to confine with.
func Known() Means { return Means{} }

// Needed are none.
func Needed(Limits) uint64 { return 0 }
