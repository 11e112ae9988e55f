//go:build !linux

package live

func runningKernel() string { return "" }

func hostIdentity() string { return "" }
