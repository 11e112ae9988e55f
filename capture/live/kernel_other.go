//go:build !linux

package live

func kernel() string { return "" }
