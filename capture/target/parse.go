// Package target reads what the user wants diagnosed, a TARGET of the command
// line, and finds in an engine's snapshot the host ports, container endpoints
// and namespaces it stands for.
//
// It does no I/O and runs on any OS. It must not import decode, correlate or
// cmd.
package target

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// Target is one TARGET as parsed. The zero Target stands for all published
// ports. Exactly one of Port alone, Name, and Project with Service is given;
// with a name, Port is optional.
type Target struct {
	Text    string     // as given
	Name    string     // container name or id prefix
	Project string     // compose project and service, valid iff Service is not ""
	Service string     //
	Proto   uint8      // IANA protocol number; 0 is any that has ports
	Addr    netip.Addr // valid iff an address was given, which then is the only one meant
	Port    uint16     // host port of a number, container port of a name; 0 none
}

// Protocols that have ports (IANA protocol numbers).
const (
	tcp  = 6
	udp  = 17
	sctp = 132
)

// Named reports whether the target names a container or service, rather than a
// port.
func (t Target) Named() bool { return t.Name != "" || t.Service != "" }

// String returns the target as it was given.
func (t Target) String() string { return t.Text }

// nameForm is what the engine and compose allow in names.
var nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// Parse reads "8080", "8080/udp", "127.0.0.1:8080", "[::1]:8080", "web",
// "web:80" or "project/service", the ones with a port optionally followed by a
// protocol. What is all digits is a port, never a name.
func Parse(s string) (Target, error) {
	t := Target{Text: s}
	err := t.parse(s)
	if err != nil {
		return Target{}, fmt.Errorf("parse target %q: %w", s, err)
	}
	return t, nil
}

// ParseAll parses every argument; none at all stand for all published ports.
func ParseAll(args []string) ([]Target, error) {
	var ts []Target
	for _, a := range args {
		t, err := Parse(a)
		if err != nil {
			return nil, err
		}
		ts = append(ts, t)
	}
	return ts, nil
}

func (t *Target) parse(s string) error {
	if s == "" {
		return fmt.Errorf("it is empty")
	}
	s, err := t.cutProto(s)
	if err != nil {
		return err
	}
	if digits(s) {
		return t.setPort(s)
	}
	if a, err := netip.ParseAddr(strings.Trim(s, "[]")); err == nil {
		return fmt.Errorf("an address alone is no target: add a port, as in %s", netip.AddrPortFrom(a, 8080))
	}
	host, port := s, ""
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		host, port = s[:i], s[i+1:]
		if err := t.setPort(port); err != nil {
			return err
		}
	}
	return t.setHost(host)
}

// cutProto takes a protocol off what can only be a port before it:
// "project/udp" is a service.
func (t *Target) cutProto(s string) (string, error) {
	head, name, ok := strings.Cut(s, "/")
	if !ok || !digits(head[strings.LastIndexByte(head, ':')+1:]) {
		return s, nil
	}
	t.Proto = protoNumber(name)
	if t.Proto == 0 {
		return "", fmt.Errorf("unknown protocol %q: tcp, udp or sctp", name)
	}
	return head, nil
}

func (t *Target) setPort(s string) error {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return fmt.Errorf("%q is no port: 1 to 65535", s)
	}
	t.Port = uint16(n)
	return nil
}

func (t *Target) setHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		t.Addr = a
		return nil
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		a, err := netip.ParseAddr(host[1 : len(host)-1])
		t.Addr = a.Unmap().WithZone("")
		return err
	}
	if strings.Contains(host, ":") {
		return fmt.Errorf("an IPv6 address needs brackets, as in [::1]:8080")
	}
	if project, service, ok := strings.Cut(host, "/"); ok {
		t.Project, t.Service = project, service
		return checkNames(project, service)
	}
	t.Name = host
	return checkNames(host)
}

func checkNames(names ...string) error {
	for _, n := range names {
		if !nameForm.MatchString(n) {
			return fmt.Errorf("%q is no port, address or container name", n)
		}
	}
	return nil
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// protoNumber reads a protocol as the engine writes it; 0 if it has no ports.
func protoNumber(name string) uint8 {
	switch name {
	case "tcp":
		return tcp
	case "udp":
		return udp
	case "sctp":
		return sctp
	}
	return 0
}
