package watch

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"dnatrace/cmd/internal/render"
	"dnatrace/correlate"
	"dnatrace/correlate/foresee"
	"dnatrace/correlate/stage"
	"dnatrace/fixtures"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a screen with a file in testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	got += "\n"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (write it with: go test ./cmd/internal/watch -update)", err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", name, d)
	}
}

// dropped is a request of the demo's recording, as it was judged.
func dropped(t *testing.T) *correlate.Incident {
	t.Helper()
	c, err := fixtures.Load("demo-forward-drop")
	if err != nil {
		t.Fatal(err)
	}
	var d correlate.Document
	if err := json.Unmarshal(c.Want, &d); err != nil {
		t.Fatal(err)
	}
	return &d.Requests[0]
}

// shop is a host with a dozen mappings and a minute of requests to them.
func shop(t *testing.T) *Model {
	m := New("", 0)
	list := []foresee.Port{published(8080, "web", "0.0.0.0"), published(9000, "shop-api-1", "127.0.0.1"), published(5432, "db", "0.0.0.0"),
		published(53, "resolver", "198.51.100.1")}
	list[3].Protocol = "udp"
	list[2].State, list[2].Reachable.Outside, list[2].Why = "exited", "no", "The container is not running."
	for n := range 8 {
		list = append(list, published(uint16(7000+n), fmt.Sprintf("game-%d", n), "0.0.0.0"))
	}
	m.SetPorts(list)
	id := 0
	for s := range 60 {
		at := noon.Add(time.Duration(s) * time.Second)
		m.Advance(at)
		for k := range 3 + s%4 {
			id++
			i := request(id, at.Add(time.Duration(k)*time.Millisecond), "7001", correlate.Delivered, correlate.CauseNone)
			i.Container = "game-1"
			i.Timing = correlate.Timing{Connect: 0.0002 + float64(k)/1e4, FirstByte: 0.003 * float64(1+k*k)}
			m.Take(i)
		}
		if s%7 == 3 {
			id++
			m.Take(request(id, at, "8080", correlate.Delivered, correlate.CauseNone))
		}
		if s%20 == 19 {
			id++
			i := *dropped(t)
			i.ID, i.First, i.Last, i.Requested = fmt.Sprint(id), at, at, "198.51.100.1:8080"
			m.Take(&i)
		}
		if s == 50 {
			id++
			i := request(id, at, "9000", correlate.Refused, correlate.CauseNoListener)
			i.Stage, i.Requested, i.Container, i.Via = stage.Container, "127.0.0.1:9000", "shop-api-1", correlate.ViaProxy
			m.Take(i)
		}
	}
	m.Advance(noon.Add(time.Minute))
	m.Status(correlate.Status{Packets: 12345, Lost: 0, Summary: correlate.Summary{Open: 2}})
	return m
}

var sizes = []struct{ w, h int }{{80, 24}, {100, 30}, {200, 50}}

// looks are terminals.
var looks = []struct {
	name string
	render.Options
}{
	{"plain", render.Options{UTF8: true, Zone: time.UTC}},
	{"ascii", render.Options{Zone: time.UTC}},
	{"colour", render.Options{UTF8: true, Color: true, Zone: time.UTC}},
}

// seen presses keys on a View of a model and returns the last screen.
func seen(m *Model, look render.Options, w, h int, keys ...string) string {
	v := NewView(look)
	v.Resize(w, h)
	v.Screen(m)
	for _, k := range keys {
		text := ""
		if len([]rune(k)) == 1 {
			text = k
		}
		v.Key(m, k, text)
		v.Screen(m)
	}
	return v.Screen(m)
}

var visits = []struct {
	name string
	keys []string
}{
	{"ports", nil},
	{"filtered", []string{"/", "a", "p", "i", "enter"}},
	{"failures", []string{"f", "s", "down"}},
	{"port", []string{"enter"}},
	{"request", []string{"enter", "enter"}},
	{"help", []string{"?"}},
}

