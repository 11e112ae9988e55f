package main

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// A bill of materials in the form of CycloneDX 1.6 (ECMA-424). It has no time and no
// random number: of one commit and one version of Go there is one.
type (
	bom struct {
		Format       string       `json:"bomFormat"`
		SpecVersion  string       `json:"specVersion"`
		Serial       string       `json:"serialNumber"`
		Version      int          `json:"version"`
		Metadata     metadata     `json:"metadata"`
		Components   []component  `json:"components"`
		Dependencies []dependency `json:"dependencies"`
	}
	metadata struct {
		Component component `json:"component"`
	}
	component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version"`
		Licences   []licence  `json:"licenses"`
		PURL       string     `json:"purl"`
		Properties []property `json:"properties,omitempty"`
	}
	licence struct {
		License struct {
			ID string `json:"id"`
		} `json:"license"`
	}
	property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	dependency struct {
		Ref       string   `json:"ref"`
		DependsOn []string `json:"dependsOn"`
	}
)

func part(kind, name, version, id string) component {
	c := component{Type: kind, Name: name, Version: version, PURL: "pkg:golang/" + name + "@" + strings.ReplaceAll(version, "+", "%2B")}
	c.Ref = c.PURL
	l := licence{}
	l.License.ID = id
	c.Licences = []licence{l}
	return c
}

// bill writes the bill of materials of a version of the program.
func (p *program) bill(w io.Writer, version string) error {
	goversion, err := ask(p.root, "env", "GOVERSION")
	if err != nil {
		return err
	}
	std := part("library", "std", strings.TrimPrefix(strings.TrimSpace(string(goversion)), "go"), "BSD-3-Clause")
	b := bom{Format: "CycloneDX", SpecVersion: "1.6", Version: 1, Metadata: metadata{part("application", "dnatrace", version, "Apache-2.0")}}
	refs := map[string]string{}
	for _, m := range p.modules {
		if m.licence == "" {
			return fmt.Errorf("%s %s has no licence that is known here", m.path, m.version)
		}
		c := part("library", m.path, m.version, m.licence)
		if sum := p.sums[m.path+" "+m.version]; sum != "" {
			c.Properties = []property{{"go.sum", sum}}
		}
		refs[m.path] = c.Ref
		b.Components = append(b.Components, c)
	}
	b.Components = append(b.Components, std)
	own := dependency{Ref: b.Metadata.Component.Ref, DependsOn: []string{std.Ref}}
	for _, k := range p.packages {
		if k.Module == nil || !k.Module.Main {
			continue
		}
		for _, i := range k.Imports {
			if m := p.moduleOf(i); m != nil && !slices.Contains(own.DependsOn, refs[m.path]) {
				own.DependsOn = append(own.DependsOn, refs[m.path])
			}
		}
	}
	slices.Sort(own.DependsOn)
	b.Dependencies = append(b.Dependencies, own)
	for _, m := range p.modules {
		d := dependency{Ref: refs[m.path], DependsOn: []string{std.Ref}}
		for _, n := range slices.Sorted(maps.Keys(m.needs)) {
			d.DependsOn = append(d.DependsOn, refs[n])
		}
		b.Dependencies = append(b.Dependencies, d)
	}
	b.Dependencies = append(b.Dependencies, dependency{Ref: std.Ref, DependsOn: []string{}})
	content, err := json.Marshal(b)
	if err != nil {
		return err
	}
	b.Serial = serial(content)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(b)
}

// serial is a UUID (RFC 9562, version 8) made of what the bill says.
func serial(content []byte) string {
	s := sha256.Sum256(content)
	s[6], s[8] = s[6]&0x0f|0x80, s[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", s[0:4], s[4:6], s[6:8], s[8:10], s[10:16])
}
