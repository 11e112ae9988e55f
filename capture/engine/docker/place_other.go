//go:build !linux

package docker

import (
	"net"
	"net/netip"
)

func peerOf(net.Conn) process { return process{} }

// lookAt sees nothing: containers are wired in Linux only.
func lookAt(string) view {
	return view{
		bridge: func(string, []netip.Addr) bool { return false },
		wired:  func(int) (bool, bool) { return false, false },
	}
}
