package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// calls is who names whom: functions, methods and package variables of the module, its
// tests included, by their full names. It is wider than what is called: of a method
// called through an interface, all methods of that name count, and whoever names a
// type may have its bytes read by what a library looks for in it.
type calls struct {
	from map[string][]string
	// parsers are the functions outside tests that take bytes or text apart
	// themselves, with the file they are in.
	parsers map[string]string
}

// takesApart are the functions of libraries that make something of bytes or text.
var takesApart = map[string]bool{
	"encoding/json.Unmarshal": true, "(*encoding/json.Decoder).Decode": true, "(*encoding/json.Decoder).Token": true,
	"go.yaml.in/yaml/v3.Unmarshal": true, "(*go.yaml.in/yaml/v3.Decoder).Decode": true, "(*go.yaml.in/yaml/v3.Node).Decode": true,
	"strconv.Atoi": true, "strconv.ParseInt": true, "strconv.ParseUint": true, "strconv.ParseFloat": true, "strconv.ParseBool": true,
	"strconv.Unquote": true, "strconv.UnquoteChar": true,
	"net/netip.ParseAddr": true, "net/netip.ParsePrefix": true, "net/netip.ParseAddrPort": true,
	"net.ParseIP": true, "net.ParseCIDR": true, "net.ParseMAC": true, "net/url.Parse": true,
	"time.Parse": true, "time.ParseInLocation": true, "time.ParseDuration": true,
	"(*bufio.Scanner).Scan": true, "(*bufio.Reader).ReadString": true, "(*bufio.Reader).ReadBytes": true, "(*bufio.Reader).ReadSlice": true,
	"encoding/hex.DecodeString": true, "encoding/hex.Decode": true, "encoding/binary.Read": true, "encoding/binary.Uvarint": true,
	"(*encoding/base64.Encoding).DecodeString": true, "(*encoding/base64.Encoding).Decode": true,
	"(*github.com/mdlayher/netlink.AttributeDecoder).Next": true,
}

func init() {
	for _, order := range []string{"littleEndian", "bigEndian", "nativeEndian", "ByteOrder"} {
		for _, size := range []string{"Uint16", "Uint32", "Uint64"} {
			takesApart["(encoding/binary."+order+")."+size] = true
		}
	}
}

// called by libraries, which find them in the value they are given.
var byLibraries = map[string]bool{"UnmarshalJSON": true, "UnmarshalText": true, "UnmarshalYAML": true, "Read": true, "ReadByte": true, "Write": true, "Close": true}

// source is a package as the go tool lists it.
type source struct {
	ImportPath, Dir, Export, ForTest   string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Module                             *struct{ Main bool }
}

