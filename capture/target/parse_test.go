package target

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var addrs = cmpopts.EquateComparable(netip.Addr{})

func TestParseReadsEveryFormOfTheContract(t *testing.T) {
	for _, want := range []Target{
		{Text: "8080", Port: 8080},
		{Text: "8080/udp", Port: 8080, Proto: udp},
		{Text: "9/sctp", Port: 9, Proto: sctp},
		{Text: "127.0.0.1:8080", Addr: netip.MustParseAddr("127.0.0.1"), Port: 8080},
		{Text: "[::1]:8080", Addr: netip.MustParseAddr("::1"), Port: 8080},
		{Text: "[::1]:8080/udp", Addr: netip.MustParseAddr("::1"), Port: 8080, Proto: udp},
		{Text: "[::ffff:127.0.0.1]:80", Addr: netip.MustParseAddr("127.0.0.1"), Port: 80},
		{Text: "web", Name: "web"},
		{Text: "web.1_a-b", Name: "web.1_a-b"},
		{Text: "web:80", Name: "web", Port: 80},
		{Text: "web:53/udp", Name: "web", Port: 53, Proto: udp},
		{Text: "shop/web", Project: "shop", Service: "web"},
		{Text: "shop/udp", Project: "shop", Service: "udp"},
		{Text: "shop/web:80", Project: "shop", Service: "web", Port: 80},
	} {
		got, err := Parse(want.Text)
		if err != nil {
			t.Errorf("Parse(%q): %v", want.Text, err)
		}
		if d := cmp.Diff(want, got, addrs); d != "" {
			t.Errorf("Parse(%q) (-want +got):\n%s", want.Text, d)
		}
	}
}

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"":                "it is empty",
		"0":               `"0" is no port`,
		"65536":           `"65536" is no port`,
		"web:http":        `"http" is no port`,
		"web:":            `"" is no port`,
		":80":             "is no port, address or container name",
		"8080/icmp":       `unknown protocol "icmp"`,
		"198.51.100.1":    "add a port, as in 198.51.100.1:8080",
		"::1":             "add a port, as in [::1]:8080",
		"[::1]":           "add a port, as in [::1]:8080",
		"2001:db8::zz:80": "needs brackets",
		"a/b/c":           "is no port, address or container name",
		"web\x1b[31m":     `"web\x1b[31m" is no port`,
		"--help":          "is no port, address or container name",
	} {
		_, err := Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q): got %v, want it to say %q", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"8080/udp", "[::1]:8080", "web:80", "shop/web:80/tcp"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse(s)
		if err == nil && !got.Named() && got.Port == 0 {
			t.Errorf("Parse(%q) selects nothing: %+v", s, got)
		}
		if err == nil && strings.ContainsAny(got.Name+got.Project+got.Service, "\x1b\n /") {
			t.Errorf("Parse(%q) let a hostile name through: %+v", s, got)
		}
	})
}
