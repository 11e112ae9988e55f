package report

import "strings"

// colour is one colour of the page, in both schemes. The printed page is light.
type colour struct{ name, light, dark string }

// palette is every colour there is. Texts reach 4.5:1 on every ground they
// stand on, marks and outlines 3:1 (WCAG 2.2, 1.4.3 and 1.4.11).
var palette = []colour{
	{"page", "#f4f6f8", "#0e1216"},
	{"card", "#ffffff", "#161b21"},
	{"ink", "#16202b", "#e6ebf1"},
	{"quiet", "#52606f", "#a0adbb"},
	{"hair", "#dbe1e8", "#2b343e"},
	{"edge", "#7d8b9b", "#667686"},
	{"link", "#0a58a8", "#79b8ff"},
	{"way", "#1464b4", "#64a8f5"},
	{"back", "#0f766e", "#4cc4b4"},
	{"good", "#146c3c", "#63d297"},
	{"good-soft", "#e3f4ea", "#10291b"},
	{"bad", "#b42318", "#ff8f85"},
	{"bad-soft", "#fdebe9", "#351715"},
	{"unsure", "#8a5200", "#f0b84a"},
	{"unsure-soft", "#fdf1dc", "#30240c"},
	{"code", "#edf1f5", "#1e252d"},
	{"zone", "#f7f9fb", "#12171c"},
	{"zone-odd", "#e9f0f7", "#19222c"},
	{"on-bad", "#ffffff", "#230806"},
}

// variables writes the palette as CSS.
func variables() string {
	var light, dark strings.Builder
	for _, c := range palette {
		light.WriteString("--" + c.name + ":" + c.light + ";")
		dark.WriteString("--" + c.name + ":" + c.dark + ";")
	}
	return ":root{color-scheme:light dark;" + light.String() + "}\n@media screen and (prefers-color-scheme:dark){:root{" + dark.String() + "}}\n"
}
