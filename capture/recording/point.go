package recording

import (
	"path/filepath"
	"regexp"
	"strings"

	"dnatrace/capture"
)

// foreign fills in what is not said about a point of someone else's capture.
// No losses are counted there, and everything but a container's own interface
// is taken to be in the host's namespace.
func foreign(p *capture.Point) {
	p.Netns, p.Role = capture.HostNetns, GuessRole(p.Name)
	if p.Role == capture.RoleContainer {
		p.Container, _, _ = strings.Cut(p.Name, ":")
		p.Netns = p.Container
	}
}

// roleNames tells roles by the names that kernels, systemd and engines give.
// The first that matches counts.
var roleNames = []struct {
	name *regexp.Regexp
	role capture.Role
}{
	{regexp.MustCompile(`^[^:]+:[a-z]`), capture.RoleContainer}, // as we name them: "web:eth0"
	{regexp.MustCompile(`^lo\d*$`), capture.RoleLoopback},
	{regexp.MustCompile(`^(docker\d|docker_gwbridge$|br-|br\d|cni\d|cbr\d|virbr\d|podman\d|lxcbr\d|lxdbr\d)`), capture.RoleBridge},
	{regexp.MustCompile(`^(veth|cali|lxc|vnet\d)`), capture.RoleVeth},
	{regexp.MustCompile(`^(vxlan|flannel|cilium_vxlan|geneve|weave|wg\d|tunl\d|ov-)`), capture.RoleOverlay},
	{regexp.MustCompile(`^(eth\d|en[opsx]|enP|em\d|wl|bond\d|ib\d|ens|venet\d|wan|lan\d)`), capture.RoleNIC},
}

// GuessRole is the role of an interface of the host by its name alone; RoleOther
// if the name says nothing.
func GuessRole(name string) capture.Role {
	for _, r := range roleNames {
		if r.name.MatchString(name) {
			return r.role
		}
	}
	return capture.RoleOther
}

// captureEndings are the endings of file names that say nothing about a point.
var captureEndings = map[string]bool{".pcap": true, ".pcapng": true, ".cap": true, ".dmp": true, ".dump": true, ".ntar": true, ".gz": true,
	".zst": true, ".xz": true, ".lz4": true, ".bz2": true}

// baseName is the point name of a capture that does not name its interface:
// that of its file.
func baseName(file string) string {
	name := filepath.Base(file)
	for captureEndings[strings.ToLower(filepath.Ext(name))] {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	if name == "" || name == "." {
		return "capture"
	}
	return cutName([]byte(name))
}

// cutName makes a bounded string of an interface name as it is in the file;
// hostile characters are the outputs' business.
func cutName(b []byte) string {
	s := string(b[:min(len(b), maxName)])
	return strings.TrimRight(s, "\x00")
}
