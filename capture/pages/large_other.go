//go:build !linux

package pages

// Large does nothing where large pages are not asked for.
func Large([]byte) {}
