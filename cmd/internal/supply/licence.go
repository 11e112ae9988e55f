package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// read reads the licence of a module, and finds out which one it is.
func (m *module) read() error {
	m.texts = map[string][]byte{}
	for _, pattern := range []string{"LICEN[CS]E*", "Licen[cs]e*", "COPYING*", "NOTICE*"} {
		found, err := filepath.Glob(filepath.Join(m.dir, pattern))
		if err != nil {
			return err
		}
		for _, f := range found {
			b, err := os.ReadFile(f)
			if err != nil {
				return fmt.Errorf("read licence of %s: %w", m.path, err)
			}
			m.texts[filepath.Base(f)] = b
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.texts)) {
		if m.licence == "" && !strings.HasPrefix(name, "NOTICE") {
			m.licence = licenceOf(string(m.texts[name]))
		}
	}
	return nil
}

// signs are sentences of licences, the first that is found decides.
var signs = []struct{ licence, text string }{
	{"MPL-2.0", "mozilla public license version 2.0"},
	{"Apache-2.0", "apache license version 2.0"},
	{"BSD-3-Clause", "neither the name of"},
	{"BSD-3-Clause", "the name of the author may not be used"},
	{"BSD-3-Clause", "the name of any author may not be used"},
	{"BSD-3-Clause", "names of its contributors may be used"},
	{"BSD-2-Clause", "redistributions in binary form must reproduce"},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose"},
	{"ISC", "permission to use, copy, modify, and distribute this software for any purpose"},
	{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy"},
}

// licenceOf recognises a licence by its text; "" if it is none of those that may be
// linked in.
func licenceOf(text string) string {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	text = strings.ReplaceAll(text, "apache license, version", "apache license version")
	for _, s := range signs {
		if strings.Contains(text, s.text) {
			return s.licence
		}
	}
	return ""
}

// licences writes the licence and the notices of every module that is linked in, and
// those of Go itself.
func (p *program) licences(w io.Writer) error {
	for _, m := range p.modules {
		if m.licence == "" {
			return fmt.Errorf("%s %s has no licence that is known here", m.path, m.version)
		}
		if _, err := fmt.Fprintf(w, "==== %s %s (%s)\n", m.path, m.version, m.licence); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(m.texts)) {
			if _, err := fmt.Fprintf(w, "%s\n", m.texts[name]); err != nil {
				return err
			}
		}
	}
	goroot, err := ask(p.root, "env", "GOROOT")
	if err != nil {
		return err
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(goroot)), "LICENSE"))
	if err != nil {
		return fmt.Errorf("read licence of Go: %w", err)
	}
	_, err = fmt.Fprintf(w, "==== Go (BSD-3-Clause)\n%s", b)
	return err
}
