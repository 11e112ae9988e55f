package compare_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dnatrace/correlate/compare"
	"dnatrace/correlate/stage"
	"dnatrace/decode"
	"dnatrace/fixtures"
)

// side is the request of a fixture that diff would pick.
func side(t *testing.T, name string, good bool) compare.Side {
	t.Helper()
	c, d := fixtures.Judged(t, name)
	i := compare.Choose(d, "", good)
	if i == nil {
		t.Fatalf("%s has no request to compare", name)
	}
	s := compare.Side{File: name, Incident: i, Points: d.Recording.Points, World: compare.NewWorld(i.First)}
	src, err := c.Open()
	if err != nil {
		t.Fatal(err)
	}
	for b, err := range src(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range b.Records {
			events, _ := decode.Control(r)
			for _, e := range events {
				s.World.Take(e)
			}
		}
	}
	return s
}

func TestWhereRequestsPart(t *testing.T) {
	for _, c := range []struct {
		name, good, bad string
		stage           stage.Stage
		want            []string // what of the differences must be named: STAGE WHAT
		contains        string   // of the sentence, or of any difference
	}{
		{"it works from the host, not from outside", "host-loopback", "published-on-loopback", "client",
			[]string{"client client", "host outcome"}, "good comes from the host, over loopback, bad from outside"},
		{"a rule of the user's drops it", "delivered", "firewall-drop", stage.Forward,
			[]string{"forward rule", "forward outcome"}, "-A DOCKER-USER"},
		{"nobody listens in the container", "delivered", "no-listener", stage.Container,
			[]string{"container outcome", "container socket"}, "refused"},
		{"the engine's rules are gone", "delivered", "rules-missing", stage.Forward,
			[]string{"forward rule", "forward outcome"}, "only good has -A DOCKER -d 172.17.0.2/32"},
		{"forwarding is off", "delivered", "forwarding-disabled", stage.Route,
			[]string{"route setting", "route outcome"}, "net.ipv4.ip_forward"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := compare.Compare(side(t, c.good, true), side(t, c.bad, false))
			if r.Same || r.Stage != c.stage {
				t.Errorf("they part at %q, want %q: %s", r.Stage, c.stage, r.Why)
			}
			var all []string
			text := r.Why
			for _, d := range r.Differences {
				all = append(all, string(d.Stage)+" "+d.What)
				text += "\n" + d.Name + ": " + d.Good + " | " + d.Bad
			}
			for _, w := range c.want {
				if !slices.Contains(all, w) {
					t.Errorf("%s is not among the differences: %v", w, all)
				}
			}
			if !strings.Contains(text, c.contains) {
				t.Errorf("%q is nowhere in:\n%s", c.contains, text)
			}
			if testing.Verbose() {
				t.Log(text)
			}
		})
	}
}

func TestARequestIsNoDifferentFromItself(t *testing.T) {
	for _, name := range fixtures.Names() {
		c, _ := fixtures.Load(name)
		if d, err := c.Replay(); err != nil || compare.Choose(d, "", false) == nil {
			continue
		}
		s := side(t, name, false)
		if r := compare.Compare(s, s); !r.Same {
			t.Errorf("%s: %s", name, cmp.Diff([]compare.Difference{}, r.Differences))
		}
	}
}

func TestWhatIsOnOneSideOnlyIsSaid(t *testing.T) {
	good, bad := side(t, "delivered", true), side(t, "delivered", true)
	bad.World = compare.NewWorld(bad.Incident.First)
	r := compare.Compare(good, bad)
	if len(r.Unknown) == 0 {
		t.Error("nothing is said of what could not be compared")
	}
	for _, d := range r.Differences {
		if d.What == "setting" || d.What == "rule" || d.What == "route" {
			t.Errorf("%s %s differs from nothing", d.What, d.Name)
		}
	}
}

// TestRoutesAreComparedAsTheyAreLookedUp: rules of routing, and the tables that
// they lead to, decide for a diff as they do for a diagnosis.
func TestRoutesAreComparedAsTheyAreLookedUp(t *testing.T) {
	r := compare.Compare(side(t, "delivered", true), side(t, "reply-misrouted-by-source", false))
	i := slices.IndexFunc(r.Differences, func(d compare.Difference) bool { return d.What == "route" && d.Name == "to the client" })
	if i < 0 {
		t.Fatalf("the way of the answer is the same: %+v, %q", r.Differences, r.Unknown)
	}
	if d := r.Differences[i]; d.Stage != stage.ReplyRoute || d.Good != "unicast by eth0" || d.Bad != "unicast by wan2" {
		t.Errorf("%+v", d)
	}
}
