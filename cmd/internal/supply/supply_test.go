package main

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

func loaded(t *testing.T) *program {
	t.Helper()
	p, err := load(".")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEveryDependencyIsAccountedFor: each module of go.mod has a reason and a row, and
// none is left of one that is gone.
func TestEveryDependencyIsAccountedFor(t *testing.T) {
	p := loaded(t)
	direct, err := p.direct()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(line, " | ")
		if path, ok := strings.CutPrefix(cells[0], "| "); ok && len(cells) == 5 && why[path] != "" {
			rows = append(rows, path)
			if cells[1] != why[path] {
				t.Errorf("the page gives another reason for %s: make dependencies", path)
			}
			if used := cells[2] != "–"; used != (p.byPath[path] != nil) {
				t.Errorf("%s is linked in: %t; the page says otherwise: make dependencies", path, !used)
			}
		}
	}
	slices.Sort(rows)
	slices.Sort(direct)
	if !slices.Equal(rows, direct) {
		t.Errorf("the page tells of %q, go.mod requires %q: make dependencies", rows, direct)
	}
	for path := range why {
		if !slices.Contains(direct, path) {
			t.Errorf("%s has a reason, and go.mod does not require it", path)
		}
	}
	for _, path := range direct {
		if p.byPath[path] == nil && !strings.HasPrefix(why[path], "tests: ") {
			t.Errorf("%s is not linked in, and its reason does not say that it is for tests", path)
		}
	}
}

func TestEveryLicenceIsKnownAndHandedOut(t *testing.T) {
	p := loaded(t)
	if len(p.modules) < 20 {
		t.Fatalf("only %d modules are linked in", len(p.modules))
	}
	for _, m := range p.modules {
		if m.licence == "" {
			t.Errorf("%s %s has no licence that is known here", m.path, m.version)
		}
	}
	var out bytes.Buffer
	if err := p.licences(&out); err != nil {
		t.Fatal(err)
	}
	for _, m := range p.modules {
		if !strings.Contains(out.String(), "==== "+m.path+" "+m.version+" ("+m.licence+")\n") {
			t.Errorf("the licence of %s is not handed out", m.path)
		}
	}
	if !strings.Contains(out.String(), "==== Go (BSD-3-Clause)\nCopyright") {
		t.Error("Go's own licence is not handed out")
	}
}

func TestLicencesAreToldApart(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n   Version 2.0, January 2004":                                                   "Apache-2.0",
		"Licensed under the Apache License, Version 2.0":                                                 "Apache-2.0",
		"The MIT License\nPermission is hereby granted,\nfree of charge, to any person obtaining a copy": "MIT",
		"Redistributions in binary form must reproduce … Neither the name of Google":                     "BSD-3-Clause",
		"Redistributions in binary form\nmust reproduce":                                                 "BSD-2-Clause",
		"Mozilla Public License Version 2.0":                                                             "MPL-2.0",
		"GNU GENERAL PUBLIC LICENSE Version 3":                                                           "",
		"all rights reserved":                                                                            "",
	} {
		if got := licenceOf(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestTheBillOfMaterials is the same each time, names every module once, and every
// reference in it leads somewhere.
func TestTheBillOfMaterials(t *testing.T) {
	p := loaded(t)
	var one, two bytes.Buffer
	if err := p.bill(&one, "v1.2.3"); err != nil {
		t.Fatal(err)
	}
	if err := loaded(t).bill(&two, "v1.2.3"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(one.Bytes(), two.Bytes()) {
		t.Error("two bills of one program differ")
	}
	var b bom
	if err := json.Unmarshal(one.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if b.Format != "CycloneDX" || b.SpecVersion != "1.6" || !strings.HasPrefix(b.Serial, "urn:uuid:") || b.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("head %q %q %q %q", b.Format, b.SpecVersion, b.Serial, b.Metadata.Component.Version)
	}
	refs := map[string]bool{b.Metadata.Component.Ref: true}
	for _, c := range b.Components {
		if refs[c.Ref] || c.Version == "" || len(c.Licences) != 1 || c.Licences[0].License.ID == "" {
			t.Errorf("component %+v", c)
		}
		refs[c.Ref] = true
		if c.Name != "std" && (len(c.Properties) != 1 || !strings.HasPrefix(c.Properties[0].Value, "h1:")) {
			t.Errorf("%s has no sum: %v", c.Name, c.Properties)
		}
	}
	if len(b.Components) != len(p.modules)+1 {
		t.Errorf("%d components of %d modules", len(b.Components), len(p.modules))
	}
	needed := map[string]bool{}
	for _, d := range b.Dependencies {
		if !refs[d.Ref] {
			t.Errorf("a dependency of %s, which is no component", d.Ref)
		}
		for _, on := range d.DependsOn {
			needed[on] = true
			if !refs[on] {
				t.Errorf("%s needs %s, which is no component", d.Ref, on)
			}
		}
	}
	for _, c := range b.Components {
		if !needed[c.Ref] {
			t.Errorf("nothing needs %s", c.Name)
		}
	}
	if bytes.Contains(one.Bytes(), []byte("chromedp")) {
		t.Error("a package for tests is in the program")
	}
}

func TestTheSymbolsOfAPackage(t *testing.T) {
	for symbol, want := range map[string]string{
		"github.com/x/y.(*T).M":                                "github.com/x/y",
		"github.com/x/y.F":                                     "github.com/x/y",
		"type:*github.com/x/y.T":                               "github.com/x/y",
		"type:.eq.github.com/x/y.T":                            "github.com/x/y",
		"go:itab.*github.com/x/y.T,io.Reader":                  "github.com/x/y",
		"gopkg.in/yaml%2ev3.Unmarshal":                         "gopkg.in/yaml.v3",
		"charm.land/bubbletea/v2.(*Program).Run":               "charm.land/bubbletea/v2",
		"dnatrace/capture/internal/events.Split[go.shape.int]": "dnatrace/capture/internal/events",
		"runtime.mallocgc":                                     "runtime",
		"go:string.*":                                          "",
	} {
		if got := packageOf(symbol); got != want && !(want == "" && got == "go:string") {
			t.Errorf("%s is of %q, want %q", symbol, got, want)
		}
	}
}

func TestWhatGoesWithAModule(t *testing.T) {
	p := loaded(t)
	c := p.cost("github.com/ulikunitz/xz", map[string]int64{"github.com/ulikunitz/xz": 1000, "github.com/ulikunitz/xz/lzma": 500, "fmt": 1e6})
	if !c.used || c.bytes != 1500 || len(c.alone) != 1 {
		t.Errorf("got %+v", c)
	}
	if c := p.cost("go.uber.org/goleak", nil); c.used || c.licence != "MIT" {
		t.Errorf("got %+v", c)
	}
}