func TestScreens(t *testing.T) {
	m := shop(t)
	for _, visit := range visits {
		for _, size := range sizes {
			for _, look := range looks {
				if look.name != "plain" && size.w != 80 {
					continue
				}
				name := fmt.Sprintf("%s-%dx%d-%s.txt", visit.name, size.w, size.h, look.name)
				golden(t, name, seen(m, look.Options, size.w, size.h, visit.keys...))
			}
		}
	}
}

// bare is a screen without colours.
func bare(s string) string {
	for {
		a := strings.Index(s, "\x1b[")
		if a < 0 {
			return s
		}
		b := strings.IndexByte(s[a:], 'm')
		s = s[:a] + s[a+b+1:]
	}
}

func TestNoLineIsWiderThanTheScreenWhateverItsSize(t *testing.T) {
	m := shop(t)
	m.Status(correlate.Status{Packets: 1 << 40, Lost: 1 << 30, Summary: correlate.Summary{Open: 20000}})
	m.Flood(&correlate.FloodReport{To: "198.51.100.1:8080", Protocol: "tcp", Packets: 300000, Addresses: 65000})
	for _, visit := range visits {
		for _, look := range looks {
			for w := 1; w <= 210; w += 1 + w/6 {
				for _, h := range []int{1, 2, 5, 13, 14, 60} {
					lines := strings.Split(seen(m, look.Options, w, h, visit.keys...), "\n")
					if len(lines) != h {
						t.Fatalf("%s, %s: %d lines on a screen of %d", visit.name, look.name, len(lines), h)
					}
					for _, l := range lines {
						if n := render.Columns(bare(l)); n > w {
							t.Fatalf("%s, %s, %dx%d: a line of %d columns: %q", visit.name, look.name, w, h, n, l)
						}
					}
				}
			}
		}
	}
}

func TestNamesOfStrangersDoNothingToTheTerminal(t *testing.T) {
	const evil = "we\x1b]0;owned\x07b\x1b[2J\r\n\u202egnp.exe"
	m := New(evil, 0)
	q := published(8080, evil, "0.0.0.0")
	q.State, q.Why, q.Reachable.Outside = evil, evil, "no"
	m.SetPorts([]foresee.Port{q})
	i := request(1, noon, "8080", correlate.Dropped, correlate.Cause(evil))
	i.Container, i.Client, i.Stage, i.Why, i.Via, i.ClientContainer = evil, evil, evil, evil, evil, evil
	i.Rule = &correlate.RuleHit{Table: evil, Chain: evil, Text: evil, Owner: evil, Kind: "policy"}
	i.Hops = []correlate.Hop{{Point: evil, Before: evil, After: evil, Detail: evil, Kind: correlate.HopKind(evil)}}
	i.Fix, i.Notes, i.Blind, i.Between = []string{evil}, []string{evil}, []string{evil}, []string{evil, evil}
	i.Evidence = []correlate.Evidence{{Source: evil, Text: evil}}
	m.Take(i)
	other := *i
	other.ID, other.Requested = "2", evil
	m.Take(&other)
	for _, look := range looks {
		for _, keys := range [][]string{nil, {"enter"}, {"enter", "enter"}, {"down", "enter", "enter"}, {"/", evil}} {
			s := bare(seen(m, look.Options, 120, 40, keys...))
			for _, r := range s {
				if r != '\n' && (r < ' ' || r == 0x7f || r == '\u202e' || r == 0x9b) {
					t.Fatalf("%s, %q: %q is on the screen:\n%q", look.name, keys, r, s)
				}
			}
		}
	}
}