// callsOfTheModule checks the types of every package of the module, for Linux.
func callsOfTheModule(t *testing.T) *calls {
	t.Helper()
	g := &calls{from: map[string][]string{}, parsers: map[string]string{}}
	exports, ours := map[string]string{}, map[string]*types.Package{}
	fset := token.NewFileSet()
	gc := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	find := importFunc(func(path string) (*types.Package, error) {
		if p := ours[path]; p != nil {
			return p, nil
		}
		if exports[path] == "" {
			return nil, errors.New("no export data")
		}
		return gc.Import(path)
	})
	sources := sourcesOfTheModule(t)
	for _, s := range sources {
		if s.Export != "" && (s.Module == nil || !s.Module.Main) {
			exports[s.ImportPath] = s.Export
		}
	}
	check := func(s source, path string, names []string) *types.Package {
		var files []*ast.File
		for _, name := range names {
			f, err := parser.ParseFile(fset, filepath.Join(s.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		info := &types.Info{Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
		// What only the go tool can make, such as a package of tests inside another's
		// tests, stays unknown: the names that depend on it do not count.
		p, _ := (&types.Config{Importer: find, Error: func(error) {}, FakeImportC: true}).Check(path, fset, files, info)
		for _, f := range files {
			name := filepath.Base(fset.Position(f.Pos()).Filename)
			g.add(f, info, strings.TrimPrefix(s.ImportPath, module+"/")+"/"+name, strings.HasSuffix(name, "_test.go"))
		}
		return p
	}
	for _, s := range sources {
		if s.Module == nil || !s.Module.Main || s.ForTest != "" || strings.HasSuffix(s.ImportPath, ".test") {
			continue
		}
		plain := check(s, s.ImportPath, s.GoFiles)
		if len(s.TestGoFiles) > 0 {
			ours[s.ImportPath] = check(s, s.ImportPath, append(append([]string{}, s.GoFiles...), s.TestGoFiles...))
		}
		if len(s.XTestGoFiles) > 0 {
			if ours[s.ImportPath] == nil {
				ours[s.ImportPath] = plain
			}
			check(s, s.ImportPath+"_test", s.XTestGoFiles)
		}
		ours[s.ImportPath] = plain
	}
	return g
}

type importFunc func(string) (*types.Package, error)

func (f importFunc) Import(path string) (*types.Package, error) { return f(path) }

func sourcesOfTheModule(t *testing.T) (all []source) {
	t.Helper()
	c := exec.Command("go", "list", "-deps", "-test", "-export", "-json=ImportPath,Dir,Export,ForTest,GoFiles,TestGoFiles,XTestGoFiles,Module", module+"/...")
	c.Env = append(os.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("list packages: %v", err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var s source
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
}

// add takes in who names whom in a file.
func (g *calls) add(f *ast.File, info *types.Info, where string, test bool) {
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			fn, ok := info.Defs[d.Name].(*types.Func)
			if !ok || d.Body == nil {
				continue
			}
			name := fn.FullName()
			g.named(name, d.Body, info)
			if fn.Name() == "init" { // of its package: whoever uses a variable that it sets meets what it names
				for _, v := range variables(d.Body, info) {
					g.named(v, d.Body, info)
				}
				continue
			}
			if fn.Signature().Recv() != nil {
				g.from["method "+fn.Name()] = append(g.from["method "+fn.Name()], name)
			}
			if !test && apart(d.Body, info) {
				g.parsers[name] = where
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok {
					for _, id := range v.Names {
						if o := info.Defs[id]; o != nil && o.Pkg() != nil {
							for _, x := range v.Values {
								g.named(o.Pkg().Path()+" var "+o.Name(), x, info)
							}
						}
					}
				}
			}
		}
	}
}

// variables are those of packages that are named in n.
func variables(n ast.Node, info *types.Info) (all []string) {
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if v, ok := info.Uses[id].(*types.Var); ok {
				all = append(all, means(v)...)
			}
		}
		return true
	})
	return all
}

// named takes in what is named inside n by the one of this name.
func (g *calls) named(name string, n ast.Node, info *types.Info) {
	ast.Inspect(n, func(n ast.Node) bool {
		id, ok := n.(*ast.Ident)
		if !ok {
			return true
		}
		g.from[name] = append(g.from[name], means(info.Uses[id])...)
		return true
	})
}

// means is whom a name in the source may stand for.
func means(o types.Object) []string {
	switch o := o.(type) {
	case *types.Func:
		o = o.Origin()
		if r := o.Signature().Recv(); r != nil && types.IsInterface(r.Type()) {
			return []string{"method " + o.Name()}
		}
		return []string{o.FullName()}
	case *types.Var:
		if o.Pkg() != nil && o.Parent() == o.Pkg().Scope() {
			return []string{o.Pkg().Path() + " var " + o.Name()}
		}
	case *types.TypeName:
		n, ok := o.Type().(*types.Named)
		if !ok {
			return nil
		}
		var to []string
		for m := range n.Origin().Methods() {
			if byLibraries[m.Name()] {
				to = append(to, m.FullName())
			}
		}
		return to
	}
	return nil
}

// apart says whether what is in n takes bytes or text apart.
func apart(n ast.Node, info *types.Info) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if f, ok := info.Uses[id].(*types.Func); ok && takesApart[f.FullName()] {
				found = true
			}
		}
		return !found
	})
	return found
}

// reach is everything that is named, at whatever remove, from where.
func (g *calls) reach(from ...string) map[string]bool {
	seen := map[string]bool{}
	for len(from) > 0 {
		name := from[len(from)-1]
		from = from[:len(from)-1]
		if !seen[name] {
			seen[name] = true
			from = append(from, g.from[name]...)
		}
	}
	return seen
}
