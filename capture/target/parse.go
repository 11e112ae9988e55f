// Package target reads what the user wants diagnosed, a TARGET of the command
// line, and finds in an engine's snapshot the host ports, container endpoints
// and namespaces it stands for.
//
// It does no I/O and runs on any OS. It must not import decode, correlate or
// cmd.
package target

import (
	"errors"
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
	Text     string     // as given; of a URL without user, query and fragment
	Name     string     // container name or id prefix, or a compose project
	Project  string     // compose project and service, valid iff Service is not ""
	Service  string     // EveryService: all of the project
	Proto    uint8      // IANA protocol number; 0 is any that has ports
	Addr     netip.Addr // valid iff an address was given, which then is the only one meant
	Loopback bool       // localhost was given: the loopback addresses of both families are meant
	Port     uint16     // host port of a number, container port of a name; 0 none
	Last     uint16     // the last port of a range, above Port; 0 where it is none
	URLHost  string     // host of a URL, as given there; it selects nothing
}

// EveryService stands for all services of a project.
const EveryService = "*"

// Protocols that have ports (IANA protocol numbers).
const (
	tcp  = 6
	udp  = 17
	sctp = 132
)

// Named reports whether the target names a container or service, rather than a
// port.
func (t Target) Named() bool { return t.Name != "" || t.Service != "" }

// Has reports whether a port is the target's, or in its range.
func (t Target) Has(port uint16) bool { return t.Port != 0 && within(port, t.Port, t.Last) }

// within reports whether a port is the first one, or between it and the last.
func within(port, first, last uint16) bool { return first <= port && port <= max(first, last) }

// String returns the target as it was given.
func (t Target) String() string { return t.Text }

// nameForm is what the engine and compose allow in names.
var nameForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// rangeForm is what can only be meant as ports, and never is a name.
var rangeForm = regexp.MustCompile(`^[0-9]+-[0-9]*$`)

// Parse reads one of "8080", "8080/udp", "7000-7010", ":8080",
// "127.0.0.1:8080", "localhost:8080", "[::1]:8080", "http://host:8080/path"
// (its port), "web", "web:80", "project/service", "project" and "project/*",
// the ones with a port optionally followed by a protocol. What is all digits is
// a port, never a name.
func Parse(s string) (Target, error) {
	t := Target{Text: s}
	if err := t.parse(s); err != nil {
		return Target{}, fmt.Errorf("parse target %q: %w", s, err)
	}
	return t, nil
}

// ParseAll parses every argument, each of which may be several with commas
// between them; none at all stand for all published ports.
func ParseAll(args []string) ([]Target, error) {
	var ts []Target
	for _, a := range args {
		for _, s := range Split(a) {
			t, err := Parse(s)
			if err != nil && s == "" && a != "" {
				err = fmt.Errorf("parse targets %q: there is nothing before or behind a comma", a)
			}
			if err != nil {
				return nil, err
			}
			ts = append(ts, t)
		}
	}
	return ts, nil
}

// Shown are arguments as they may be shown, and written down: in one line, URLs
// without what is none of the reader's business.
func Shown(args []string) string {
	var all []string
	for _, a := range args {
		words := Split(a)
		for i, s := range words {
			if t, err := Parse(s); err == nil {
				words[i] = t.Text
			}
		}
		all = append(all, strings.Join(words, ","))
	}
	return strings.Join(all, " ")
}

// Split parts an argument at its commas, but for those in the path of a URL.
func Split(arg string) (all []string) {
	for {
		end := strings.IndexByte(arg, ',')
		if at := strings.Index(arg, "://"); end >= 0 && at >= 0 && at < end {
			if path := strings.IndexAny(arg[at+3:end], "/?#"); path >= 0 {
				end = -1 // the rest is the URL's
			}
		}
		if end < 0 {
			return append(all, arg)
		}
		all, arg = append(all, arg[:end]), arg[end+1:]
	}
}

func (t *Target) parse(s string) error {
	if s == "" {
		return errors.New("it is empty: give a port, such as 8080, or the name of a container")
	}
	if strings.Contains(s, "://") {
		return t.parseURL(s)
	}
	s, err := t.cutProto(s)
	if err != nil {
		return err
	}
	if isPort(s) {
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
		if host == "" {
			return nil
		}
	}
	return t.setHost(host)
}

// cutProto takes a protocol off what can only be a port before it:
// "project/udp" is a service.
func (t *Target) cutProto(s string) (string, error) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, nil
	}
	head, name := s[:i], s[i+1:]
	if !isPort(head[strings.LastIndexByte(head, ':')+1:]) {
		return s, nil
	}
	if t.Proto = protoNumber(strings.ToLower(name)); t.Proto == 0 {
		return "", unknownProto(name)
	}
	return head, nil
}

func unknownProto(name string) error {
	protos := []string{"tcp", "udp", "sctp"}
	if near := Nearest(name, protos); len(near) > 0 && name != "" {
		return fmt.Errorf("unknown protocol %q: did you mean %s?", name, near[0])
	}
	return fmt.Errorf("unknown protocol %q: tcp, udp or sctp", name)
}

// setPort reads a port, or a range of them.
func (t *Target) setPort(s string) (err error) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange || !rangeForm.MatchString(s) {
		t.Port, err = portOf(s)
		return err
	}
	if t.Port, err = portOf(first); err != nil {
		return err
	}
	if last == "" {
		return fmt.Errorf("the range has no end: write %s, or %s-%d", first, first, min(int(t.Port)+10, 65535))
	}
	if t.Last, err = portOf(last); err != nil {
		return err
	}
	switch {
	case t.Last < t.Port:
		return fmt.Errorf("the range runs backwards: write %s-%s", last, first)
	case t.Last == t.Port:
		t.Last = 0
	}
	return nil
}

func portOf(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port: 1 to 65535", s)
	}
	return uint16(n), nil
}

func (t *Target) setHost(host string) error {
	if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
		t.Addr = a
		return nil
	}
	if strings.EqualFold(host, "localhost") {
		if t.Port == 0 {
			return errors.New("an address alone is no target: add a port, as in localhost:8080")
		}
		t.Loopback = true
		return nil
	}
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		a, err := netip.ParseAddr(host[1 : len(host)-1])
		if err != nil {
			return fmt.Errorf("%q is no address", host[1:len(host)-1])
		}
		t.Addr = a.Unmap().WithZone("")
		return nil
	}
	if strings.Contains(host, ":") {
		return errors.New("an IPv6 address needs brackets, as in [::1]:8080")
	}
	if project, service, ok := strings.Cut(host, "/"); ok {
		t.Project, t.Service = project, service
		if service == EveryService {
			return checkNames(project)
		}
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

// isPort reports whether s is meant as a port or a range of them.
func isPort(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == "" || rangeForm.MatchString(s)
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