func TestPauseHoldsThePicture(t *testing.T) {
	m := shop(t)
	v := NewView(looks[0].Options)
	v.Resize(100, 30)
	v.Screen(m)
	v.Key(m, "p", "p")
	was := v.Screen(m)
	m.Advance(noon.Add(2 * time.Minute))
	m.Take(request(9999, noon.Add(2*time.Minute), "8080", correlate.Refused, correlate.CauseNoListener))
	m.SetPorts(nil)
	if now := v.Screen(m); now != was {
		t.Errorf("the picture moved (-was +is):\n%s", cmp.Diff(was, now))
	}
	if !strings.Contains(was, "PAUSED") {
		t.Error("it does not say so")
	}
	v.Key(m, "p", "p")
	if now := v.Screen(m); !strings.Contains(now, "1 refused") || strings.Contains(now, "PAUSED") {
		t.Errorf("after that it shows\n%s", now)
	}
}

func TestTheSelectedPortStaysSelectedWhenOthersPassIt(t *testing.T) {
	m := shop(t)
	v := NewView(looks[0].Options)
	v.Screen(m)
	v.Key(m, "end", "")
	v.Screen(m)
	was := v.Selected(m)
	for n := range 10 {
		i := request(5000+n, m.now, "7003", correlate.Refused, correlate.CauseNoListener)
		i.Container = "game-3"
		m.Take(i)
	}
	v.Screen(m)
	if is := v.Selected(m); is != was || was == "" {
		t.Errorf("%s was selected, and now %s is", was, is)
	}
}

func TestKeysGoWhereTheySay(t *testing.T) {
	m := shop(t)
	for _, c := range []struct {
		keys string
		want string
	}{
		{"", "Enter open  / filter"},
		{"enter", "FAILURES BY KIND"},
		{"enter enter", "iptables\x00nft delete rule"},
		{"enter enter esc", "FAILURES BY KIND"},
		{"enter enter esc esc", "Enter open  / filter"},
		{"? esc", "Enter open  / filter"},
		{"enter ? esc", "FAILURES BY KIND"},
		{"/ g a m e enter", "/game"},
		{"/ g a m e esc", "by failures"},
		{"/ n o n e enter", "f shows all"},
		{"s", "by port"},
		{"s S", "by failures"},
		{"f", "failures only"},
	} {
		keys := strings.Fields(c.keys)
		s := seen(m, looks[0].Options, 100, 40, keys...)
		ok := false
		for _, w := range strings.Split(c.want, "\x00") {
			ok = ok || strings.Contains(s, w)
		}
		if !ok {
			t.Errorf("%q leads to\n%s", c.keys, s)
		}
	}
	v := NewView(looks[0].Options)
	v.Screen(m)
	for key, want := range map[string]Action{"q": Quit, "ctrl+c": Quit, "e": Explain, "w": Save, "r": Report, "x": None} {
		if got := v.Key(m, key, ""); got != want {
			t.Errorf("%s is action %d, want %d", key, got, want)
		}
	}
	if got := v.Selected(m); got != "8080/tcp" {
		t.Errorf("selected is %s", got)
	}
}

func TestTheMouseSelectsOpensAndScrolls(t *testing.T) {
	m := shop(t)
	v := NewView(looks[0].Options)
	v.Resize(80, 24)
	lineOf := func(what string) int {
		for k, l := range strings.Split(v.Screen(m), "\n") {
			if strings.Contains(l, what) {
				return k
			}
		}
		t.Fatalf("%s is not on the screen", what)
		return 0
	}
	v.Click(m, lineOf("7001/tcp"))
	v.Screen(m)
	if got := v.Selected(m); got != "7001/tcp" {
		t.Fatalf("a click selected %s", got)
	}
	v.Click(m, lineOf("7001/tcp"))
	second := lineOf("LAST REQUESTS") + 2
	v.Click(m, second)
	v.Screen(m)
	v.Click(m, second)
	if s := v.Screen(m); !strings.Contains(s, "DELIVERED") {
		t.Errorf("a second click shows\n%s", s)
	}
	v.Key(m, "?", "?")
	v.Wheel(1000)
	if s := v.Screen(m); !strings.Contains(s, "The mouse selects") {
		t.Errorf("the wheel leads to\n%s", s)
	}
	v.Click(m, 0)
	v.Click(m, 1000)
	v.Click(m, -1)
}
