package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// command is the package of the program.
const command = "dnatrace/cmd/dnatrace"

// program is what goes into the released binary, on Linux.
type program struct {
	root     string
	packages map[string]*pkg // by import path
	modules  []*module       // in order of their paths
	byPath   map[string]*module
	sums     map[string]string // "path version" to what go.sum says of it
}

type pkg struct {
	ImportPath string
	Imports    []string
	Standard   bool
	Module     *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// module is one that is linked in.
type module struct {
	path, version, dir string
	licence            string            // SPDX identifier
	needs              map[string]bool   // other modules whose packages its own import
	texts              map[string][]byte // licence and notice files
}

// load asks the go tool. dir is anywhere in the module.
func load(dir string) (*program, error) {
	root, err := ask(dir, "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, err
	}
	p := &program{root: strings.TrimSpace(string(root)), packages: map[string]*pkg{}, byPath: map[string]*module{}, sums: map[string]string{}}
	out, err := ask(p.root, "list", "-deps", "-json=ImportPath,Imports,Standard,Module", command)
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var k pkg
		if err := d.Decode(&k); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("list packages: %w", err)
		}
		p.packages[k.ImportPath] = &k
		if m := k.Module; m != nil && !m.Main && p.byPath[m.Path] == nil {
			p.byPath[m.Path] = &module{path: m.Path, version: m.Version, dir: m.Dir, needs: map[string]bool{}}
			p.modules = append(p.modules, p.byPath[m.Path])
		}
	}
	slices.SortFunc(p.modules, func(a, b *module) int { return strings.Compare(a.path, b.path) })
	for _, k := range p.packages {
		from := p.moduleOf(k.ImportPath)
		for _, i := range k.Imports {
			if to := p.moduleOf(i); from != nil && to != nil && to != from {
				from.needs[to.path] = true
			}
		}
	}
	for _, m := range p.modules {
		if err := m.read(); err != nil {
			return nil, err
		}
	}
	sums, err := os.ReadFile(filepath.Join(p.root, "go.sum"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(sums)) {
		if f := strings.Fields(line); len(f) == 3 {
			p.sums[f[0]+" "+f[1]] = f[2]
		}
	}
	return p, nil
}

// moduleOf is the module of a package that is linked in; nil if it is ours or Go's.
func (p *program) moduleOf(path string) *module {
	k := p.packages[path]
	if k == nil || k.Module == nil {
		return nil
	}
	return p.byPath[k.Module.Path]
}

// ask runs the go tool as the release is built.
func ask(dir string, args ...string) ([]byte, error) {
	c := exec.Command("go", args...)
	c.Dir = dir
	c.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0", "GOFLAGS=")
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, said.Bytes())
	}
	return out, nil
}

// direct are the modules that go.mod requires directly, in order.
func (p *program) direct() ([]string, error) {
	out, err := ask(p.root, "mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	var m struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("read go.mod: %w", err)
	}
	var all []string
	for _, r := range m.Require {
		if !r.Indirect {
			all = append(all, r.Path)
		}
	}
	return all, nil
}

// without is what is still linked in when nobody imports any package of a module:
// import paths.
func (p *program) without(path string) map[string]bool {
	seen := map[string]bool{}
	for todo := []string{command}; len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if m := p.moduleOf(at); seen[at] || m != nil && m.path == path {
			continue
		}
		seen[at] = true
		if k := p.packages[at]; k != nil {
			todo = append(todo, k.Imports...)
		}
	}
	return seen
}
