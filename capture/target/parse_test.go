package target

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var addrs = cmpopts.EquateComparable(netip.Addr{})

// urlsShown are URLs of which not everything is kept.
var urlsShown = map[string]string{
	"http://shop.example/a,b?c=1:2#d":     "http://shop.example/a,b",
	"http://me:secret@198.51.100.1:8080/": "http://198.51.100.1:8080/",
	"http://me@198.51.100.1":              "http://198.51.100.1",
}

func TestNobodysPasswordIsWrittenDown(t *testing.T) {
	args := []string{"8080,http://me:secret@shop.example:80/a b?token=secret#secret", "https://me:secret@[::1]"}
	if got, want := Shown(args), "8080,http://shop.example:80/a%20b https://[::1]"; got != want {
		t.Errorf("shown as %q, want %q", got, want)
	}
}

func TestParseReadsEveryFormOfTheContract(t *testing.T) {
	for _, want := range []Target{
		{Text: "8080", Port: 8080},
		{Text: "8080/udp", Port: 8080, Proto: udp},
		{Text: "9/sctp", Port: 9, Proto: sctp},
		{Text: "8080/UDP", Port: 8080, Proto: udp},
		{Text: "7000-7010", Port: 7000, Last: 7010},
		{Text: "7000-7010/udp", Port: 7000, Last: 7010, Proto: udp},
		{Text: "7000-7000", Port: 7000},
		{Text: "1-65535", Port: 1, Last: 65535},
		{Text: ":8080", Port: 8080},
		{Text: ":7000-7010/sctp", Port: 7000, Last: 7010, Proto: sctp},
		{Text: "localhost:8080", Loopback: true, Port: 8080},
		{Text: "LocalHost:7000-7010/tcp", Loopback: true, Port: 7000, Last: 7010, Proto: tcp},
		{Text: "127.0.0.1:7000-7010", Addr: netip.MustParseAddr("127.0.0.1"), Port: 7000, Last: 7010},
		{Text: "[2001:db8::1]:443/tcp", Addr: netip.MustParseAddr("2001:db8::1"), Port: 443, Proto: tcp},
		{Text: "web:7000-7010", Name: "web", Port: 7000, Last: 7010},
		{Text: "8080-web", Name: "8080-web"},
		{Text: "shop/*", Project: "shop", Service: "*"},
		{Text: "shop/*:80", Project: "shop", Service: "*", Port: 80},
		{Text: "shop/web:80/tcp", Project: "shop", Service: "web", Port: 80, Proto: tcp},
		{Text: "http://shop.example:8080/path", Port: 8080, URLHost: "shop.example"},
		{Text: "http://shop.example/a,b?c=1:2#d", Port: 80, URLHost: "shop.example"},
		{Text: "https://shop.example", Port: 443, URLHost: "shop.example"},
		{Text: "HTTPS://Shop.Example/", Port: 443, URLHost: "Shop.Example"},
		{Text: "wss://shop.example/socket", Port: 443, URLHost: "shop.example"},
		{Text: "http://me:secret@198.51.100.1:8080/", Port: 8080, URLHost: "198.51.100.1"},
		{Text: "http://me@198.51.100.1", Port: 80, URLHost: "198.51.100.1"},
		{Text: "http://[2001:db8::1]:8080/", Port: 8080, URLHost: "2001:db8::1"},
		{Text: "https://[2001:db8::1]", Port: 443, URLHost: "2001:db8::1"},
		{Text: "http://:8080", Port: 8080},
		{Text: "redis://cache:6379/0", Port: 6379, URLHost: "cache"},
		{Text: "udp://dns.example:53", Port: 53, Proto: udp, URLHost: "dns.example"},
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
		given := want.Text
		if shown, ok := urlsShown[given]; ok {
			want.Text = shown
		}
		got, err := Parse(given)
		if err != nil {
			t.Errorf("Parse(%q): %v", given, err)
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
		":":               `"" is no port`,
		"8080-":           "the range has no end: write 8080, or 8080-8090",
		"65530-":          "the range has no end: write 65530, or 65530-65535",
		"7010-7000":       "the range runs backwards: write 7000-7010",
		"0-80":            `"0" is no port: 1 to 65535`,
		"80-70000":        `"70000" is no port: 1 to 65535`,
		"web:80-":         "the range has no end: write 80, or 80-90",
		"8080/tpc":        `unknown protocol "tpc": did you mean tcp?`,
		"8080/":           `unknown protocol "": tcp, udp or sctp`,
		"localhost":       "add a port, as in localhost:8080",
		"[nonsense]:80":   `"nonsense" is no address`,
		"shop/":           `"" is no port, address or container name`,
		"*/web":           `"*" is no port, address or container name`,
		"*":               `"*" is no port, address or container name`,
		"http://":         "the URL has no host: write http://localhost/",
		"http:///path":    "the URL has no host",
		"http://x:0/":     `"0" is no port: 1 to 65535`,
		"http://x:99999/": `"99999" is no port: 1 to 65535`,
		"http://x:web/":   "it is no URL: invalid port",
		"http://[::1/":    "it is no URL: missing ']' in host",
		"redis://cache":   "no port is known for redis: write it behind the host, as in redis://cache:8080",
		"://x:80":         "it is no URL: missing protocol scheme",
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

func TestCommasPartTargets(t *testing.T) {
	for _, row := range []struct {
		story string
		args  []string
		want  []string
	}{
		{"one argument may be several targets", []string{"8080,8081"}, []string{"8080", "8081"}},
		{"… of any form", []string{"8080/udp,7000-7010,:80,web:80,shop/*"}, []string{"8080/udp", "7000-7010", ":80", "web:80", "shop/*"}},
		{"several arguments are several targets", []string{"8080", "web,shop"}, []string{"8080", "web", "shop"}},
		{"a comma in a URL's path is the URL's", []string{"http://a.example:80/x,y"}, []string{"http://a.example:80/x,y"}},
		{"… one before the path is not", []string{"http://a.example:80,8081"}, []string{"http://a.example:80", "8081"}},
		{"… nor one before the URL", []string{"8081,https://a.example/?q=1,2"}, []string{"8081", "https://a.example/"}},
		{"nothing given is nothing", nil, nil},
	} {
		t.Run(row.story, func(t *testing.T) {
			ts, err := ParseAll(row.args)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, t := range ts {
				got = append(got, t.Text)
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	for _, arg := range []string{"8080,", ",8080", "8080,,8081", ","} {
		if _, err := ParseAll([]string{arg}); err == nil || !strings.Contains(err.Error(), "nothing before or behind a comma") {
			t.Errorf("ParseAll(%q): got %v", arg, err)
		}
	}
	if _, err := ParseAll([]string{""}); err == nil || !strings.Contains(err.Error(), "it is empty: give a port, such as 8080") {
		t.Errorf("an empty argument: got %v", err)
	}
}

func TestAURLOfAnotherHostIsKnownByItsAddressAlone(t *testing.T) {
	own := []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")}
	for _, row := range []struct {
		story, url string
		want       bool
	}{
		{"the host's own address", "http://198.51.100.1:8080/", false},
		{"… of IPv6", "http://[2001:db8::1]:8080/", false},
		{"another address", "http://198.51.100.9:8080/", true},
		{"… of IPv6", "https://[2001:db8::9]/", true},
		{"loopback is every host's own", "http://127.0.0.53:8080/", false},
		{"a name would have to be looked up", "http://shop.example:8080/", false},
		{"no URL says nothing of hosts", "198.51.100.9:8080", false},
	} {
		tg, err := Parse(row.url)
		if err != nil {
			t.Fatal(err)
		}
		if got := tg.Elsewhere(own); got != row.want {
			t.Errorf("%s: %s is elsewhere: %t, want %t", row.story, row.url, got, row.want)
		}
		if tg.Elsewhere(nil) {
			t.Errorf("%s: %s is said to be elsewhere where the host's addresses are not known", row.story, row.url)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"8080/udp", "[::1]:8080", "web:80", "shop/web:80/tcp", "7000-7010", ":80", "shop/*", "http://a@[::1]:80/x,y", "localhost:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Parse(s)
		if err == nil && !got.Named() && got.Port == 0 {
			t.Errorf("Parse(%q) selects nothing: %+v", s, got)
		}
		if got.Last != 0 && got.Last <= got.Port {
			t.Errorf("Parse(%q) has a range that is none: %+v", s, got)
		}
		if err == nil && strings.ContainsAny(got.Name+got.Project+got.Service, "\x1b\n /") {
			t.Errorf("Parse(%q) let a hostile name through: %+v", s, got)
		}
	})
}
