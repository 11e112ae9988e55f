package report

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
)

//go:embed assets
var assets embed.FS

// page is what the template is filled with.
type page struct {
	*view
	Style  template.CSS
	Script template.JS
	Policy string
}

var (
	style  = variables() + asset("page.css")
	script = asset("page.js")
	// policy lets the page's own style and script in, and nothing else: no
	// request can leave it, whatever a recording holds.
	policy    = "default-src 'none'; style-src " + hashOf(style) + "; script-src " + hashOf(script) + "; base-uri 'none'; form-action 'none'"
	templates = template.Must(template.New("page").Funcs(functions).ParseFS(assets, "assets/*.html"))
	functions = template.FuncMap{"date": dateText, "px": func(n float64) px { return px(n) }}
)

func asset(name string) string {
	b, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // compiled in
	}
	return string(b)
}

// hashOf is a source of a content security policy (CSP 3, section 2.3.1).
func hashOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// HTML writes the report as one self-contained page.
func HTML(w io.Writer, r *Report) error {
	p := page{view: newView(r), Style: template.CSS(style), Script: template.JS(script), Policy: policy}
	var b bytes.Buffer
	if err := templatesIn(r.Lang).ExecuteTemplate(&b, "page.html", p); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}
