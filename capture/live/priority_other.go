//go:build !linux

package live

func giveWay() {}

// Ordinarily calls start.
func Ordinarily(start func() error) error { return start() }
