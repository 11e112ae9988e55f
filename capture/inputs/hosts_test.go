package inputs

import "testing"

func TestRecordingsThatContradictEachOtherAreOfTwoHosts(t *testing.T) {
	card := func(mac string) map[string]string { return map[string]string{"eth0": mac} }
	for _, c := range []struct {
		name string
		a, b identity
		want bool
	}{
		{"both say the same host", identity{host: "1", cards: card("02:00:00:00:00:01")}, identity{host: "1", cards: card("02:00:00:00:00:02")}, false},
		{"they say two", identity{host: "1", cards: card("02:00:00:00:00:01")}, identity{host: "2", cards: card("02:00:00:00:00:01")}, true},
		{"neither says, and a card is another one", identity{cards: card("02:00:00:00:00:01")}, identity{cards: card("02:00:00:00:00:02")}, true},
		{"one says, and a card is another one", identity{host: "1", cards: card("02:00:00:00:00:01")}, identity{cards: card("02:00:00:00:00:02")}, true},
		{"neither says, and the cards are the same", identity{cards: card("02:00:00:00:00:01")}, identity{cards: card("02:00:00:00:00:01")}, false},
		{"neither has a card of that name", identity{cards: card("02:00:00:00:00:01")}, identity{cards: map[string]string{"eth1": "02:00:00:00:00:02"}}, false},
		{"addresses are pseudonyms", identity{cards: card("02:00:00:00:00:01"), redacted: true}, identity{cards: card("02:00:00:00:00:02")}, false},
		{"nothing tells", identity{}, identity{}, false},
	} {
		if got := c.a.contradicts(c.b); got != c.want || c.b.contradicts(c.a) != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
