package main

import (
	"net/netip"
	"strings"
	"testing"

	"dnatrace/capture/host"
	"dnatrace/correlate/foresee"
	"dnatrace/decode"
)

func TestDataIsReadWithItsEscapes(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"plain":                      "plain",
		`GET / HTTP/1.0\r\n\r\n`:     "GET / HTTP/1.0\r\n\r\n",
		`\x00\xff\\x41\t`:            "\x00\xff\\x41\t",
		`\0`:                         "\x00",
		"bytes \xc3\xa9 as they are": "bytes \xc3\xa9 as they are",
	} {
		if got, err := unescape(in); err != nil || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
	for _, in := range []string{`\`, `\q`, `\x`, `\x1`, `\xg0`} {
		if got, err := unescape(in); err == nil {
			t.Errorf("%q is read as %q", in, got)
		}
	}
}

// aProbed is a host with a card and a bridge, and requests to it.
func aProbed() (*host.State, []foresee.Request) {
	here := &host.State{Links: []host.Link{
		{Index: 1, Name: "lo", Loopback: true, Up: true, MAC: "00:00:00:00:00:00"},
		{Index: 2, Name: "eth0", MAC: "02:00:00:00:00:01", Up: true},
		{Index: 3, Name: "tun0", Kind: "tun", Up: true},
		{Index: 4, Name: "eth1", MAC: "02:00:00:00:00:02"},
	}}
	request := func(src, dst string) foresee.Request {
		return foresee.Request{From: foresee.Outside, Link: "eth0", Tuple: decode.Tuple{
			Src: decode.IPFrom(netip.MustParseAddr(src)), Dst: decode.IPFrom(netip.MustParseAddr(dst)), DstPort: 8080, Proto: decode.TCP,
		}}
	}
	return here, []foresee.Request{request("203.0.113.7", "198.51.100.1"), request("2001:db8::7", "2001:db8:1::1")}
}

func TestRequestsArePutInWhereTheyComeIn(t *testing.T) {
	here, asked := aProbed()
	w, err := (&probeFlags{data: "x"}).want(here, asked)
	if err != nil {
		t.Fatal(err)
	}
	if w.Link != "eth0" || w.To != "02:00:00:00:00:01" || len(w.Asks) != 2 || w.Asks[0].Client.Port() == w.Asks[1].Client.Port() || string(w.Asks[0].Data) != "x" {
		t.Errorf("%+v", w)
	}
	one, err := (&probeFlags{client: netip.MustParseAddr("2001:db8::7")}).want(here, asked)
	if err != nil || len(one.Asks) != 1 || !one.Asks[0].Server.Addr().Is6() {
		t.Errorf("a client asks in its own family: %+v, %v", one, err)
	}
}

func TestWhereNoFrameCanBePutIn(t *testing.T) {
	here, asked := aProbed()
	for link, want := range map[string]string{"tun0": "no Ethernet frames", "lo": "no Ethernet frames", "eth1": "is down", "eth9": "no interface"} {
		if _, err := (&probeFlags{link: link}).want(here, asked); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", link, err)
		}
	}
	if _, err := (&probeFlags{}).want(here, nil); err == nil || !strings.Contains(remedy(err), "explain") {
		t.Errorf("nobody asks: %v", err)
	}
}
