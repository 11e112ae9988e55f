package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// mayStartGoroutines are where goroutines may be started: where the world is
// watched, where the stages meet, and in the labs.
var mayStartGoroutines = []string{"capture/...", "cmd/internal/pipeline", "fixtures/..."}

func TestGoroutinesLiveInCaptureAndThePipeline(t *testing.T) {
	eachFile(t, func(pkg string, file *ast.File, at func(ast.Node) token.Position) {
		if matchAny(mayStartGoroutines, pkg) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if g, ok := n.(*ast.GoStmt); ok {
				t.Errorf("%s: a goroutine is started here", at(g))
			}
			return true
		})
	})
}

// clock are the functions of package time that read it or wait on it.
var clock = map[string]bool{"Now": true, "Since": true, "Until": true, "After": true, "AfterFunc": true,
	"NewTimer": true, "NewTicker": true, "Tick": true, "Sleep": true}

func TestTimeIsAnArgument(t *testing.T) {
	eachFile(t, func(pkg string, file *ast.File, at func(ast.Node) token.Position) {
		if !matchAny([]string{"decode/...", "correlate/...", "cmd/internal/render", "cmd/internal/report/...", "cmd/internal/metrics", "cmd/internal/traceid", "cmd/internal/watch"}, pkg) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok || !clock[s.Sel.Name] {
				return true
			}
			if x, ok := s.X.(*ast.Ident); ok && x.Name == "time" && x.Obj == nil {
				t.Errorf("%s: the clock is read here (time.%s)", at(s), s.Sel.Name)
			}
			return true
		})
	})
}

// eachFile parses every file of the module that is no test.
func eachFile(t *testing.T, visit func(pkg string, file *ast.File, at func(ast.Node) token.Position)) {
	t.Helper()
	for _, p := range list(t, "linux") {
		for _, name := range p.GoFiles {
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, filepath.Join(p.Dir, name), nil, 0)
			if err != nil {
				t.Errorf("parse %s: %v", name, err)
				continue
			}
			visit(strings.TrimPrefix(p.ImportPath, module+"/"), file, func(n ast.Node) token.Position { return fset.Position(n.Pos()) })
		}
	}
}
