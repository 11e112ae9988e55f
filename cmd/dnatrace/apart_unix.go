//go:build unix

package main

import "syscall"

// apart has a process be in a session of its own: what ends this one's does not end
// it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
