package ruleset_test

import (
	"cmp"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryExpressionIsPrintedAndEvaluated: an expression that decode reads has its
// case where rules are written as nft lists them and where packets are put through
// them, or says both itself. What it would be without is "[not decoded]", and a
// packet that is followed no further.
func TestEveryExpressionIsPrintedAndEvaluated(t *testing.T) {
	all, own := expressions(t)
	if len(all) < 25 {
		t.Fatalf("only %d expressions are found: %v", len(all), all)
	}
	printed := cases(t, "nftstatement.go", "clause.go")
	evaluated := cases(t, "rule.go")
	for _, e := range all {
		if !own[e] && !printed[e] {
			t.Errorf("%s is not printed: it has no case in nftstatement.go or clause.go, and no method Text", e)
		}
		if !own[e] && !evaluated[e] {
			t.Errorf("%s is not evaluated: it has no case in rule.go, and no method Fate", e)
		}
	}
}

// expressions are the types of decode that are one, and those that are a Statement.
func expressions(t *testing.T) (all []string, own map[string]bool) {
	t.Helper()
	methods := map[string]map[string]bool{}
	for _, f := range sources(t, "../../decode", "") {
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || fn.Type.Params.NumFields() > 0 {
				continue
			}
			of := typeName(fn.Recv.List[0].Type)
			if methods[of] == nil {
				methods[of] = map[string]bool{}
			}
			methods[of][fn.Name.Name] = true
		}
	}
	own = map[string]bool{}
	for of, has := range methods {
		if has["expr"] {
			all = append(all, of)
			own[of] = has["Text"] && has["Fate"]
		}
	}
	slices.Sort(all)
	return all, own
}

// cases are the types of decode that a file switches over.
func cases(t *testing.T, files ...string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, name := range files {
		for _, f := range sources(t, ".", name) {
			ast.Inspect(f, func(n ast.Node) bool {
				c, ok := n.(*ast.CaseClause)
				if !ok {
					return true
				}
				for _, e := range c.List {
					if s, ok := bare(e).(*ast.SelectorExpr); ok {
						out[s.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	return out
}

// sources are the files of a folder, without tests; one alone if it is named.
func sources(t *testing.T, dir, name string) []*ast.File {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, cmp.Or(name, "*.go")))
	if err != nil {
		t.Fatal(err)
	}
	var out []*ast.File
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	return out
}

func typeName(e ast.Expr) string {
	if id, ok := bare(e).(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func bare(e ast.Expr) ast.Expr {
	if s, ok := e.(*ast.StarExpr); ok {
		return s.X
	}
	return e
}
