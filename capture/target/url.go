package target

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// schemePorts are the ports of schemes that need not name one.
var schemePorts = map[string]uint16{"http": 80, "ws": 80, "https": 443, "wss": 443}

// parseURL takes the port of a URL. Its host selects nothing: a request is made
// to whatever address of the host a name, or somebody's translation in front of
// it, leads to. The text keeps neither the user's name and password nor what is
// asked for: it goes into recordings and reports.
func (t *Target) parseURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err // the text was said already
		}
		return fmt.Errorf("it is no URL: %w", err)
	}
	t.Text = s[:strings.Index(s, "://")+len("://")] + u.Host + u.EscapedPath()
	t.URLHost, t.Proto = u.Hostname(), protoNumber(u.Scheme)
	if port := u.Port(); port != "" {
		t.Port, err = portOf(port)
		return err
	}
	if t.Port = schemePorts[u.Scheme]; t.Port == 0 {
		return fmt.Errorf("no port is known for %s: write it behind the host, as in %s://%s:8080", u.Scheme, u.Scheme, u.Host)
	}
	if t.URLHost == "" {
		return fmt.Errorf("the URL has no host: write %s://localhost/, or the port alone", u.Scheme)
	}
	return nil
}

// Elsewhere reports whether the host of a target's URL is known not to be one
// with these addresses: it is an address, and none of them. What a name stands
// for is not asked.
func (t Target) Elsewhere(addrs []netip.Addr) bool {
	a, err := netip.ParseAddr(strings.Trim(t.URLHost, "[]"))
	if err != nil || len(addrs) == 0 {
		return false
	}
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsUnspecified() {
		return false
	}
	for _, own := range addrs {
		if own.Unmap().WithZone("") == a {
			return false
		}
	}
	return true
}
