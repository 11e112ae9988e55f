package report

import (
	"math"
	"strconv"
	"testing"
)

// contrast is the ratio of WCAG 2.2, section 1.4.3.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex[1:], 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	part := func(shift uint) float64 {
		c := float64(n>>shift&0xff) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*part(16) + 0.7152*part(8) + 0.0722*part(0)
}

func TestContrastSuffices(t *testing.T) {
	at := map[string]colour{}
	for _, c := range palette {
		at[c.name] = c
	}
	for _, c := range []struct {
		front, back string
		least       float64
	}{
		{"ink", "page", 7}, {"ink", "card", 7}, {"ink", "code", 7}, {"ink", "zone", 7}, {"ink", "zone-odd", 7}, {"ink", "bad-soft", 7},
		{"quiet", "page", 4.5}, {"quiet", "card", 4.5}, {"quiet", "code", 4.5}, {"quiet", "zone", 4.5}, {"quiet", "zone-odd", 4.5}, {"quiet", "bad-soft", 4.5},
		{"link", "page", 4.5}, {"link", "card", 4.5}, {"way", "zone", 4.5}, {"way", "zone-odd", 4.5}, {"back", "zone", 4.5}, {"back", "zone-odd", 4.5},
		{"good", "card", 4.5}, {"good", "good-soft", 4.5}, {"bad", "card", 4.5}, {"bad", "bad-soft", 4.5}, {"bad", "zone", 4.5}, {"bad", "zone-odd", 4.5}, {"bad", "code", 4.5},
		{"unsure", "card", 4.5}, {"unsure", "unsure-soft", 4.5}, {"unsure", "code", 4.5}, {"unsure", "zone", 4.5}, {"on-bad", "bad", 4.5},
		{"way", "card", 3}, {"back", "card", 3}, {"edge", "card", 3}, {"edge", "zone", 3}, {"edge", "zone-odd", 2.6},
	} {
		f, b := at[c.front], at[c.back]
		if got := contrast(t, f.light, b.light); got < c.least {
			t.Errorf("light: %s on %s is %.2f:1, want %.1f:1", c.front, c.back, got, c.least)
		}
		if got := contrast(t, f.dark, b.dark); got < c.least {
			t.Errorf("dark: %s on %s is %.2f:1, want %.1f:1", c.front, c.back, got, c.least)
		}
	}
}
